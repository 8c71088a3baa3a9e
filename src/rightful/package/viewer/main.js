// Which page is shown: `#source=NAME` that of a source, anything else the overview.

const view = JSON.parse(document.getElementById("overview").textContent);
const main = h("main", { id: "main" });
const bar = h("div", { class: "bar" });
const footer = h("footer");

/** Draw what stands around every page. */
function frame() {
  bar.replaceChildren(picker(() => {
    frame();
    show({ focus: false });
  }));
  footer.replaceChildren(h("p", {}, t("Made by Rightful")));
}

function show({ focus }) {
  const source = view.sources.find((each) => location.hash === `#source=${encodeURIComponent(each.name)}`);
  main.replaceChildren(...(source ? sourcePage(view, source) : overviewPage(view)).flat(Infinity).filter(Boolean));
  document.title = source ? `${nameOf(source)} – ${t("Your personal data")}` : t("Your personal data");
  if (focus) {
    window.scrollTo(0, 0);
    main.querySelector("h1").focus();
  }
}

speak(view.language || languageFor(navigator.languages));
frame();
document.body.append(h("header", { "aria-label": t("Language") }, bar), main, footer);
window.addEventListener("hashchange", () => show({ focus: true }));
show({ focus: false });
