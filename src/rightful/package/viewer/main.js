// Which page is shown: `#source=NAME` that of a source, `#time=MONTH` everything of a month, anything else the overview.

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
  const time = timedThings(view).length && location.hash.startsWith("#time=") ? location.hash.slice(6) : null;
  const page = () => (source ? sourcePage(view, source) : time !== null ? timelinePage(view, time) : overviewPage(view));
  main.replaceChildren(...page().flat(Infinity).filter(Boolean));
  const name = source ? nameOf(source) : time !== null && t("Day by day");
  document.title = name ? `${name} – ${t("Your personal data")}` : t("Your personal data");
  if (focus) {
    window.scrollTo(0, 0);
    main.querySelector("h1").focus();
  }
}

for (const name of [view.call, "rightfulShard"]) receive(name); // so do parts call that an earlier version delivered
speak(view.language || languageFor(navigator.languages));
frame();
document.body.append(h("header", { "aria-label": t("Language") }, bar), main, footer);
window.addEventListener("hashchange", () => show({ focus: true }));
show({ focus: false });
