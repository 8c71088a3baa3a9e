// Making elements. Nothing in a package is ever parsed as HTML: what is a string becomes text.

/** Make an element: `h("a", { href: "…" }, "text", element, …)`. `on…` are listeners; null, undefined and false leave out. */
function h(tag, attributes = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (value === null || value === undefined || value === false) continue;
    if (name.startsWith("on")) element.addEventListener(name.slice(2), value);
    else element.setAttribute(name, value === true ? "" : value);
  }
  element.append(...children.flat(Infinity).filter((child) => child !== null && child !== undefined && child !== false));
  return element;
}

const CONTROL = /[\u0000-\u0008\u000b-\u001f\u007f-\u009f\u2028\u2029\u202a-\u202e\u2066-\u2069\ufeff\ufff9-\ufffb]|\p{Cs}/u;
const CONTROLS = new RegExp(CONTROL.source, "gu");

/** Return text that came from elsewhere: characters that would act instead of being seen are named, and its direction stays its own. */
function foreign(text, tag = "bdi") {
  if (!CONTROL.test(text)) return h(tag, { dir: "auto" }, text);
  const parts = [];
  let end = 0;
  for (const found of text.matchAll(CONTROLS)) {
    const code = found[0].codePointAt(0).toString(16).toUpperCase().padStart(4, "0");
    parts.push(text.slice(end, found.index), h("span", { class: "control" }, `U+${code}`));
    end = found.index + found[0].length;
  }
  return h(tag, { dir: "auto" }, parts, text.slice(end));
}

/**
 * Return a text as what can be put into an element: what stands in the place of each `{name}` is set apart, so that its direction stays its
 * own. Values are texts, elements (or several), or messages that are said now.
 */
function told(text, values = {}) {
  if (typeof text === "object") return told(language.messages[text.message] || text.message, text.values);
  return text.split(/(\{\w+\})/).map((piece) => {
    const name = piece.slice(1, -1);
    if (!piece.startsWith("{") || !(name in values)) return piece;
    const value = values[name];
    if (value instanceof Node || Array.isArray(value)) return value;
    return typeof value === "object" ? told(value) : foreign(String(value));
  });
}

/** Return several things as a list in a sentence, each set apart. */
function listed(things, show = foreign) {
  const parts = new Intl.ListFormat(language.tag, { type: "conjunction" }).formatToParts(things.map((_, index) => String(index)));
  return parts.map(({ type, value }) => (type === "element" ? show(things[Number(value)]) : value));
}

/** Return the address of an entry of the package. */
function address(path) {
  return path.split("/").map(encodeURIComponent).join("/");
}

/** Return a link to an entry of the package. */
function entryLink(path, ...children) {
  return h("a", { href: address(path), target: "_blank", rel: "noopener noreferrer" }, children.length ? children : foreign(path));
}

/** Return facts as a list of terms and what they are; those that are empty are left out. */
function facts(pairs) {
  return h(
    "dl",
    { class: "facts" },
    pairs.filter(([, value]) => value).map(([term, value]) => h("div", {}, h("dt", {}, term), h("dd", {}, value))),
  );
}
