// Reading rows from shards: scripts beside this page, each loaded when its rows are asked for. A few are kept, the others dropped.

const KEPT_SHARDS = 6;
const KEPT_TEXTS = 64;

const arrived = new WeakMap(); // script element: its blocks
const shards = new Map(); // path: promise of blocks, in the order of their last use
const loaded = new WeakSet(); // those of these promises that are kept
const texts = new Map(); // "number path": the text of a block, likewise

/** Let shards arrive that call a function of this name; nobody else may know it. */
function receive(name) {
  window[name] = (content) => arrived.set(document.currentScript, content);
}

/** Return the blocks that stand in a function's comment, a line each: rows, bytes, base64, and of a difference which rows have changed. */
function blocksIn(content) {
  const lines = String(content).split("\n").slice(1, -1);
  return lines.map((line) => {
    const [rows, length, base64, changed] = line.split(" ");
    return [Number(rows), Number(length), base64, changed && new Set(changed.split(",").map(Number))];
  });
}

/** Return a promise of what a map holds; the first use makes it, and what was used longest ago is dropped. */
function kept(map, key, limit, make) {
  const value = map.get(key) ?? make();
  map.delete(key);
  map.set(key, value);
  if (map.size > limit) map.delete(map.keys().next().value);
  return value;
}

/** Load the blocks of a shard. */
function loadShard(path) {
  return kept(shards, path, KEPT_SHARDS, () => {
    const loading = new Promise((resolve, reject) => {
      const script = h("script", { src: address(path) });
      script.onload = () => {
        script.remove();
        if (arrived.has(script)) resolve(blocksIn(arrived.get(script)));
        else reject(new Error(path));
      };
      script.onerror = () => {
        script.remove();
        reject(new Error(path));
      };
      document.head.append(script);
    });
    loading.then(() => loaded.add(loading), () => shards.delete(path)); // the next one who asks tries again
    return loading;
  });
}

/** Say whether the blocks of a shard are there at once. */
function isLoaded(path) {
  return loaded.has(shards.get(path));
}

let packed = new Uint8Array(0); // used again for each block: what is thrown away for each takes hundreds of megabytes before it is collected
let unpacked = new Uint8Array(0);

/** Return the bytes that base64 stands for; they are there until the next call. */
function bytesOf(base64) {
  const length = Math.ceil(base64.length / 4) * 3;
  if (packed.length < length) packed = new Uint8Array(length);
  if (packed.setFromBase64) return packed.subarray(0, packed.setFromBase64(base64).written);
  const text = atob(base64);
  for (let at = 0; at < text.length; at += 1) packed[at] = text.charCodeAt(at);
  return packed.subarray(0, text.length);
}

/**
 * Decompress a raw LZ4 block (lz4/doc/lz4_Block_format.md): runs of literals, each followed by a copy from what was written before. The
 * bytes are there until the next call.
 */
function decompress(source, length) {
  if (unpacked.length < length) unpacked = new Uint8Array(length);
  const target = unpacked.subarray(0, length);
  let from = 0;
  let to = 0;
  const more = (short) => {
    let total = short;
    if (short === 15) {
      let byte = 255;
      while (byte === 255) {
        byte = source[from];
        from += 1;
        total += byte;
      }
    }
    return total;
  };
  while (from < source.length) {
    const token = source[from];
    from += 1;
    const literals = more(token >> 4);
    target.set(source.subarray(from, from + literals), to);
    from += literals;
    to += literals;
    if (from >= source.length) break; // the last run has no copy
    let start = to - (source[from] | (source[from + 1] << 8));
    from += 2;
    const end = to + more(token & 15) + 4;
    if (start + end - to <= to) {
      target.copyWithin(to, start, start + end - to);
      to = end;
    } else {
      while (to < end) {
        target[to] = target[start];
        to += 1;
        start += 1;
      }
    }
  }
  return target;
}

const decoder = new TextDecoder();

/** Return the text of a block. */
function textOf([, length, base64]) {
  return decoder.decode(decompress(bytesOf(base64), length));
}

/** Return some lines of a block, by their numbers `from` to `to` (exclusive) in it; of a difference, each with whether it has changed. */
function linesOf(path, number, block, from, to) {
  const text = kept(texts, `${number} ${path}`, KEPT_TEXTS, () => textOf(block));
  let start = 0;
  for (let row = 0; row < from; row += 1) start = text.indexOf("\n", start) + 1;
  const lines = [];
  for (let row = from; row < to; row += 1) {
    const end = text.indexOf("\n", start);
    lines.push({ line: text.slice(start, end), isChanged: block[3]?.has(row) });
    start = end + 1;
  }
  return lines;
}

/** Return the lines of rows `from` to `to` (exclusive) of a dataset: parts with a `view` and `rows` each. */
async function readLines(parts, from, to) {
  const lines = [];
  let first = 0;
  for (const part of parts) {
    if (first < to && first + part.rows > from) {
      let row = first;
      for (const [number, block] of (await loadShard(part.view)).entries()) {
        if (row < to && row + block[0] > from) {
          lines.push(...linesOf(part.view, number, block, Math.max(0, from - row), Math.min(block[0], to - row)));
        }
        row += block[0];
      }
    }
    first += part.rows;
  }
  return lines;
}
