// Which page is shown: `#source=NAME` that of a source, anything else the overview.

const view = JSON.parse(document.getElementById("overview").textContent);
const catalogues = JSON.parse(document.getElementById("catalogues").textContent);
const main = h("main", { id: "main" });
const bar = h("div", { class: "bar" });
const footer = h("footer");

/** Return the language there is that a browser's tag asks for; English where none is. */
function languageFor(tags) {
  for (const tag of tags) {
    const wanted = new Intl.Locale(tag).maximize();
    if (wanted.language === "en") return "en";
    for (const each of Object.keys(catalogues)) {
      const there = new Intl.Locale(each).maximize();
      if (there.language === wanted.language && there.script === wanted.script) return each;
    }
  }
  return "en";
}

function speak(tag) {
  language.tag = tag;
  language.messages = catalogues[tag] ?? {};
  document.documentElement.lang = tag;
  document.documentElement.dir = new Intl.Locale(tag).maximize().script === "Arab" ? "rtl" : "ltr";
}

function picker() {
  const change = (event) => {
    speak(event.target.value);
    frame();
    show({ focus: false });
    document.getElementById("language").focus();
  };
  const options = ["en", ...Object.keys(catalogues)].map((tag) =>
    h("option", { value: tag, lang: tag, selected: tag === language.tag }, new Intl.DisplayNames(tag, { type: "language" }).of(tag)),
  );
  return h("div", { class: "language" }, h("label", { for: "language" }, t("Language")), h("select", { id: "language", onchange: change }, options));
}

/** Draw what stands around every page. */
function frame() {
  bar.replaceChildren(picker());
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
