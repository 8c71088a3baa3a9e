// Reading ZIP files (APPNOTE 6.3) as they are, piece by piece: with sizes beyond 4 GiB, stored or deflated. Nothing is unpacked to disk.

const END_OF_DIRECTORY = 0x06054b50;
const WIDE_LOCATOR = 0x07064b50;
const WIDE_END = 0x06064b50;
const ENTRY = 0x02014b50;
const LOCAL = 0x04034b50;
const NARROW = 0xffffffff;
const FOLLOWS = 8; // CRC-32 and sizes stand behind the content

/** Why something can't be read, in words that are said where they are shown. */
class Refusal extends Error {
  constructor(reason) {
    super(reason.message);
    this.reason = reason;
  }
}

/** Return why something failed: in our words, or in the browser's. */
function reasonOf(error) {
  return error?.reason ?? String(error?.message || error);
}

/** Return [{path, size, stream()}] of the files in a ZIP file (a Blob); throws a Refusal where it can't be read. */
async function listZip(blob) {
  const tail = await viewOf(blob, Math.max(0, blob.size - 65557), blob.size);
  let at = tail.byteLength - 22;
  while (at >= 0 && tail.getUint32(at, true) !== END_OF_DIRECTORY) at--;
  if (at < 0) throw new Refusal(later("this is no ZIP file, or its end is missing"));
  let count = tail.getUint16(at + 10, true);
  let size = tail.getUint32(at + 12, true);
  let start = tail.getUint32(at + 16, true);
  if (at >= 20 && tail.getUint32(at - 20, true) === WIDE_LOCATOR) {
    const end = await viewOf(blob, Number(tail.getBigUint64(at - 12, true)), Number(tail.getBigUint64(at - 12, true)) + 56);
    if (end.byteLength < 56 || end.getUint32(0, true) !== WIDE_END) throw new Refusal(later("the ZIP file's directory is damaged"));
    count = Number(end.getBigUint64(32, true));
    size = Number(end.getBigUint64(40, true));
    start = Number(end.getBigUint64(48, true));
  }
  const directory = await viewOf(blob, start, start + size);
  const entries = [];
  let place = 0;
  for (let number = 0; number < count; number++) {
    if (place + 46 > directory.byteLength || directory.getUint32(place, true) !== ENTRY) throw new Refusal(later("the ZIP file's directory is damaged"));
    const [entry, length] = readEntry(directory, place, blob);
    if (!entry.path.endsWith("/")) entries.push(entry);
    place += length;
  }
  if (place !== directory.byteLength) throw new Refusal(later("the ZIP file's directory is damaged"));
  const paths = new Set(entries.map((entry) => entry.path));
  if (paths.size !== entries.length) throw new Refusal(later("the ZIP file has entries twice, and programs differ on which of them counts"));
  return entries;
}

function readEntry(view, at, blob) {
  const flags = view.getUint16(at + 8, true);
  const method = view.getUint16(at + 10, true);
  const nameBytes = view.getUint16(at + 28, true);
  const extraBytes = view.getUint16(at + 30, true);
  const fields = { packed: view.getUint32(at + 20, true), size: view.getUint32(at + 24, true), start: view.getUint32(at + 42, true) };
  const name = new Uint8Array(view.buffer, view.byteOffset + at + 46, nameBytes);
  const path = new TextDecoder("utf-8", { ignoreBOM: true }).decode(name);
  for (let extra = at + 46 + nameBytes, end = extra + extraBytes; extra + 4 <= end; extra += 4 + view.getUint16(extra + 2, true)) {
    if (view.getUint16(extra, true) !== 1) continue;
    let wide = extra + 4;
    for (const name of ["size", "packed", "start"]) {
      if (fields[name] !== NARROW) continue;
      fields[name] = Number(view.getBigUint64(wide, true));
      wide += 8;
    }
  }
  const isLink = ((view.getUint32(at + 38, true) >>> 16) & 0xf000) === 0xa000;
  const stream = () => openEntry(blob, fields, { name, method, flags, isLink, crc32: view.getUint32(at + 16, true) });
  return [{ path, size: fields.size, stream }, 46 + nameBytes + extraBytes + view.getUint16(at + 32, true)];
}

/** Open an entry of which its header says what the directory does: else programs differ on what it is. */
async function openEntry(blob, { packed, size, start }, { name, method, flags, isLink, crc32 }) {
  if (flags & 1) throw new Refusal(later("it is encrypted"));
  if (isLink) throw new Refusal(later("it is a link"));
  if (method !== 0 && method !== 8) throw new Refusal(later("it is packed in a way that is not known here ({method})", { method }));
  const local = await viewOf(blob, start, start + 30 + name.length);
  if (local.byteLength < 30 + name.length || local.getUint32(0, true) !== LOCAL) throw new Refusal(later("it is damaged"));
  const isNamedSo = local.getUint16(26, true) === name.length && name.every((byte, at) => local.getUint8(30 + at) === byte);
  const isPackedSo = local.getUint16(8, true) === method && !(local.getUint16(6, true) & 1) && (method !== 0 || packed === size);
  if (!isNamedSo || !isPackedSo) throw new Refusal(later("it is damaged"));
  if (!(local.getUint16(6, true) & FOLLOWS)) {
    const [sizeThere, packedThere] = await sizesBefore(blob, local, start + 30 + name.length);
    if (local.getUint32(14, true) !== crc32 || sizeThere !== size || packedThere !== packed) throw new Refusal(later("it is damaged"));
  }
  const first = start + 30 + local.getUint16(26, true) + local.getUint16(28, true);
  const stream = blob.slice(first, first + packed).stream();
  return method === 0 ? stream : stream.pipeThrough(new DecompressionStream("deflate-raw"));
}

/** Return [size, packed size] that stand before an entry's content: where one has to, both in the extra field (4.5.3). */
async function sizesBefore(blob, local, start) {
  const sizes = [local.getUint32(22, true), local.getUint32(18, true)];
  if (!sizes.includes(NARROW)) return sizes;
  const extra = await viewOf(blob, start, start + local.getUint16(28, true));
  for (let at = 0; at + 20 <= extra.byteLength; at += 4 + extra.getUint16(at + 2, true)) {
    if (extra.getUint16(at, true) !== 1) continue;
    return extra.getUint16(at + 2, true) < 16 ? [] : [Number(extra.getBigUint64(at + 4, true)), Number(extra.getBigUint64(at + 12, true))];
  }
  return [];
}

async function viewOf(blob, start, end) {
  return new DataView(await blob.slice(start, end).arrayBuffer());
}
