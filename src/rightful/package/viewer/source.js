// The page of one source: what it is, its records and files, and how it was searched.

const FILE_COLUMNS = [
  { name: "name", kind: "text" },
  { name: "bytes", kind: "int" },
  { name: "modified", kind: "timestamp_tz" },
];

function sourcePage(view, source) {
  return [
    h("nav", { "aria-label": t("Where you are"), class: "crumbs" }, h("a", { href: "#" }, t("Overview"))),
    h("header", { class: "title" }, h("h1", { tabindex: "-1" }, foreign(nameOf(source))), h("p", { class: "lead" }, sourceLead(view, source))),
    source.facts.length > 0 && factList(source.facts),
    missingOf(source),
    source.datasets.map((dataset, index) => datasetSection(source, dataset, index)),
    source.fileLists.length > 0 && filesSection(view, source),
    searchedSection(source),
  ];
}

function sourceLead(view, source) {
  const state = stateOf(source);
  if (state === "exported") return `${amount(source)}, ${size(source.bytes)}`;
  if (state === "skipped") return told(t("This system was not searched: {reason}"), { reason: source.reason });
  if (view.since && state !== UNKNOWN) return t("This system was searched, and nothing is new or changed.");
  return state === UNKNOWN ? t("There was nothing to search for: none of what this system knows people by is known of you.") : t("This system was searched, and nothing was found.");
}

function missingOf(source) {
  const said = missing(source).slice(source.state === "skipped" ? 1 : 0);
  if (!said.length) return null;
  const { count, items } = source.skipped;
  return h(
    "section",
    { "aria-labelledby": "missing", class: "note" },
    h("h2", { id: "missing" }, t("What is not in it, or not whole")),
    h("ul", {}, said.map((sentence) => h("li", {}, sentence))),
    count > 0 &&
      h(
        "details",
        {},
        h("summary", {}, t("Items that could not be read")),
        h("ul", {}, items.map((item) => h("li", {}, foreign(item.path), " – ", foreign(item.reason)))),
        count > items.length && h("p", {}, t("The file ledger.json names all of them.")),
      ),
  );
}

function datasetSection(source, dataset, index) {
  const id = `records-${index}`;
  const rows = dataset.parts.reduce((total, part) => total + part.rows, 0);
  const canShow = dataset.parts.every((part) => part.view);
  const kindOf = ({ name, kind }) => (kind === "text" && name === dataset.activity?.column ? "timestamp" : kind);
  const columns = dataset.columns.map((column) => ({ ...column, kind: kindOf(column) }));
  return h(
    "section",
    { "aria-labelledby": id },
    h("h2", { id }, t("Records")),
    canShow && rows > 0 && table({ ...dataset, columns, rows }, t("Records of {name}", { name: nameOf(source) }), (column, written, query) => [cell(column.kind, written, query), meant(column, written, query)].filter(Boolean), { marks: Boolean(view.since) }),
    zoneNote(dataset),
    activityOf(dataset.activity, rows, tn("{n} record", "{n} records", rows)),
    h("details", {}, h("summary", {}, t("Columns")), columnList(dataset.columns)),
    h(
      "details",
      { open: !canShow },
      h("summary", {}, t("Files with these records")),
      h("ul", {}, dataset.files.map((part) => h("li", {}, entryLink(part.path), ` – ${tn("{n} record", "{n} records", part.rows)}, ${size(part.bytes)}`))),
    ),
  );
}

/** Say of times without a zone that the system names none; null where all of them have one. */
function zoneNote({ columns, activity }) {
  const isText = ({ kind, name }) => kind === "text" && name === activity?.column && activity.hours.length > 0 && !activity.zone;
  if (!columns.some((column) => column.kind === "timestamp" || isText(column))) return null;
  return h("p", { class: "zones quiet" }, t("Times are as the system writes them: where no time zone stands beside one, the system names none."));
}

function columnList(columns) {
  return h(
    "div",
    { class: "scroll", tabindex: "0", role: "region", "aria-label": t("Columns") },
    h(
      "table",
      {},
      h("thead", {}, h("tr", {}, [t("Column"), t("What it holds"), t("Type in the system")].map((head) => h("th", { scope: "col" }, head)))),
      h("tbody", {}, columns.map((column) => h("tr", {}, h("th", { scope: "row" }, heading(column)), h("td", {}, kindName(column.kind), codes(column)), h("td", {}, foreign(column.type))))),
    ),
  );
}

/** Return what a column's codes mean, as a list. */
function codes(column) {
  const known = Object.entries(column.values ?? {});
  return known.length ? h("ul", {}, known.map(([code, words]) => h("li", {}, foreign(code, "code"), " – ", foreign(inLanguage(words))))) : null;
}

function kindName(kind) {
  const names = {
    bool: t("yes or no"),
    int: t("whole number"),
    float: t("number"),
    decimal: t("decimal number"),
    text: t("text"),
    date: t("date"),
    timestamp: t("date and time (no time zone)"),
    timestamp_tz: t("date and time (UTC)"),
    time: t("time of day"),
    uuid: t("identifier (UUID)"),
    bytes: t("binary data (base64)"),
    json: t("JSON document"),
    nested: t("list or structure"),
  };
  return names[kind] ?? kind;
}

function filesSection(view, source) {
  const titles = { name: t("Name"), bytes: t("Size"), modified: t("Last changed") };
  const columns = FILE_COLUMNS.map((column) => ({ ...column, title: titles[column.name] }));
  const dataset = { columns, parts: source.fileLists, rows: source.files };
  const show = (column, written, query, values) => {
    if (column.name === "name") return entryLink(JSON.parse(values.get("path")), cell("text", written, query));
    if (column.name === "bytes") return size(Number(written));
    return cell(column.kind, written, query);
  };
  return h("section", { "aria-labelledby": "files" }, h("h2", { id: "files" }, t("Files")), table(dataset, t("Files of {name}", { name: nameOf(source) }), show, { detail: false, noun: FILES, marks: Boolean(view.since) }), activityOf(source.activity, source.files, tn("{n} file", "{n} files", source.files)));
}

function searchedSection(source) {
  const name = (kind) => foreign(kind.replaceAll("_", " "));
  const searched = Object.entries(source.identifiers).map(([kind, count]) => told(t("{name}: {what}"), { name: name(kind), what: [number(count)] }));
  const why = { empty: t("empty"), too_short: t("too short"), shared: t("shared by several people") };
  const refused = Object.entries(source.refused).flatMap(([kind, counts]) =>
    Object.entries(counts).map(([weakness, count]) => told(t("{name}: {n} ({why})"), { name: name(kind), n: [number(count)], why: [why[weakness] ?? weakness] })),
  );
  return h(
    "section",
    { "aria-labelledby": "searched" },
    h("h2", { id: "searched" }, t("How it was searched")),
    facts([
      [t("Search"), source.searched && foreign(source.searched, "code")],
      [t("Searched for"), searched.length ? listed(searched, (each) => each) : null],
      [t("Not searched for"), refused.length ? listed(refused, (each) => each) : null],
      [t("State of the data"), source.asOf.length ? listed(source.asOf, (at) => h("time", { datetime: at }, moment(at))) : null],
      [t("Folder"), (source.rows || source.files) && foreign(source.folder, "code")],
    ]),
  );
}
