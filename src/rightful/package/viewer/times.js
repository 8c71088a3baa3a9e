// When records are from, one by one: read out of their shards, and kept as a number each, so that a month or a day of all systems can be told.

const KEPT_TIMES = 4_000_000; // 32 MB

const times = new Map(); // "view of a shard": a number for each of its rows, in the order of their last use
let keptTimes = 0;

/** Return what has times: datasets and lists of files, each with its source, its columns, its parts, and which column says when. */
function timedThings(view) {
  return view.sources.flatMap((source) => [
    ...source.datasets
      .filter((dataset) => dataset.activity && dataset.parts.every((part) => part.view))
      .map((dataset) => ({ source, columns: dataset.columns, parts: dataset.parts, column: dataset.activity.column, activity: dataset.activity })),
    ...(source.activity ? [{ source, columns: FILE_COLUMNS, parts: source.fileLists, column: "modified", activity: source.activity, isFiles: true }] : []),
  ]);
}

const WRITTEN = /^(\d{4})-(\d\d)-(\d\d)(?:[T ](\d\d):(\d\d)(?::(\d\d)(?:[.,](\d{1,3}))?)?)?/;

/** Return a written date or time as a number that orders them, in the zone in which it is written; NaN for what is none. */
function timeOf(text) {
  const found = WRITTEN.exec(text);
  if (!found) return NaN;
  const [, year, month, day, hour = 0, minute = 0, second = 0, part = ""] = found;
  return Date.UTC(year, month - 1, day, hour, minute, second, part.padEnd(3, "0"));
}

/** Return what finds the written time in a line; where nothing else can look like the column's member, without reading the others. */
function timeFinder({ columns, column, isFiles }) {
  const start = `${JSON.stringify(column)}:"`;
  const isSure = !isFiles && columns.every((each) => !DOCUMENTS.has(each.kind) && JSON.stringify(each.name) === `"${each.name}"`);
  return (line) => {
    if (!isSure) return plain("text", members(line).get(column));
    const at = line.indexOf(start);
    return at === -1 ? null : line.slice(at + start.length, at + start.length + 23);
  };
}

/** Return the times of the rows of one part, NaN where a row has none; `pause()` is awaited now and then, and says whether to go on. */
async function timesIn(thing, part, pause) {
  const known = times.get(part.view);
  if (known) {
    times.delete(part.view);
    times.set(part.view, known);
    return known;
  }
  const found = new Float64Array(part.rows);
  const find = timeFinder(thing);
  let row = 0;
  for (const block of await loadShard(part.view)) {
    for (const line of textOf(block).split("\n", block[0])) {
      const text = find(line);
      found[row] = text === null ? NaN : timeOf(text);
      row += 1;
    }
    if (!(await pause())) return null;
  }
  times.set(part.view, found);
  keptTimes += found.length;
  for (const [path, oldest] of times) {
    if (keptTimes <= KEPT_TIMES) break;
    times.delete(path);
    keptTimes -= oldest.length;
  }
  return found;
}

/**
 * Return the entries between two moments (the later exclusive), in order of time: `at`, and where each is: `thing`, and `row` in it.
 * `tell(done, all)` is called now and then with how many rows were looked at, and ends it by false; then null is returned.
 */
async function entriesBetween(things, begin, end, tell) {
  const [first, last] = [new Date(begin).toISOString().slice(0, 7), new Date(end - 1).toISOString().slice(0, 7)];
  const wanted = things.flatMap((thing) => {
    let start = 0;
    return thing.parts.map((part) => {
      start += part.rows;
      return { thing, part, start: start - part.rows };
    });
  }).filter(({ part }) => !part.from || (part.from <= last && part.to >= first));
  const all = wanted.reduce((sum, { part }) => sum + part.rows, 0);
  const entries = [];
  let done = 0;
  let since = performance.now();
  const pause = async () => {
    if (performance.now() - since > BUSY_MS) {
      await new Promise((resolve) => setTimeout(resolve));
      since = performance.now();
    }
    return tell(done, all);
  };
  for (const { thing, part, start } of wanted) {
    const found = await timesIn(thing, part, pause);
    if (!found) return null;
    found.forEach((at, row) => at >= begin && at < end && entries.push({ at, thing, row: start + row }));
    done += part.rows;
    if (!(await pause())) return null;
  }
  return entries.sort((one, other) => one.at - other.at); // stable: what is of one moment keeps its order
}
