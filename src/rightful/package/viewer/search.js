// Searching the rows of a dataset for a text, in whatever column it stands.

const TEXT_CHARACTERS = 32 * 1024 * 1024; // what is kept of texts made ready to be searched, over all datasets
const BUSY_MS = 40;

const ready = new Map(); // "number path": the searchable text of a block
let readyCharacters = 0;

/**
 * Return a text as it is compared: in lower case, full and half widths alike, accents and voiced sounds in one piece (Unicode's NFKC).
 * Chinese and Japanese set no spaces between words, so that a part of the text is what is looked for in any language.
 */
function folded(text) {
  return (/[^\x00-\x7f]/.test(text) ? text.normalize("NFKC") : text).toLowerCase();
}

const WIDE_ESCAPED = { "\uff02": '\\"', "\uff3c": "\\\\", "\ufe68": "\\\\" }; // what NFKC makes a quote or a backslash, as JSON has these

/** Return a block's values as they are compared, a line for each row, without the names of columns. */
function searchable(path, number, block, { names, explained, language: spoken }) {
  const key = `${number} ${spoken} ${path}`;
  const known = ready.get(key);
  if (known !== undefined) return known;
  const text = folded(explained(textOf(block)).replace(names, "\u0001").replace(/\}\n/g, "\n").replace(/[\uff02\uff3c\ufe68]/g, (wide) => WIDE_ESCAPED[wide]));
  if (readyCharacters + text.length <= TEXT_CHARACTERS) {
    ready.set(key, text);
    readyCharacters += text.length;
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
 * Find rows, part after part. Calls `tell(found, searched)` now and then with the numbers of rows found and how many were searched so
 * far, and stops as soon as it returns false.
 */
async function search(dataset, query, tell) {
  const sought = folded(JSON.stringify(query.normalize("NFKC")).slice(1, -1)); // as it is written in a line
  const how = ways(dataset.columns);
  const found = [];
  let row = 0;
  let since = performance.now();
  for (const part of dataset.parts) {
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

/** Make the first texts ready, before somebody types. */
async function warm(dataset) {
  const how = ways(dataset.columns);
  for (const part of dataset.parts.slice(0, 4)) {
    for (const [number, block] of (await loadShard(part.view)).entries()) {
      searchable(part.view, number, block, how);
      await new Promise((resolve) => setTimeout(resolve));
    }
  }
}
