// What `rightful verify` does, as far as digests and the signature go. Entries are a Map of path to {size, stream()}; nothing is kept but digests.

const MARKS = ["RequestInfo.json", "bagit.txt", "tagmanifest-sha256.txt", "sealed.json"];
const SEALED_LIST = "sealed.json";
const SEALED_INDEX = "sealed/index.age";
const SEALED_ENTRY = /^sealed\/(?:[0-9a-f]{32}|index)\.age$/u;
const IN_THE_OPEN = ["RequestInfo.json", "HOW-TO-OPEN.txt", "key.age", SEALED_LIST];
const MANIFEST = "manifest-sha256.txt";
const TAG_MANIFEST = "tagmanifest-sha256.txt";
const RECEIPT = "receipt.json";
const SIGNATURE = "receipt.json.minisig";
const PAYLOAD = "data/";
const REQUIRED = ["RequestInfo.json", "datapackage.json", "ledger.json", "README.txt", MANIFEST, "bagit.txt", "bag-info.txt", RECEIPT, SIGNATURE];
const WHOLE_BYTES = 1 << 25; // up to here the browser's own SHA-256 gets the content as a whole
const LARGEST_DOCUMENT_BYTES = 1 << 28;
/** What says of which package it is, in the order in which it is written, and how: [operation, when it was asked for, of whom]. */
const CLAIMS = {
  "RequestInfo.json": (content) => membersOf(content, "CommandId", "Timestamp", "Subject"),
  "datapackage.json": (content) => membersOf(content, "id"),
  "changes.json": (content) => membersOf(content, ...CLAIMED),
  "ledger.json": (content) => membersOf(content, ...CLAIMED),
  "statement.json": (content) => membersOf(content, ...CLAIMED),
  "bag-info.txt": (content) => [/^External-Identifier: *([^\r\n]*?) *$/mu.exec(new TextDecoder().decode(content))?.[1]],
  [RECEIPT]: (content) => membersOf(content, ...CLAIMED),
};
const CLAIMED = ["operationId", "submittedAt", "subjectId"];
const LINE = /^([0-9a-f]{64}) {2}(.+)$/u;
const EMPTY = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";

/** Return the entries of the package among those of a folder or ZIP file; what lies beside it is named `../…`. */
function rootOf(entries) {
  const paths = [...entries.keys()];
  if (MARKS.some((mark) => entries.has(mark))) return entries;
  const tops = new Set(paths.filter((path) => MARKS.includes(path.slice(path.indexOf("/") + 1))).map((path) => path.slice(0, path.indexOf("/") + 1)));
  if (tops.size !== 1) return entries;
  const [top] = tops;
  return new Map(paths.map((path) => [path.startsWith(top) ? path.slice(top.length) : `../${path}`, entries.get(path)]));
}

/** Check a package: {state, findings: [{kind, path, detail}], entries, bytes, signature: {state, key}, receipt}. */
async function checkPackage(given, { trusted = [], onBytes = () => {} } = {}) {
  const check = new Check(rootOf(given), onBytes);
  if ([...check.entries.keys()].some((path) => path === SEALED_LIST || path.startsWith("sealed/"))) return checkSealed(check);
  const listed = await check.table(TAG_MANIFEST, (path) => !path.startsWith(PAYLOAD) && path !== TAG_MANIFEST);
  const signature = await check.signature(trusted);
  const tags = check.tags(listed, signature);
  const payload = await check.table(MANIFEST, (path) => path.startsWith(PAYLOAD));
  await check.compare(tags, (path) => !path.startsWith(PAYLOAD) && path !== TAG_MANIFEST, signature.receipt ? RECEIPT : TAG_MANIFEST);
  if (payload) {
    await check.compare(payload, (path) => path.startsWith(PAYLOAD), MANIFEST);
    check.root(payload, signature);
  }
  const state = !check.entries.has(TAG_MANIFEST) ? "incomplete" : check.findings.length ? "damaged" : "whole";
  const { receipt, ...said } = signature;
  return { state, findings: check.findings, entries: check.count, bytes: check.bytes, signature: said, receipt: receipt ?? null };
}

/** Check what can be checked of a sealed package without its key: names and sizes, by a list that nobody has signed. */
async function checkSealed(check) {
  let state = "sealed";
  if (!check.entries.has(SEALED_LIST)) {
    state = "incomplete";
    check.find("missing", SEALED_LIST, later("every finished package has it"));
  } else {
    await check.digest(SEALED_LIST, { isKept: true });
    const list = parsed(check.contents.get(SEALED_LIST));
    const listed = list?.format === "rightful-sealed/1" && Array.isArray(list.entries) ? list.entries : null;
    if (listed?.every((each) => typeof each?.name === "string" && Number.isInteger(each.bytes))) check.sealedEntries(new Map(listed.map(({ name, bytes }) => [name, bytes])));
    else check.find("malformed", SEALED_LIST, later("it is no list of a sealed package that is known here"));
    if (check.findings.length) state = "damaged";
  }
  return { state, findings: check.findings, entries: check.entries.size, bytes: check.bytes, signature: { state: "sealed", key: "" }, receipt: null };
}

class Check {
  constructor(entries, onBytes) {
    this.entries = entries;
    this.onBytes = onBytes;
    this.findings = [];
    this.digests = new Map();
    this.contents = new Map();
    this.strangers = new Map();
    this.bytes = 0;
    this.count = 0;
  }

  /** Note a finding; `detail` is a message for `told`. */
  find(kind, path, detail) {
    this.findings.push({ kind, path, detail });
  }

  /** Read an entry to its end and return its digest, null where it can't be read; small documents are kept where asked for. */
  async digest(path, { isKept = false } = {}) {
    if (this.digests.has(path)) return this.digests.get(path);
    const entry = this.entries.get(path);
    let digest = null;
    try {
      const isLookedInto = isKept && entry.size <= LARGEST_DOCUMENT_BYTES;
      const isWhole = isLookedInto || entry.size <= WHOLE_BYTES;
      const hasher = new Sha256();
      const pieces = [];
      const reader = (await entry.stream()).getReader();
      let read = 0;
      for (let piece = await reader.read(); !piece.done; piece = await reader.read()) {
        read += piece.value.length;
        if (read > entry.size) throw new Refusal(later("it is longer than it says"));
        if (isWhole) pieces.push(piece.value);
        else hasher.update(piece.value);
        this.bytes += piece.value.length;
        this.onBytes(this.bytes);
      }
      if (read < entry.size) throw new Refusal(later("it is damaged"));
      if (isWhole) {
        const content = new Uint8Array(await new Blob(pieces).arrayBuffer());
        digest = globalThis.crypto?.subtle ? hex(await crypto.subtle.digest("SHA-256", content)) : hasher.update(content).hex();
        if (isLookedInto) this.contents.set(path, content);
      } else {
        digest = hasher.hex();
      }
      this.count += 1;
    } catch (error) {
      this.find("unreadable", path, { message: "{reason}", values: { reason: reasonOf(error) } });
    }
    this.digests.set(path, digest);
    return digest;
  }

  /** Read a manifest: a Map of path to digest; null where there is none. */
  async table(path, belongs) {
    if (!this.entries.has(path)) {
      if (path === TAG_MANIFEST) this.find("missing", path, later("every finished package has it"));
      return null;
    }
    if ((await this.digest(path, { isKept: true })) === null) return null;
    if (!this.contents.has(path)) {
      this.find("unreadable", path, later("it is too large to be looked into here"));
      return null;
    }
    const table = new Map();
    const text = new TextDecoder().decode(this.contents.get(path));
    const lines = text.split("\n");
    if (lines.pop() !== "") this.find("malformed", path, later("its last line has no end"));
    let before = "";
    lines.forEach((line, number) => {
      const [, digest, name] = LINE.exec(line) ?? [];
      if (!name || !belongs(name) || !isSafe(name)) this.find("malformed", path, later("line {number} is no digest and path that belong here", { number: number + 1 }));
      else if (byCodePoints(before, name) >= 0) this.find("malformed", path, later("line {number} is out of order or listed twice", { number: number + 1 }));
      else table.set((before = name), digest);
    });
    this.contents.delete(path);
    return table;
  }

  /** Find out who signed the receipt: {state, key, receipt}; the receipt only where it may be relied on. */
  async signature(trusted) {
    for (const path of [...Object.keys(CLAIMS), SIGNATURE]) {
      if (this.entries.has(path)) await this.digest(path, { isKept: true });
    }
    const [content, signature] = [this.contents.get(RECEIPT), this.contents.get(SIGNATURE)];
    this.strange();
    for (const path of Object.keys(CLAIMS)) this.contents.delete(path);
    if (!content || !signature) return { state: "missing", key: "" };
    const receipt = parsed(content);
    if (receipt?.format !== "rightful-receipt/1" || typeof receipt.documents !== "object") {
      this.find("malformed", RECEIPT, later("it is no receipt that is known here"));
      return { state: "bad", key: "" };
    }
    const key = String(receipt.key);
    const good = await isSigned(content, signature, key);
    if (good === null) return { state: "unknown", key };
    if (!good) {
      for (const path of [RECEIPT, SIGNATURE]) this.find("changed", path, later("the signature is not of this receipt: one of the two was changed"));
      return { state: "bad", key };
    }
    if (this.strangers.has(RECEIPT)) {
      this.stranger(SIGNATURE, this.strangers.get(RECEIPT));
      return { state: "other", key };
    }
    if (!new TextDecoder("utf-8", { ignoreBOM: true }).decode(signature).startsWith(`untrusted comment: signature of ${RECEIPT} by ${key}\n`)) {
      this.find("changed", SIGNATURE, later("its first line, which no signature covers, was changed"));
    }
    const state = !trusted.length ? "good" : trusted.includes(key) ? "trusted" : "untrusted";
    if (state === "untrusted") this.find("changed", RECEIPT, later("it is signed by a key that is none of the controller’s"));
    return { state, key, receipt };
  }

  /** Compare which package the documents say that they are of: it is the one that most name. */
  strange() {
    const claims = Object.entries(CLAIMS)
      .map(([path, claim]) => [path, ...claim(this.contents.get(path)).map((each) => each ?? "")])
      .filter(([, id]) => id);
    const named = (id) => claims.filter(([, other]) => other === id);
    const [first] = claims.map(([, id]) => id).sort((one, other) => named(other).length - named(one).length || (one < other ? 1 : -1));
    const usual = named(first).find(([, , at]) => at) ?? named(first)[0];
    for (const [path, id, at, subject] of claims.filter(([, id]) => id !== first)) {
      const isSamePerson = !subject || !usual[3] || subject === usual[3];
      const detail = at ? later("it is of operation {id} of {at}; this is {usual}", { id, at, usual: first }) : later("it is of operation {id}; this is {usual}", { id, usual: first });
      this.stranger(path, { kind: isSamePerson && at && at < usual[2] ? "older" : "swapped", detail });
    }
  }

  /** Note a document of another package. */
  stranger(path, { kind, detail }) {
    this.find(kind, path, detail);
    this.strangers.set(path, { kind, detail });
  }

  /** Return what must lie beside data/: as the receipt says, else as the tag manifest does. */
  tags(listed, { receipt }) {
    if (!receipt) return listed && this.required(listed, TAG_MANIFEST);
    const tags = new Map(Object.entries(receipt.documents));
    tags.set(RECEIPT, this.digests.get(RECEIPT));
    tags.set(SIGNATURE, listed?.get(SIGNATURE) ?? this.digests.get(SIGNATURE));
    this.required(tags, RECEIPT);
    if (this.digests.has(TAG_MANIFEST) && this.digests.get(TAG_MANIFEST) !== digestOfLines(tags)) {
      this.find("changed", TAG_MANIFEST, later("{source} says another content", { source: RECEIPT }));
    }
    return tags;
  }

  /** Every finished package has these, a receipt above all: else whoever forges one would leave it out. */
  required(tags, source) {
    for (const path of REQUIRED) {
      if (!tags.has(path)) this.find("malformed", source, later("it does not list {path}, which every finished package has", { path }));
    }
    return tags;
  }

  /** Compare what lies there with a table. */
  async compare(table, belongs, source) {
    if (!table) return;
    const owners = new Map([...table].filter(([, digest]) => digest !== EMPTY).map(([path, digest]) => [digest, path]));
    for (const path of this.entries.keys()) {
      if (belongs(path) && !table.has(path)) this.find("extra", path, later("{source} does not list it", { source }));
    }
    for (const [path, expected] of table) {
      if (!this.entries.has(path)) {
        this.find("missing", path, later("{source} lists it", { source }));
        continue;
      }
      const found = await this.digest(path);
      if (found === null || found === expected || this.strangers.has(path)) continue;
      const owner = owners.get(found);
      this.find(owner ? "swapped" : "changed", path, owner ? later("it is what {owner} should be", { owner }) : later("its SHA-256 is {found}; {source} says {expected}", { found, source, expected }));
    }
  }

  /** Compare what lies there with the list of a sealed package. */
  sealedEntries(listed) {
    if (!listed.has(SEALED_INDEX)) this.find("missing", SEALED_INDEX, later("every finished package has it"));
    for (const [path, size] of listed) {
      const found = this.entries.get(path)?.size;
      if (found === undefined) this.find("missing", path, later("{source} lists it", { source: SEALED_LIST }));
      else if (found !== size) this.find("changed", path, later("it has {found} bytes; {source} says {expected}", { found, source: SEALED_LIST, expected: size }));
    }
    for (const path of this.entries.keys()) {
      if (path === SEALED_LIST) continue;
      if (!SEALED_ENTRY.test(path) && !IN_THE_OPEN.includes(path)) this.find("extra", path, later("no sealed package has it"));
      else if (!listed.has(path)) this.find("extra", path, later("{source} does not list it", { source: SEALED_LIST }));
    }
  }

  root(payload, { receipt }) {
    if (!receipt || this.findings.length) return;
    const all = new Map([...payload, ...Object.entries(receipt.documents)]);
    if (digestOfLines(all) !== receipt.rootSha256) this.find("malformed", RECEIPT, later("its rootSha256 is not that of what it lists"));
  }
}

/** Say whether a minisign signature is of a content, by a key; null where this browser can't tell. */
async function isSigned(content, signature, key) {
  const [, first, third, fourth] = /^untrusted comment: [^\n]*\n([^\n]+)\ntrusted comment: ([^\n]*)\n([^\n]+)\n$/u.exec(new TextDecoder().decode(signature)) ?? [];
  const [made, global, known] = [bytesOf(first), bytesOf(fourth), bytesOf(key)];
  if (made?.length !== 74 || global?.length !== 64 || known?.length !== 42) return false;
  const heads = new TextDecoder("latin1");
  if (heads.decode(made.subarray(0, 2)) !== "ED" || heads.decode(known.subarray(0, 2)) !== "Ed") return false;
  if (hex(made.subarray(2, 10)) !== hex(known.subarray(2, 10))) return false;
  let verifying;
  try {
    verifying = await crypto.subtle.importKey("raw", known.subarray(10), { name: "Ed25519" }, false, ["verify"]);
  } catch {
    return null;
  }
  const comment = new TextEncoder().encode(third);
  const of = made.subarray(10);
  const signed = new Uint8Array([...of, ...comment]);
  return (await crypto.subtle.verify("Ed25519", verifying, of, blake2b(content))) && crypto.subtle.verify("Ed25519", verifying, global, signed);
}

function digestOfLines(table) {
  const hasher = new Sha256();
  const encoder = new TextEncoder();
  for (const [path, digest] of [...table].sort(([one], [other]) => byCodePoints(one, other))) hasher.update(encoder.encode(`${digest}  ${path}\n`));
  return hasher.hex();
}

/** Order texts as their UTF-8 bytes are: surrogates come after everything else. */
function byCodePoints(one, other) {
  const length = Math.min(one.length, other.length);
  for (let i = 0; i < length; i++) {
    const [x, y] = [one.charCodeAt(i), other.charCodeAt(i)];
    if (x !== y) return rank(x) - rank(y);
  }
  return one.length - other.length;
}

function rank(unit) {
  return unit >= 0xe000 ? unit - 0x800 : unit >= 0xd800 ? unit + 0x2000 : unit;
}

function isSafe(path) {
  return !/[\u0000-\u001f\u007f-\u009f\u2028\u2029\\%]|\p{Cs}/u.test(path) && path.split("/").every((segment) => !["", ".", ".."].includes(segment));
}

function membersOf(content, ...names) {
  const document = parsed(content) ?? {};
  return names.map((name) => document[name]).map((value) => (typeof value === "string" ? value : ""));
}

function parsed(content) {
  try {
    const value = JSON.parse(new TextDecoder("utf-8", { fatal: true }).decode(content));
    return value !== null && typeof value === "object" ? value : null;
  } catch {
    return null;
  }
}

function hex(bytes) {
  return Array.from(new Uint8Array(bytes), (byte) => byte.toString(16).padStart(2, "0")).join("");
}

function bytesOf(base64) {
  try {
    return Uint8Array.from(atob(base64), (character) => character.charCodeAt(0));
  } catch {
    return null;
  }
}
