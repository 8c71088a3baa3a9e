// The first page: who was asked, what was found, what was not, and what this package is.

const UNKNOWN = "unknown";

/** Return in what state a source is for a reader: also whether there was anything to search for. */
function stateOf(source) {
  const counts = Object.values(source.identifiers);
  return source.state === "empty" && counts.length && counts.every((count) => !count) ? UNKNOWN : source.state;
}

/** Return a source's name as it is shown: its product, and its own name where that says more. */
function nameOf(source) {
  return source.product.toLowerCase() === source.name.toLowerCase() ? source.product : `${source.product} · ${source.name}`;
}

/** Return how much a source brought, in words. */
function amount(source) {
  const counts = [];
  if (source.rows) counts.push(tn("{n} record", "{n} records", source.rows));
  if (source.files) counts.push(tn("{n} file", "{n} files", source.files));
  return counts.length ? list(counts) : t("something that could not be read");
}

function sourceLink(source) {
  return h("a", { href: `#source=${encodeURIComponent(source.name)}` }, foreign(nameOf(source)));
}

function overviewPage(view) {
  const found = view.sources.filter((source) => source.state === "exported");
  return [
    h("header", { class: "title" }, view.organization && h("p", { class: "organization" }, foreign(view.organization)), h("h1", { tabindex: "-1" }, t("Your personal data")), h("p", { class: "lead" }, lead(view, found)), view.since && difference(view.since)),
    figures(view, found),
    found.length > 0 && foundSection(view, found),
    activitySection(view),
    emptySection(view),
    missingSection(view),
    statementSections(view),
    aboutSection(view),
  ];
}

function lead(view, found) {
  const organization = view.organization || t("The controller");
  if (view.since && !found.length) return told(t("{organization} was asked what is new or changed since an earlier package. Nothing is."), { organization });
  if (view.since) return told(t("{organization} was asked what is new or changed since an earlier package. This is only that."), { organization });
  if (!found.length) return told(t("{organization} was asked for the personal data that it holds on you. Nothing was found."), { organization });
  return told(t("{organization} was asked for the personal data that it holds on you. This is what was found."), { organization });
}

/** Say which package this one is the difference to, and what became of what is in that one. */
function difference(since) {
  const counts = ({ new: fresh, changed, gone, unchanged }) =>
    t("{new} new, {changed} changed, {gone} gone; {unchanged} as they were", { new: number(fresh), changed: number(changed), gone: number(gone), unchanged: number(unchanged) });
  return [
    h("p", {}, told(t("The earlier package has the reference {reference}: keep it, this one says little without it."), { reference: since.operationId })),
    h("ul", { class: "plain" }, h("li", {}, t("{name}: {what}", { name: t("Records"), what: counts(since.records) })), h("li", {}, t("{name}: {what}", { name: t("Files"), what: counts(since.files) }))),
  ];
}

function figures(view, found) {
  const sum = (member) => view.sources.reduce((total, source) => total + source[member], 0);
  const figure = (value, name) => h("div", {}, h("dt", {}, name), h("dd", {}, value));
  return h(
    "dl",
    { class: "figures" },
    figure(number(sum("rows")), t("Records")),
    figure(number(sum("files")), t("Files")),
    figure(size(sum("bytes")), t("Size")),
    figure(
      t("{found} of {all}", { found: number(found.length), all: number(view.sources.length) }),
      view.since ? t("Systems with something new or changed") : t("Systems that have something"),
    ),
  );
}

function foundSection(view, found) {
  return h(
    "section",
    { "aria-labelledby": "found" },
    h("h2", { id: "found" }, view.since ? t("What is new or changed") : t("What was found")),
    h(
      "ul",
      { class: "cards" },
      found.map((source) =>
        h("li", {}, h("h3", {}, sourceLink(source)), h("p", {}, amount(source)), h("p", { class: "quiet" }, size(source.bytes), purposeOf(source))),
      ),
    ),
  );
}

function purposeOf(source) {
  return source.purpose ? [" · ", said(source.purpose)] : null;
}

function emptySection(view) {
  const empty = view.sources.filter((source) => source.state === "empty");
  if (!empty.length) return null;
  const why = (source) => {
    if (stateOf(source) !== UNKNOWN) return view.since ? t("searched; nothing is new or changed") : t("searched; nothing was found");
    const kinds = listed(Object.keys(source.identifiers).map((kind) => kind.replaceAll("_", " ")));
    return told(t("nothing to search for: this system knows people by {kinds}, and none of yours is known"), { kinds });
  };
  return h(
    "section",
    { "aria-labelledby": "empty" },
    h("h2", { id: "empty" }, view.since ? t("Searched, and nothing new or changed") : t("Searched, and nothing found")),
    h("ul", { class: "plain" }, empty.map((source) => h("li", {}, sourceLink(source), " – ", why(source)))),
  );
}

/** Return sentences on what of a source is not in the package, or not whole. */
function missing(source) {
  const said = [];
  if (source.state === "skipped") said.push(told(t("This system was not searched: {reason}"), { reason: source.reason }));
  if (source.skipped.count) said.push(tn("{n} item could not be read", "{n} items could not be read", source.skipped.count));
  const withheld = [...source.withheld, ...source.withheldPaths, ...source.withheldRows];
  if (withheld.length) said.push(told(t("Left out by the controller’s rules: {columns}"), { columns: listed(withheld) }));
  for (const each of source.redacted) if (each.values) said.push(redacted(each));
  if (source.superseded) said.push(tn("{n} older version of what changed while it was read; the newer one counts", "{n} older versions of what changed while it was read; the newer ones count", source.superseded));
  return said;
}

function redacted({ column, rule, values }) {
  return told(redactedBy(rule, values), { column });
}

function redactedBy(rule, values) {
  if (rule === "others") {
    return tn("{column}: {n} value withheld, since this column names other people (GDPR Art. 15(4))", "{column}: {n} values withheld, since this column names other people (GDPR Art. 15(4))", values);
  }
  if (rule === "mails_and_phones") {
    return tn("{column}: mail addresses and telephone numbers of other people withheld in {n} place (GDPR Art. 15(4))", "{column}: mail addresses and telephone numbers of other people withheld in {n} places (GDPR Art. 15(4))", values);
  }
  if (rule === "drop") return tn("{column}: {n} value withheld by the controller’s rule", "{column}: {n} values withheld by the controller’s rule", values);
  return tn("{column}: {n} value replaced by a hash by the controller’s rule", "{column}: {n} values replaced by hashes by the controller’s rule; equal values have equal hashes", values);
}

function missingSection(view) {
  const said = view.sources.map((source) => [source, missing(source)]).filter(([, sentences]) => sentences.length);
  return h(
    "section",
    { "aria-labelledby": "missing" },
    h("h2", { id: "missing" }, t("What is not in it, or not whole")),
    said.length
      ? h("dl", { class: "missing" }, said.map(([source, sentences]) => h("div", {}, h("dt", {}, sourceLink(source)), sentences.map((sentence) => h("dd", {}, sentence)))))
      : h("p", {}, t("Nothing was left out, and nothing could not be read.")),
  );
}

/** Say who asked, and name nobody. */
function askedBy(view) {
  return view.askedBy === "subject" ? t("you") : t("the controller or one of its applications, for you");
}

function aboutSection(view) {
  return h(
    "section",
    { "aria-labelledby": "about" },
    h("h2", { id: "about" }, t("About this package")),
    facts([
      [t("Asked on"), h("time", { datetime: view.submittedAt }, moment(view.submittedAt))],
      ...(view.askedBy ? [[t("Asked by"), askedBy(view)]] : []),
      [t("Finished on"), h("time", { datetime: view.completedAt }, moment(view.completedAt))],
      [t("Reference"), h("code", {}, view.operationId)],
      [t("Your number in the directory"), h("code", {}, view.subjectId)],
    ]),
    h("p", {}, t("This page works without a network: it loads nothing but the folder that it lies in, and sends nothing.")),
    h(
      "ul",
      { class: "plain" },
      h("li", {}, entryLink("README.txt"), " – ", t("what is what, and how to check that nothing is missing or changed")),
      h("li", {}, entryLink("STATEMENT.txt"), " – ", t("why this data is held and what your rights are, in plain text")),
      h("li", {}, entryLink("VERIFY.html"), " – ", t("checks in your browser that nothing is missing or changed")),
      h("li", {}, entryLink("ledger.json"), " – ", t("how each system was searched, and every item that could not be read")),
      h("li", {}, entryLink("datapackage.json"), " – ", t("what the columns are, for programs")),
      h("li", {}, entryLink("manifest-sha256.txt"), " – ", t("a digest of each file")),
    ),
  );
}
