// A table of a dataset's rows, a page at a time, with a search over all of them.

const PAGE_ROWS = 50;
const GROWS_MS = 200; // between two times that a page is drawn anew because a search has found more for it

const RECORDS = {
  search: () => t("Search these records"),
  count: (n) => tn("{n} record", "{n} records", n),
  found: (n) => tn("{n} record found", "{n} records found", n),
};
const FILES = {
  search: () => t("Search these files"),
  count: (n) => tn("{n} file", "{n} files", n),
  found: (n) => tn("{n} file found", "{n} files found", n),
};

let tables = 0;

/** Return the button that opens a table's row to all values of its record, and closes it again. */
function recordOpener(row, position, columns, values) {
  const open = () => {
    const after = row.nextElementSibling;
    const isOpen = after?.classList.contains("record");
    if (isOpen) after.remove();
    else row.after(h("tr", { class: "record" }, h("td", { colspan: row.cells.length }, recordList(columns, values))));
    button.setAttribute("aria-expanded", String(!isOpen));
  };
  const label = t("Record {n}", { n: number(position) });
  const button = h("button", { type: "button", class: "open", "aria-expanded": "false", "aria-label": label, title: label, onclick: open });
  return button;
}

/** Return all values of a record as a list. */
function recordList(columns, values) {
  return h("dl", { class: "values" }, columns.map((column) =>
    h("div", {}, h("dt", {}, heading(column)), h("dd", {}, whole(column.kind, values.get(column.name)), meant(column, values.get(column.name))))));
}

/** Fill a pager anew: `go(page)` turns to a page, counted from 0. */
function fillPager(pager, id, page, pages, go) {
  const last = pages - 1;
  const to = (other) => () => go(Math.min(Math.max(0, Math.trunc(other) || 0), last));
  const step = (name, other, enabled) => h("button", { type: "button", onclick: to(other), "aria-disabled": enabled ? null : "true" }, name);
  const focused = [...pager.querySelectorAll("button")].indexOf(document.activeElement);
  pager.replaceChildren(
    step(t("First"), 0, page > 0),
    step(t("Previous"), page - 1, page > 0),
    h("label", { for: `${id}-page` }, t("Page")),
    h("input", { type: "number", min: 1, max: pages, value: page + 1, id: `${id}-page`, onchange: (event) => to(Number(event.target.value) - 1)() }),
    h("span", {}, t("of {pages}", { pages: number(pages) })),
    step(t("Next"), page + 1, page < last),
    step(t("Last"), last, page < last),
  );
  pager.hidden = last === 0;
  if (focused !== -1) pager.querySelectorAll("button")[focused].focus();
}

/**
 * Make a table with its search and its pager.
 *
 * `dataset` has columns, parts with a `view`, and rows in all. `show(column, written, query, members)` gives what stands in a cell; `detail`
 * says whether a row opens to all of its values; `noun` is what a row is called; `marks` asks for a column that says what is new.
 */
function table(dataset, caption, show, { detail = true, noun = RECORDS, marks = false } = {}) {
  tables += 1;
  const id = `table-${tables}`;
  const state = { page: 0, query: "", found: null, searched: 0, search: 0, turn: 0, drawing: 0, drawn: 0 };
  const status = h("p", { role: "status", class: "status" });
  const body = h("tbody");
  const pagers = h("nav", { class: "pager", "aria-label": t("Pages of {name}", { name: caption }) });
  const box = h("input", { type: "search", id, autocomplete: "off", spellcheck: "false", oninput: (event) => event.isComposing || begin(box.value), oncompositionend: () => begin(box.value), onfocus: makeReady });
  const heads = dataset.columns.map((column) =>
    h("th", { scope: "col", class: NUMBERS.has(column.kind) ? "number" : null }, heading(column, begun)),
  );

  const count = () => (state.found ? state.found.length : dataset.rows);
  const pages = () => Math.max(1, Math.ceil(count() / PAGE_ROWS));

  async function lines() {
    const from = state.page * PAGE_ROWS;
    const to = Math.min(from + PAGE_ROWS, count());
    if (!state.found) return readLines(dataset.parts, from, to);
    const rows = [];
    for (const row of state.found.slice(from, to)) rows.push(...(await readLines(dataset.parts, row, row + 1)));
    return rows;
  }

  async function draw() {
    state.turn += 1;
    const { turn } = state;
    state.drawing = turn;
    let shown;
    try {
      shown = await lines();
    } catch {
      if (turn === state.turn) fail();
      return;
    }
    if (turn !== state.turn) return; // somebody has turned on meanwhile
    state.drawing = 0;
    state.drawn = shown.length;
    const first = state.page * PAGE_ROWS + 1;
    body.replaceChildren(...shown.map((line, index) => tableRow(line, first + index)));
    turnable();
  }

  function fail() {
    state.turn += 1;
    body.replaceChildren(
      h("tr", {}, h("td", { colspan: dataset.columns.length + (marks ? 2 : 1) }, t("These rows could not be opened. This page needs the folder “view” beside it: if it came in an archive, extract all of it first."))),
    );
    turnable();
  }

  function tableRow({ line, isChanged }, position) {
    const values = members(line);
    const row = h("tr", {});
    const opener = () => recordOpener(row, position, dataset.columns, values);
    row.append(h("td", { class: "opener" }, detail ? opener() : number(position)));
    if (marks) row.append(h("td", {}, isChanged !== undefined && (isChanged ? t("changed") : t("new"))));
    for (const column of dataset.columns) {
      const isNumber = NUMBERS.has(column.kind);
      row.append(h("td", { class: isNumber ? "number" : null }, show(column, values.get(column.name), state.query, values)));
    }
    return row;
  }

  function turnable() {
    fillPager(pagers, id, state.page, pages(), (page) => {
      state.page = page;
      draw();
    });
    say();
  }

  function say() {
    const { searched } = state;
    const from = state.page * PAGE_ROWS + 1;
    const to = Math.min(from + PAGE_ROWS - 1, count());
    let text = state.found ? noun.found(count()) : noun.count(dataset.rows);
    if (state.found && searched < dataset.rows) text += ` (${t("{n} of {all} searched so far", { n: number(searched), all: number(dataset.rows) })})`;
    if (count() > PAGE_ROWS) text += ` · ${t("showing {from} to {to}", { from: number(from), to: number(to) })}`;
    status.textContent = text;
  }

  async function begin(query) {
    state.search += 1;
    const { search: own } = state;
    Object.assign(state, { query: query.trim(), page: 0, turn: state.turn + 1, drawn: -1 });
    if (!state.query) {
      state.found = null;
      await draw();
      return;
    }
    let since = 0;
    // What is found is shown at once, shown anew while it grows to a page, and complete at the end.
    const tell = (found, searched) => {
      if (state.search !== own || !box.isConnected) return false;
      Object.assign(state, { found, searched });
      const there = Math.min(PAGE_ROWS, Math.max(0, found.length - state.page * PAGE_ROWS));
      const isDrawing = state.drawing === state.turn;
      const isDue = state.drawn < 0 || there === PAGE_ROWS || performance.now() - since > GROWS_MS;
      if (searched === dataset.rows) {
        if (state.drawn === there && !isDrawing) turnable();
        else draw();
      } else if (state.drawn < there && isDue && !isDrawing) {
        since = performance.now();
        draw();
      }
      say();
      return true;
    };
    try {
      await search(dataset, state.query, tell);
    } catch {
      if (state.search === own) fail();
    }
  }

  /** Make texts ready to be searched as long as the table is there. */
  function makeReady() {
    warm(dataset, () => box.isConnected).catch(() => {});
  }

  draw().then(() => whenIdle(() => document.querySelector(".table input[type=search]") === box && makeReady())); // of several tables the first
  const rows = h("table", {}, h("caption", { class: "unseen" }, caption), h("thead", {}, h("tr", {}, h("td", { class: "opener" }), marks && h("th", { scope: "col" }, t("New or changed")), heads)), body);
  rows.style.setProperty("--columns", rows.rows[0].cells.length); // paper is no wider for more of them
  return h(
    "div",
    { class: "table" },
    h(
      "div",
      { class: "tools" },
      h("div", { class: "search" }, h("label", { for: id }, noun.search()), box),
      status,
    ),
    h(
      "div",
      { class: "scroll", tabindex: "0", role: "region", "aria-label": caption },
      rows,
    ),
    pagers,
  );
}
