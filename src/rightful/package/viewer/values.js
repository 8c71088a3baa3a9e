// From a line to what is shown of its values: numbers with every digit, documents as they stand.

/** Return where a JSON string ends that begins at `at`. */
function endOfString(text, at) {
  for (let here = at + 1; here < text.length; here += 1) {
    const code = text.charCodeAt(here);
    if (code === 92) here += 1; // a backslash, and what it escapes
    else if (code === 34) return here + 1;
  }
  return text.length;
}

/** Return the written value of each member of a line, by name. */
function members(line) {
  const found = new Map();
  let at = 1;
  while (at < line.length - 1) {
    const nameEnd = endOfString(line, at);
    const name = JSON.parse(line.slice(at, nameEnd));
    const start = nameEnd + 1;
    let depth = 0;
    let here = start;
    while (here < line.length - 1) {
      const character = line[here];
      if (character === '"') {
        here = endOfString(line, here);
        continue;
      }
      if (character === "," && depth === 0) break;
      if (character === "{" || character === "[") depth += 1;
      if (character === "}" || character === "]") depth -= 1;
      here += 1;
    }
    found.set(name, line.slice(start, here));
    at = here + 1;
  }
  return found;
}

const NUMBERS = new Set(["int", "float", "decimal"]);
const MOMENTS = new Set(["date", "timestamp", "timestamp_tz"]);
const DOCUMENTS = new Set(["json", "nested"]);

/** Return a value's text as the package has it; null for none. Documents stay JSON, all else loses its quotes. */
function plain(kind, written) {
  if (written === undefined || written === "null") return null;
  return !DOCUMENTS.has(kind) && written.startsWith('"') ? JSON.parse(written) : written;
}

/** Return what the organization says that a code means; null where it says nothing. */
function meaning(column, written) {
  const text = column.values ? plain(column.kind, written) : null;
  return text !== null && Object.hasOwn(column.values, text) ? inLanguage(column.values[text]) : null;
}

/** Return a code's meaning as it is shown beside it. */
function meant(column, written, query = "") {
  const text = meaning(column, written);
  return text === null ? null : h("span", { class: "meaning" }, " ", marked(foreign(text), query));
}

/** Return a column's name with what the organization says that it is; `shown` gives as much of each as there is room for. */
function heading(column, shown = (text) => text) {
  if (!column.said) return foreign(shown(column.title ?? column.name), "span");
  return [foreign(shown(inLanguage(column.said)), "span"), h("span", { class: "name" }, " ", foreign(shown(column.name), "code"))];
}

const CELL_CHARACTERS = 240;

/** Return as much of a text as a table shows. */
function begun(text) {
  return text.length > CELL_CHARACTERS ? `${text.slice(0, CELL_CHARACTERS).replace(/[\ud800-\udbff]$/, "")}…` : text;
}

/** Say whether a text is a date or a time that can be read out: a column of texts that are times may hold others, too. */
function isMoment(kind, text) {
  return MOMENTS.has(kind) && moment(text) !== text;
}

/** Return what a table shows of a value. */
function cell(kind, written, query = "") {
  const text = plain(kind, written);
  if (text === null) return h("span", { class: "none", title: t("no value") }, h("span", { "aria-hidden": "true" }, "–"), h("span", { class: "unseen" }, t("no value")));
  if (text === "") return h("span", { class: "none" }, t("empty text"));
  if (kind === "bool") return text === "true" ? t("yes") : t("no");
  if (isMoment(kind, text)) return h("time", { datetime: text, title: text }, moment(text));
  return marked(foreign(begun(text)), query);
}

/** Return all of a value, for the record by itself. */
function whole(kind, written) {
  const text = plain(kind, written);
  if (text === null || text === "" || kind === "bool") return cell(kind, written);
  if (isMoment(kind, text)) return [cell(kind, written), " ", h("code", {}, text)];
  if (DOCUMENTS.has(kind)) return foreign(indented(text), "pre");
  return text.includes("\n") ? foreign(text, "pre") : foreign(text);
}

/** Write a JSON document over several lines. Its tokens stay as they are. */
function indented(text) {
  let out = "";
  let depth = 0;
  let at = 0;
  const fresh = () => `\n${"  ".repeat(Math.min(depth, 40))}`;
  while (at < text.length) {
    const character = text[at];
    let end = at + 1;
    if (character === '"') {
      end = endOfString(text, at);
      out += text.slice(at, end);
    } else if (character === "{" || character === "[") {
      const close = text.slice(end).match(/^\s*[}\]]/);
      if (close) {
        end += close[0].length;
        out += character + close[0].trim();
      } else {
        depth += 1;
        out += character + fresh();
      }
    } else if (character === "}" || character === "]") {
      depth -= 1;
      out += fresh() + character;
    } else if (character === ",") out += character + fresh();
    else if (character === ":") out += ": ";
    else if (!/\s/.test(character)) out += character;
    at = end;
  }
  return out;
}

/** Mark what was searched for in an element's texts. */
function marked(element, query) {
  if (!query) return element;
  const sought = folded(query);
  for (const node of [...element.childNodes]) {
    if (node.nodeType !== Node.TEXT_NODE) continue;
    const [text, places] = foldedWithPlaces(node.data);
    const parts = [];
    let end = 0;
    let after = 0;
    for (let at = text.indexOf(sought); at !== -1; at = text.indexOf(sought, after)) {
      after = at + sought.length;
      while (after < text.length && places[after] === places[after - 1]) after += 1; // the rest of a character that became several
      parts.push(node.data.slice(end, places[at]), h("mark", {}, node.data.slice(places[at], places[after])));
      end = places[after];
    }
    if (parts.length) node.replaceWith(...parts, node.data.slice(end));
  }
  return element;
}

/** Return a text as it is compared, and for each place in it, and for its end, where in the text that came from. */
function foldedWithPlaces(text) {
  const places = [];
  let whole = "";
  for (const { segment, index } of new Intl.Segmenter().segment(text)) {
    const piece = folded(segment);
    for (let at = 0; at < piece.length; at += 1) places.push(index);
    whole += piece;
  }
  return [whole, [...places, text.length]];
}
