// Bars: inline SVG that stretches, with its labels beside it as text, and the same figures as a table.

let charts = 0;

function svg(tag, attributes = {}, ...children) {
  const element = document.createElementNS("http://www.w3.org/2000/svg", tag);
  for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
  element.append(...children);
  return element;
}

const LEAST = 2; // percent: what is there can be seen

/** Return bars of counts; `names` says what each stands for, `ticks` which of them are named below. */
function bars(title, names, counts, ticks) {
  charts += 1;
  const id = `chart-${charts}`;
  const most = Math.max(...counts, 1);
  const rects = counts.map((count, at) => {
    const height = count && Math.max(LEAST, (100 * count) / most);
    return svg("rect", { x: at + 0.08, y: 100 - height, width: 0.84, height }, svg("title", {}, `${names[at]}: ${number(count)}`));
  });
  const drawing = svg(
    "svg",
    { viewBox: `0 0 ${counts.length} 100`, preserveAspectRatio: "none", role: "img", "aria-labelledby": `${id}-title ${id}-text`, class: "bars" },
    svg("title", { id: `${id}-title` }, title),
    svg("desc", { id: `${id}-text` }, summary(names, counts)),
    ...rects,
  );
  const axis = h("div", { class: ticks.length > 4 ? "axis" : "axis few", "aria-hidden": "true" }, ticks.map(([at, name]) => {
    const tick = h("span", {}, name);
    tick.style.insetInlineStart = `${(100 * at) / counts.length}%`;
    return tick;
  }));
  return h("div", { class: "plot" }, drawing, axis);
}

/** Say what bars show: how many in all, from when to when, and where most are. */
function summary(names, counts) {
  const most = Math.max(...counts);
  const period = names[counts.indexOf(most)];
  const all = counts.reduce((total, count) => total + count, 0);
  return t("{n} in all, from {first} to {last}; most in {period}: {most}", { n: number(all), first: names[0], last: names[names.length - 1], period, most: number(most) });
}

/** Return at most four places, evenly apart, with names. */
function ticksOf(names) {
  const step = Math.ceil(names.length / 4);
  return names.map((name, at) => [at, name]).filter(([at]) => at % step === 0);
}

/** Return figures as a table, behind a summary: `columns` are [name, counts] each. */
function figuresTable(caption, head, names, columns) {
  const cells = (at) => columns.map(([, counts]) => h("td", { class: "number" }, number(counts[at])));
  return h(
    "details",
    {},
    h("summary", {}, t("The same figures as a table"), h("span", { class: "unseen" }, ` (${caption})`)),
    h(
      "div",
      { class: "scroll", tabindex: "0", role: "region", "aria-label": `${t("The same figures as a table")}: ${caption}` },
      h(
        "table",
        {},
        h("caption", { class: "unseen" }, caption),
        h("thead", {}, h("tr", {}, h("th", { scope: "col" }, head), columns.map(([name]) => h("th", { scope: "col", class: "number" }, foreign(name))))),
        h("tbody", {}, names.map((name, at) => h("tr", {}, h("th", { scope: "row" }, name), cells(at)))),
      ),
    ),
  );
}
