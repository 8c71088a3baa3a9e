// Which page is shown: `#source=NAME` that of a source, anything else the overview.

const view = JSON.parse(document.getElementById("overview").textContent);
const main = h("main", { id: "main" });

function show({ focus }) {
  const name = location.hash.startsWith("#source=") ? decodeURIComponent(location.hash.slice(8)) : null;
  const source = view.sources.find((each) => each.name === name);
  main.replaceChildren(...(source ? sourcePage(view, source) : overviewPage(view)).flat(Infinity).filter(Boolean));
  document.title = source ? `${nameOf(source)} – ${t("Your personal data")}` : t("Your personal data");
  document.documentElement.lang = language.tag;
  if (focus) {
    window.scrollTo(0, 0);
    main.querySelector("h1").focus();
  }
}

document.body.append(main, h("footer", {}, h("p", {}, t("Made by Rightful"))));
window.addEventListener("hashchange", () => show({ focus: true }));
show({ focus: false });
