// Reading rows from shards: scripts beside this page, each loaded when its rows are asked for. A few are kept, the others dropped.

const KEPT_SHARDS = 3;
const KEPT_BLOCKS = 8;

const arrived = new WeakMap(); // script element: its blocks
const shards = new Map(); // path: promise of blocks, in the order of their last use
const blocks = new Map(); // "path number": lines, likewise

window.rightfulShard = (content) => arrived.set(document.currentScript, content);

/** Return a promise of what a map holds; the first use makes it, and what was used longest ago is dropped. */
function kept(map, key, limit, make) {
  const value = map.get(key) ?? make();
  map.delete(key);
  map.set(key, value);
  if (map.size > limit) map.delete(map.keys().next().value);
  return value;
}

/** Load the blocks of a shard: `[rows, bytes, base64]` each. */
function loadShard(path) {
  return kept(shards, path, KEPT_SHARDS, () => {
    const loading = new Promise((resolve, reject) => {
      const script = h("script", { src: address(path) });
      script.onload = () => {
        script.remove();
        if (arrived.has(script)) resolve(arrived.get(script));
        else reject(new Error(path));
      };
      script.onerror = () => {
        script.remove();
        reject(new Error(path));
      };
      document.head.append(script);
    });
    loading.catch(() => shards.delete(path)); // the next one who asks tries again
    return loading;
  });
}

function bytesOf(base64) {
  if (Uint8Array.fromBase64) return Uint8Array.fromBase64(base64);
  const text = atob(base64);
  const bytes = new Uint8Array(text.length);
  for (let at = 0; at < text.length; at += 1) bytes[at] = text.charCodeAt(at);
  return bytes;
}

/** Decompress a raw LZ4 block (lz4/doc/lz4_Block_format.md): runs of literals, each followed by a copy from what was written before. */
function decompress(source, length) {
  const target = new Uint8Array(length);
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

/** Return the text of a block. */
function textOf([, length, base64]) {
  return new TextDecoder().decode(decompress(bytesOf(base64), length));
}

function linesOf(path, number, block) {
  return kept(blocks, `${number} ${path}`, KEPT_BLOCKS, () => textOf(block).split("\n"));
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
          lines.push(...linesOf(part.view, number, block).slice(Math.max(0, from - row), Math.min(block[0], to - row)));
        }
        row += block[0];
      }
    }
    first += part.rows;
  }
  return lines;
}
