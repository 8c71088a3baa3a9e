// Which language the page speaks, and the choice of another.

const catalogues = JSON.parse(document.getElementById("catalogues").textContent);
const TAGS = ["en", ...Object.keys(catalogues)];

/** Return the language there is that a browser's tags ask for; English where none is. */
function languageFor(tags) {
  const wanted = tags.map(languageAndScript);
  const found = wanted.map((each) => TAGS.find((tag) => languageAndScript(tag) === each));
  return found.find((tag) => tag) ?? "en";
}

function languageAndScript(tag) {
  try {
    const { language, script } = new Intl.Locale(tag).maximize();
    return `${language}-${script}`;
  } catch {
    return tag; // some browsers have tags that are none, as `en-US@posix`
  }
}

function speak(tag) {
  language.tag = tag;
  language.messages = catalogues[tag] ?? {};
  document.documentElement.lang = tag;
  document.documentElement.dir = ["Arab", "Hebr"].includes(new Intl.Locale(tag).maximize().script) ? "rtl" : "ltr";
}

/** Make the choice of a language; `redraw` draws all of the page anew, this choice with it. */
function picker(redraw) {
  const change = (event) => {
    speak(event.target.value);
    redraw();
    document.getElementById("language").focus();
  };
  const name = (tag) => new Intl.DisplayNames(tag, { type: "language" }).of(tag);
  const options = TAGS.map((tag) => h("option", { value: tag, lang: tag, selected: tag === language.tag }, name(tag)));
  return h("div", { class: "language" }, h("label", { for: "language" }, t("Language")), h("select", { id: "language", onchange: change }, options));
}
