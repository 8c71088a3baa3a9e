// The page: takes a folder or a ZIP file, dropped or chosen, and says what the check found. Texts of a package are never parsed as HTML.

const VERDICTS = {
  whole: "Whole: everything is as it was delivered.",
  damaged: "Damaged: do not rely on the entries named below.",
  incomplete: "Not finished: the package was not written to its end, or has lost its last entry. Nothing can be said of what is missing.",
};
const SIGNATURES = {
  trusted: "Signed by the controller, with a key that this page or you named.",
  untrusted: "Signed with another key than the controller's: somebody else may have made this package.",
  good: "Signed with the key below. Whoever forged a package signed it with a key of their own: compare it with the one that the controller publishes.",
  bad: "The signature is not good.",
  other: "The receipt is of another package.",
  missing: "There is no signed receipt.",
  unknown: "This browser can't check signatures (Ed25519), only digests. A newer one can, or minisign: see README.txt.",
};
const MOST_FINDINGS = 1000;

const $ = (id) => document.getElementById(id);
const known = JSON.parse($("keys").textContent);

function element(name, text, attributes = {}) {
  const made = document.createElement(name);
  made.append(text ?? "");
  for (const [attribute, value] of Object.entries(attributes)) made.setAttribute(attribute, value);
  return made;
}

/** Characters that would act instead of being seen are written as escapes. */
function shown(text) {
  return text.replace(/[\u0000-\u001f\u007f-\u009f\u2028-\u202e\u2066-\u2069]|\p{Cs}/gu, (found) => `\\u${found.charCodeAt(0).toString(16).padStart(4, "0")}`);
}

let latest = 0;

async function run(collect) {
  const run = ++latest;
  $("result").replaceChildren();
  $("status").textContent = "Looking at what there is …";
  try {
    const entries = await collect();
    const total = [...entries.values()].reduce((sum, { size }) => sum + size, 0);
    let said = 0;
    const onBytes = (bytes) => {
      if (run !== latest || (performance.now() - said < 200 && bytes < total)) return;
      said = performance.now();
      $("status").textContent = `Checking: ${inUnits(bytes)} of ${inUnits(total)} …`;
    };
    const typed = $("key").value.trim().split(/\s+/).filter(Boolean);
    const result = await checkPackage(entries, { trusted: [...known, ...typed], onBytes });
    if (run === latest) show(result);
  } catch (error) {
    if (run === latest) $("status").textContent = `This can't be checked: ${shown(String(error?.message || error))}`;
  }
}

function show({ state, findings, entries, bytes, signature, receipt }) {
  $("status").textContent = `${VERDICTS[state]} ${entries.toLocaleString()} entries, ${inUnits(bytes)}.`;
  const box = element("section", "", { class: state, "aria-label": "Result" });
  box.append(element("h2", state[0].toUpperCase() + state.slice(1)), element("p", SIGNATURES[signature.state], { class: `signature ${signature.state}` }));
  const facts = [
    ["Key", signature.key], ["Controller", receipt?.controller], ["Request", receipt?.operationId], ["Asked on", receipt?.submittedAt],
    ["Finished on", receipt?.completedAt], ["Records", receipt?.totals?.rows], ["Files", receipt?.totals?.files],
  ].filter(([, value]) => value !== undefined && value !== "");
  const list = element("dl");
  for (const [term, value] of facts) list.append(element("dt", term), element("dd", shown(String(value))));
  box.append(list);
  if (findings.length) {
    const table = element("table");
    const head = element("tr");
    for (const title of ["Finding", "Entry", "Why"]) head.append(element("th", title, { scope: "col" }));
    const body = element("tbody");
    for (const { kind, path, detail } of findings.slice(0, MOST_FINDINGS)) {
      const row = element("tr");
      row.append(element("td", kind), element("td", shown(path), { class: "path" }), element("td", shown(detail)));
      body.append(row);
    }
    table.append(element("caption", `${findings.length.toLocaleString()} findings`), element("thead"), body);
    table.tHead.append(head);
    const scrolling = element("div", "", { class: "scrolling", tabindex: "0", role: "region", "aria-label": "Findings" });
    scrolling.append(table);
    box.append(scrolling);
    if (findings.length > MOST_FINDINGS) box.append(element("p", `The first ${MOST_FINDINGS} are shown.`));
  }
  $("result").replaceChildren(box);
}

function inUnits(bytes) {
  const units = ["bytes", "KiB", "MiB", "GiB", "TiB"];
  let size = bytes;
  let unit = 0;
  while (size >= 1024 && unit < units.length - 1) [size, unit] = [size / 1024, unit + 1];
  return `${size.toLocaleString(undefined, { maximumFractionDigits: unit ? 1 : 0 })} ${units[unit]}`;
}

// -- taking what is given -----------------------------------------------------------------------------------------------------
const ofFile = (file) => ({ size: file.size, stream: () => file.stream() });

async function collectZip(file) {
  return new Map((await listZip(file)).map((entry) => [entry.path, entry]));
}

/** Files that a browser lists by itself, each with its path below the folder that was chosen. */
async function collectChosen(files) {
  return new Map([...files].map((file) => [file.webkitRelativePath.split("/").slice(1).join("/"), ofFile(file)]));
}

async function collectDropped(roots) {
  const found = new Map();
  const isOneFolder = roots.length === 1 && roots[0].isDirectory;
  const waiting = roots.map((root) => [root, isOneFolder ? "" : root.name]);
  while (waiting.length) {
    const [entry, path] = waiting.pop();
    if (entry.isFile) {
      found.set(path, ofFile(await new Promise((done, failed) => entry.file(done, failed))));
      continue;
    }
    const reader = entry.createReader();
    const read = () => new Promise((done, failed) => reader.readEntries(done, failed));
    for (let some = await read(); some.length; some = await read()) {
      for (const inner of some) waiting.push([inner, path ? `${path}/${inner.name}` : inner.name]);
    }
  }
  return found;
}

$("folder").addEventListener("change", ({ target }) => target.files.length && run(() => collectChosen(target.files)));
$("zip").addEventListener("change", ({ target }) => target.files.length && run(() => collectZip(target.files[0])));
for (const kind of ["dragenter", "dragover"]) {
  document.addEventListener(kind, (event) => {
    event.preventDefault();
    document.body.classList.add("over");
  });
}
document.addEventListener("dragleave", (event) => event.relatedTarget || document.body.classList.remove("over"));
document.addEventListener("drop", (event) => {
  event.preventDefault();
  document.body.classList.remove("over");
  const roots = [...event.dataTransfer.items].map((item) => item.webkitGetAsEntry()).filter(Boolean);
  const [file] = event.dataTransfer.files;
  if (roots.length === 1 && roots[0].isFile && file) run(() => collectZip(file));
  else if (roots.length) run(() => collectDropped(roots));
});
$("known").textContent = known.length ? `The controller's key${known.length > 1 ? "s" : ""}: ${known.join(", ")}` : "";
