// Everything in order of time, over all systems: a month or a day at a time. `#time=2024-02` is a month, `#time=2024-02-29` a day.

const DAY_MS = 24 * 3600 * 1000;
const TOLD_VALUES = 4;
const NUMBERED = /(^|_)id$/i; // columns that say little to the person: they come last

/** Return a month's or a day's bounds and name. */
function periodOf(text) {
  const begin = Date.UTC(text.slice(0, 4), text.slice(5, 7) - 1, text.slice(8) || 1);
  if (text.length > 7) return { text, begin, end: begin + DAY_MS, name: formatter({ dateStyle: "full" }).format(begin) };
  const month = Number(text.slice(0, 4)) * 12 + Number(text.slice(5, 7)) - 1;
  return { text, begin, end: Date.UTC(text.slice(0, 4), text.slice(5, 7), 1), name: dated(month, { month: "long", year: "numeric" }) };
}

/** Return the months that have something, by their texts, with how much, the latest first. */
function monthsWith(things) {
  const counts = new Map();
  for (const { activity } of things) for (const [text, count] of Object.entries(activity.months)) counts.set(text, (counts.get(text) ?? 0) + count);
  return [...counts].sort(([one], [other]) => (one < other ? 1 : -1));
}

/** Return where the page begins: the last month with something that is not after the package. */
function lastMonth(view, months) {
  return (months.find(([text]) => text <= view.completedAt.slice(0, 7)) ?? months[0])[0];
}

function timelinePage(view, asked) {
  const things = timedThings(view);
  const months = monthsWith(things);
  const isAsked = /^\d{4}-\d\d(-\d\d)?$/.test(asked) && months.some(([text]) => text === asked.slice(0, 7));
  const state = { month: isAsked ? asked.slice(0, 7) : lastMonth(view, months), day: isAsked && asked.length > 7 ? asked : "", source: "", page: 0, entries: [], turn: 0 };
  const parts = {
    days: h("select", { id: "time-day", onchange: (event) => choose({ day: event.target.value }) }),
    chart: h("div", { class: "charts" }),
    status: h("p", { role: "status", class: "status" }),
    list: h("div", { class: "scroll", tabindex: "0", role: "region", "aria-label": t("Day by day") }),
    pager: h("nav", { class: "pager", "aria-label": t("Pages of {name}", { name: t("Day by day") }) }),
  };
  const chosen = () => things.filter(({ source }) => !state.source || source.name === state.source);
  const shown = () => state.entries.filter(({ at }) => !state.day || dayOf(at) === state.day);

  /** Show another month, day or system. */
  function choose(change) {
    Object.assign(state, { page: 0 }, change);
    if (change.month) state.day = "";
    history.replaceState(null, "", `#time=${state.day || state.month}`);
    if ("day" in change) draw();
    else gather();
  }

  async function gather() {
    state.turn += 1;
    const { turn } = state;
    const { begin, end } = periodOf(state.month);
    const tell = (done, all) => {
      if (turn !== state.turn || !parts.status.isConnected) return false;
      if (done < all) parts.status.textContent = t("{n} of {all} searched so far", { n: number(done), all: number(all) });
      return true;
    };
    try {
      const entries = await entriesBetween(chosen(), begin, end, tell);
      if (!entries) return;
      state.entries = entries;
    } catch {
      parts.status.textContent = t("These rows could not be opened. This page needs the folder “view” beside it: if it came in an archive, extract all of it first.");
      return;
    }
    drawDays();
    await draw();
  }

  function drawDays() {
    const counts = new Map();
    for (const { at } of state.entries) counts.set(dayOf(at), (counts.get(dayOf(at)) ?? 0) + 1);
    const option = (value, text) => h("option", { value, selected: value === state.day }, text);
    const named = (day) => formatter({ weekday: "short", day: "numeric", month: "short" }).format(periodOf(day).begin);
    parts.days.replaceChildren(option("", t("All days")), ...[...counts].map(([day, count]) => option(day, `${named(day)} (${number(count)})`)));
    const { begin, end, name } = periodOf(state.month);
    const days = Array.from({ length: Math.round((end - begin) / DAY_MS) }, (_, at) => dayOf(begin + at * DAY_MS));
    const names = days.map((day) => formatter({ dateStyle: "medium" }).format(periodOf(day).begin));
    const ticks = ticksOf(days.map((day) => formatter({ day: "numeric", month: "short" }).format(periodOf(day).begin)));
    const figures = days.map((day) => counts.get(day) ?? 0);
    parts.chart.replaceChildren(
      h("div", { class: "strip" }, h("p", {}, h("strong", {}, name)), bars(name, names, figures, ticks)),
      figuresTable(name, t("Day"), names, [[t("Entries"), figures]]),
    );
  }

  async function draw() {
    state.turn += 1;
    const { turn } = state;
    const all = shown();
    const first = state.page * PAGE_ROWS;
    const entries = all.slice(first, first + PAGE_ROWS);
    const lines = [];
    for (const { thing, row } of entries) lines.push(...(await readLines(thing.parts, row, row + 1)));
    if (turn !== state.turn) return; // somebody has turned on meanwhile
    parts.list.replaceChildren(timelineTable(entries, lines, first));
    parts.list.hidden = !all.length;
    fillPager(parts.pager, "time", state.page, Math.max(1, Math.ceil(all.length / PAGE_ROWS)), (page) => {
      state.page = page;
      draw();
    });
    let text = tn("{n} entry", "{n} entries", all.length);
    if (all.length > PAGE_ROWS) text += ` · ${t("showing {from} to {to}", { from: number(first + 1), to: number(first + entries.length) })}`;
    parts.status.textContent = text;
  }

  const select = (id, label, control) => h("div", { class: "choice" }, h("label", { for: id }, label), control);
  const monthOptions = months.map(([text, count]) => h("option", { value: text, selected: text === state.month }, `${periodOf(text).name} (${number(count)})`));
  const systems = [...new Set(things.map(({ source }) => source))];
  gather();
  return [
    h("nav", { "aria-label": t("Where you are"), class: "crumbs" }, h("a", { href: "#" }, t("Overview"))),
    h("header", { class: "title" }, h("h1", { tabindex: "-1" }, t("Day by day")), h("p", { class: "lead" }, t("Everything that has a date or a time, over all systems, in order of time. Times are as each system writes them: where no time zone stands beside one, the system names none."))),
    h(
      "div",
      { class: "period" },
      h(
        "div",
        { class: "choices" },
        select("time-month", t("Month"), h("select", { id: "time-month", onchange: (event) => choose({ month: event.target.value }) }, monthOptions)),
        select("time-day", t("Day"), parts.days),
        systems.length > 1 && select("time-system", t("System"), h("select", { id: "time-system", onchange: (event) => choose({ source: event.target.value }) }, h("option", { value: "" }, t("All systems")), systems.map((source) => h("option", { value: source.name }, nameOf(source))))),
      ),
      parts.chart,
      parts.status,
      parts.list,
      parts.pager,
    ),
  ];
}

function dayOf(at) {
  return new Date(at).toISOString().slice(0, 10);
}

/** Return a page of entries as a table, day after day. */
function timelineTable(entries, lines, first) {
  const groups = [];
  entries.forEach((entry, index) => {
    const day = dayOf(entry.at);
    if (groups.at(-1)?.day !== day) groups.push({ day, rows: [] });
    groups.at(-1).rows.push(entryRow(entry, members(lines[index].line), first + index + 1));
  });
  const heads = [t("Time"), t("System"), t("What is recorded")].map((head) => h("th", { scope: "col" }, head));
  return h(
    "table",
    { class: "timeline" },
    h("caption", { class: "unseen" }, t("Day by day")),
    h("thead", {}, h("tr", {}, h("td", { class: "opener" }), heads)),
    groups.map(({ day, rows }) => h("tbody", {}, h("tr", {}, h("th", { scope: "rowgroup", colspan: 4 }, h("time", { datetime: day }, periodOf(day).name))), rows)),
  );
}

function entryRow({ thing }, values, position) {
  const row = h("tr", {});
  const opener = thing.isFiles ? number(position) : recordOpener(row, position, thing.columns, values);
  row.append(h("td", { class: "opener" }), h("td", {}, clock(plain("text", values.get(thing.column)))), h("td", {}, sourceLink(thing.source)), h("td", {}, toldValues(thing, values)));
  row.cells[0].append(opener);
  return row;
}

/** Return a written time's time of day, with the zone that it names; of a date, that it is the whole day. */
function clock(text) {
  const written = text.slice(11);
  if (!written) return h("span", { class: "quiet" }, t("whole day"));
  const [zone] = /(Z|UTC|[+-]\d\d(:?\d\d)?)$/.exec(written) ?? [""];
  const named = /^(Z|[+-]00(:?00)?)$/.test(zone) ? "UTC" : zone.replace(/^[+-]/, "UTC$&");
  return h("time", { datetime: text, title: text }, /^[\d:]{0,8}/.exec(written)[0], named && ` ${named}`);
}

/** Return the first values of a record that say something in a line, or a link to a file. */
function toldValues({ columns, column, isFiles }, values) {
  if (isFiles) return [entryLink(JSON.parse(values.get("path")), cell("text", values.get("name"))), " ", h("span", { class: "quiet" }, size(Number(values.get("bytes"))))];
  const has = (each) => ![null, ""].includes(plain(each.kind, values.get(each.name)));
  const full = columns.filter((each) => each.name !== column && has(each));
  const short = full.filter((each) => each.kind !== "bytes" && !DOCUMENTS.has(each.kind));
  const telling = [...short.filter(({ name }) => !NUMBERED.test(name)), ...short.filter(({ name }) => NUMBERED.test(name))];
  return h("ul", { class: "told" }, (telling.length ? telling : full).slice(0, TOLD_VALUES).map((each) => h("li", {}, h("span", { class: "quiet" }, foreign(begun(each.said ? inLanguage(each.said) : each.name))), " ", cell(each.kind, values.get(each.name)), meant(each, values.get(each.name)))));
}
