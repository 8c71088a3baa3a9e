// When things are from: over the years, and by weekday and hour.

const MONTHS_SHOWN = 24;
const YEARS_SHOWN = 60;
const STRIPS_SHOWN = 8;

/** Return what a source has from when, over all that it brought: counts by month, by the number of the month since year 0. */
function monthsOf(activities) {
  const months = new Map();
  for (const activity of activities) {
    for (const [text, count] of Object.entries(activity?.months ?? {})) {
      const month = Number(text.slice(0, 4)) * 12 + Number(text.slice(5)) - 1;
      months.set(month, (months.get(month) ?? 0) + count);
    }
  }
  return months;
}

function total(months) {
  return [...months.values()].reduce((sum, count) => sum + count, 0);
}

/** Return a date's parts in words, as `{ month: "long", year: "numeric" }` asks for. */
function dated(month, options) {
  return formatter(options).format(Date.UTC(Math.floor(month / 12), month % 12, 15));
}

/** Return periods that cover months, of one length: months, years or decades. `year` asks for the months of one year. */
function periodsOf(months, year) {
  let [first, last] = [Math.min(...months.keys()), Math.max(...months.keys())];
  let each = 1;
  if (year) [first, last] = [year * 12, year * 12 + 11];
  else if (last - first >= MONTHS_SHOWN) each = Math.floor(last / 12) - Math.floor(first / 12) < YEARS_SHOWN ? 12 : 120;
  const periods = [];
  for (let from = Math.floor(first / each) * each; from <= last; from += each) {
    const name = nameOfPeriod(from, each);
    periods.push({ from, to: from + each, name, tick: each === 1 ? dated(from, year ? { month: "short" } : { month: "short", year: "numeric" }) : name });
  }
  return periods;
}

function nameOfPeriod(from, each) {
  if (each === 1) return dated(from, { month: "long", year: "numeric" });
  return each === 12 ? dated(from, { year: "numeric" }) : `${from / 12}–${from / 12 + 9}`;
}

function countsIn(periods, months) {
  const counts = periods.map(() => 0);
  const each = periods[0].to - periods[0].from;
  for (const [month, count] of months) {
    const at = Math.floor((month - periods[0].from) / each);
    if (at in counts) counts[at] += count;
  }
  return counts;
}

/** Return what `draw(periods)` gives, below a choice of the years where there are many. */
function overTime(months, draw) {
  charts += 1;
  const id = `years-${charts}`;
  const shown = h("div", { class: "charts" });
  const show = (year) => shown.replaceChildren(...draw(periodsOf(months, year)).flat(Infinity).filter(Boolean));
  show(0);
  if (periodsOf(months, 0)[0].to - periodsOf(months, 0)[0].from === 1) return shown;
  const years = [...new Set([...months.keys()].map((month) => Math.floor(month / 12)))].sort((one, other) => other - one);
  const options = years.map((year) => h("option", { value: year }, dated(year * 12, { year: "numeric" })));
  const select = h("select", { id, onchange: (event) => show(Number(event.target.value)) }, h("option", { value: 0 }, t("All years")), options);
  return [h("p", { class: "years" }, h("label", { for: id }, t("Period")), " ", select), shown];
}

/** Return a chart of counts with a heading. */
function strip(heading, title, periods, counts, tag) {
  const names = periods.map((period) => period.name);
  const ticks = ticksOf(periods.map((period) => period.tick));
  const most = Math.max(...counts);
  const said = most ? t("{n}, at most {most} in {period}", { n: number(counts.reduce((sum, count) => sum + count, 0)), most: number(most), period: names[counts.indexOf(most)] }) : number(0);
  return h(tag, { class: "strip" }, h("p", {}, heading, " ", h("span", { class: "quiet" }, said)), bars(title, names, counts, ticks));
}

/** The overview's section: all sources together, then one by one over the same periods. */
function activitySection(view) {
  const sources = view.sources
    .map((source) => [source, monthsOf([source.activity, ...source.datasets.map((dataset) => dataset.activity)])])
    .filter(([, months]) => months.size);
  if (!sources.length) return null;
  const all = new Map();
  for (const [, months] of sources) for (const [month, count] of months) all.set(month, (all.get(month) ?? 0) + count);
  const others = view.sources.reduce((sum, source) => sum + source.rows + source.files, 0) - total(all);
  const draw = (periods) => {
    const counted = sources.map(([source, months]) => [source, countsIn(periods, months)]);
    const together = countsIn(periods, all);
    const strips = counted.map(([source, counts]) => strip(sourceLink(source), nameOf(source), periods, counts, "li"));
    const columns = [[t("All systems"), together], ...(counted.length > 1 ? counted.map(([source, counts]) => [nameOf(source), counts]) : [])];
    return [
      strip(h("strong", {}, counted.length > 1 ? t("All systems") : sourceLink(sources[0][0])), t("All systems"), periods, together, "div"),
      strips.length > 1 && h("ul", { class: "strips" }, strips.slice(0, STRIPS_SHOWN)),
      strips.length > STRIPS_SHOWN &&
        h("details", {}, h("summary", {}, tn("{n} more system", "{n} more systems", strips.length - STRIPS_SHOWN)), h("ul", { class: "strips" }, strips.slice(STRIPS_SHOWN))),
      figuresTable(t("Over time"), t("Period"), periods.map((period) => period.name), columns),
    ];
  };
  return h(
    "section",
    { "aria-labelledby": "activity" },
    h("h2", { id: "activity" }, t("Over time")),
    h("p", { class: "quiet" }, t("Records by the first date or time in each, files by when they were last changed."), others > 0 && [" ", tn("{n} has none.", "{n} have none.", others)]),
    overTime(all, draw),
    timedThings(view).length > 0 && h("p", { class: "onward" }, h("a", { href: "#time=" }, t("Day by day: everything in order of time"))),
  );
}

/** Return the charts of one dataset, or of a source's files; null where nothing of it is from any time. */
function activityOf(activity, all, name) {
  if (!activity) return null;
  const months = monthsOf([activity]);
  const caption = activity.column ? t("{things} by {column}", { things: name, column: activity.column }) : t("{things} by their last change", { things: name });
  const draw = (periods) => {
    const counts = countsIn(periods, months);
    return [strip(h("strong", {}, t("Over time")), t("Over time"), periods, counts, "div"), figuresTable(t("Over time"), t("Period"), periods.map((period) => period.name), [[caption, counts]])];
  };
  const others = all - total(months);
  return h(
    "div",
    { class: "activity" },
    h("h3", {}, foreign(caption)),
    others > 0 && h("p", { class: "quiet" }, tn("{n} has none.", "{n} have none.", others)),
    overTime(months, draw),
    h("div", { class: "strips" }, weekdays(activity, caption), hours(activity, caption)),
  );
}

function weekdays(activity, caption) {
  const day = (at, weekday) => formatter({ weekday }).format(Date.UTC(2024, 0, 1 + at)); // 2024 began on a Monday
  const periods = activity.weekdays.map((_, at) => ({ name: day(at, "long"), tick: day(at, "short") }));
  return byTime(t("Day of the week"), caption, periods, activity.weekdays, periods.map((period, at) => [at, period.tick]));
}

/** Return bars of the hours; null where there are no times, or all say midnight. */
function hours(activity, caption) {
  if (!activity.hours.slice(1).some(Boolean)) return null;
  const periods = activity.hours.map((_, at) => ({ name: formatter({ hour: "numeric", minute: "2-digit" }).format(Date.UTC(2024, 0, 1, at)) }));
  const title = activity.zone ? t("Hour of the day (UTC)") : t("Hour of the day (as the system has it)");
  return byTime(title, caption, periods, activity.hours, [0, 6, 12, 18].map((at) => [at, periods[at].name]));
}

function byTime(title, caption, periods, counts, ticks) {
  const names = periods.map((period) => period.name);
  return h("div", { class: "strip" }, h("p", {}, h("strong", {}, title)), bars(title, names, counts, ticks), figuresTable(title, title, names, [[caption, counts]]));
}
