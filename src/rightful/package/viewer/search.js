// Searching the rows of a dataset for a text, in whatever column it stands.

const READY_BYTES = 24 * 1024 * 1024; // what is kept of texts made ready to be searched, of one dataset
const BUSY_MS = 40;
const IDLE_MS = 10;

/** Call something when nothing else is to be done. */
const whenIdle = (then) => (window.requestIdleCallback ?? ((call) => setTimeout(call, 200)))(then);

const ASCII = /^[\x00-\x7f]*$/;

const ready = new Map(); // "number language path": the searchable text of a block
let readyOf = null; // whose
let readyBytes = 0;

/**
 * Return a text as it is compared: in lower case, full and half widths alike, accents and voiced sounds in one piece (Unicode's NFKC).
 * Chinese and Japanese set no spaces between words, so that a part of the text is what is looked for in any language.
 */
function folded(text) {
  return (ASCII.test(text) ? text : text.normalize("NFKC")).toLowerCase();
}

const encoder = new TextEncoder();
let encoded = new Uint8Array(0); // used again for each text

/** Return a text as a string of its UTF-8's bytes: a browser keeps one byte for each, and two where a single letter is not of Latin-1. */
function narrow(text) {
  if (ASCII.test(text)) return text;
  if (encoded.length < 3 * text.length) encoded = new Uint8Array(3 * text.length);
  const bytes = encoded.subarray(0, encoder.encodeInto(text, encoded).written);
  if (bytes.toBase64) return atob(bytes.toBase64());
  let made = "";
  for (let at = 0; at < bytes.length; at += 8192) made += String.fromCharCode(...bytes.subarray(at, at + 8192));
  return made;
}

/** Forget what is ready of another dataset than this one. */
function readyFor(dataset) {
  if (readyOf === dataset.columns) return;
  readyOf = dataset.columns;
  ready.clear();
  readyBytes = 0;
}

const WIDE_ESCAPED = { "\uff02": '\\"', "\uff3c": "\\\\", "\ufe68": "\\\\" }; // what NFKC makes a quote or a backslash, as JSON has these

/** Return a block's values as they are compared, a line for each row, without the names of columns. */
function searchable(path, number, block, { names, explained, language: spoken }) {
  const key = `${number} ${spoken} ${path}`;
  const known = ready.get(key);
  if (known !== undefined) return known;
  const plain = explained(textOf(block)).replace(names, "\u0001").replace(/\}\n/g, "\n");
  const text = narrow(folded(ASCII.test(plain) ? plain : plain.replace(/[\uff02\uff3c\ufe68]/g, (wide) => WIDE_ESCAPED[wide])));
  if (readyBytes + text.length <= READY_BYTES) {
    ready.set(key, text);
    readyBytes += text.length;
  }
  return text;
}

/** Return how columns are searched: where their names stand before their values, and what writes behind codes what these mean. */
function ways(columns) {
  const names = new RegExp(`[{,](?:${columns.map(named).join("|")}):`, "g");
  const coded = columns.filter((column) => column.values).map((column) => [column, new RegExp(`[{,]${named(column)}:("(?:[^"\\\\]|\\\\.)*"|[^,}\\n]*)`, "g")]);
  const explain = (text, [column, pattern]) =>
    text.replace(pattern, (member, written) => {
      const text = meaning(column, written);
      return text === null ? member : `${member}\u0001${JSON.stringify(text).slice(1, -1)}`;
    });
  return { names, explained: (text) => coded.reduce(explain, text), language: coded.length ? language.tag : "" };
}

/** Return an expression for a column's name as it is written. */
function named(column) {
  return JSON.stringify(column.name).replace(/[\\^$.*+?()[\]{}|/]/g, "\\$&");
}

/** Add the numbers of rows that hold a text, of one block. */
function findIn(text, sought, firstRow, found) {
  let row = firstRow;
  let start = 0;
  for (let at = text.indexOf(sought); at !== -1; at = text.indexOf(sought, start)) {
    let end = text.indexOf("\n", start);
    while (end < at) {
      row += 1;
      start = end + 1;
      end = text.indexOf("\n", start);
    }
    found.push(row);
    row += 1;
    start = end + 1;
  }
}

/**
 * Find rows, part after part. Calls `tell(found, searched)` now and then, and before it waits for rows, with the numbers of rows found and
 * how many were searched so far, and stops as soon as it returns false.
 */
async function search(dataset, query, tell) {
  readyFor(dataset);
  const sought = narrow(folded(JSON.stringify(query.normalize("NFKC")).slice(1, -1))); // as it is written in a line
  const how = ways(dataset.columns);
  const found = [];
  let row = 0;
  let since = performance.now();
  for (const part of dataset.parts) {
    if (row && !isLoaded(part.view) && !tell(found, row)) return;
    for (const [number, block] of (await loadShard(part.view)).entries()) {
      findIn(searchable(part.view, number, block, how), sought, row, found);
      row += block[0];
      if (performance.now() - since > BUSY_MS) {
        if (!tell(found, row)) return;
        await new Promise((resolve) => setTimeout(resolve));
        since = performance.now();
      }
    }
  }
  tell(found, row);
}

/** Make texts ready before somebody types, as many as are kept, as long as `isWanted()`. */
async function warm(dataset, isWanted) {
  readyFor(dataset);
  const how = ways(dataset.columns);
  let since = performance.now();
  for (const part of dataset.parts) {
    for (const [number, block] of (await loadShard(part.view)).entries()) {
      if (!isWanted() || readyOf !== dataset.columns || readyBytes + block[1] > READY_BYTES) return;
      searchable(part.view, number, block, how);
      if (performance.now() - since > IDLE_MS) {
        await new Promise((resolve) => setTimeout(resolve));
        since = performance.now();
      }
    }
  }
}
