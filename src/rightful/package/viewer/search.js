// Searching the rows of a dataset for a text, in whatever column it stands.

const TEXT_CHARACTERS = 32 * 1024 * 1024; // what is kept of texts made ready to be searched, over all datasets
const BUSY_MS = 40;

const ready = new Map(); // "number path": the searchable text of a block
let readyCharacters = 0;

/** Return a block's values in lower case, a line for each row, without the names of columns. */
function searchable(path, number, block, names) {
  const key = `${number} ${path}`;
  const known = ready.get(key);
  if (known !== undefined) return known;
  const text = textOf(block).replace(names, "\u0001").replace(/\}\n/g, "\n").toLowerCase();
  if (readyCharacters + text.length <= TEXT_CHARACTERS) {
    ready.set(key, text);
    readyCharacters += text.length;
  }
  return text;
}

/** Return an expression for the names of columns where they stand before their values. */
function namesOf(columns) {
  const names = columns.map((column) => JSON.stringify(column.name).replace(/[\\^$.*+?()[\]{}|/]/g, "\\$&"));
  return new RegExp(`[{,](?:${names.join("|")}):`, "g");
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
  const sought = JSON.stringify(query).slice(1, -1).toLowerCase(); // as it is written in a line
  const names = namesOf(dataset.columns);
  const found = [];
  let row = 0;
  let since = performance.now();
  for (const part of dataset.parts) {
    for (const [number, block] of (await loadShard(part.view)).entries()) {
      findIn(searchable(part.view, number, block, names), sought, row, found);
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
  const names = namesOf(dataset.columns);
  for (const part of dataset.parts.slice(0, 4)) {
    for (const [number, block] of (await loadShard(part.view)).entries()) {
      searchable(part.view, number, block, names);
      await new Promise((resolve) => setTimeout(resolve));
    }
  }
}
