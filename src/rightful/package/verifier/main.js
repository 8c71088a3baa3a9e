// The page: takes a folder or a ZIP file, dropped or chosen, and says what the check found. Texts of a package are never parsed as HTML.

const MOST_FINDINGS = 1000;

const settings = JSON.parse(document.getElementById("settings").textContent);
const known = settings.keys;
const folder = h("input", { id: "folder", type: "file", webkitdirectory: true });
const zip = h("input", { id: "zip", type: "file", accept: ".zip,application/zip" });
const key = h("input", { id: "key", type: "text", autocomplete: "off", spellcheck: "false", dir: "ltr" });
const status = h("p", { id: "status", role: "status" });
const result = h("div", { id: "result" });
const bar = h("div", { class: "bar" });
const main = h("main");
let standing = () => ""; // what the status says, in whatever language
let outcome = null;

function verdicts() {
  return {
    whole: [t("Whole"), t("Whole: everything is as it was delivered.")],
    damaged: [t("Damaged"), t("Damaged: do not rely on the entries named below.")],
    sealed: [
      t("Sealed"),
      t("Sealed: all that it lists is there, in its size. What is in it, and who made it, can be told only with its key. Open it as HOW-TO-OPEN.txt says, then check what was opened."),
    ],
    incomplete: [
      t("Incomplete"),
      t("Not finished: the package was not written to its end, or has lost its last entry. Nothing can be said of what is missing."),
    ],
  };
}

function signatures() {
  return {
    trusted: t("Signed by the controller, with a key that this page or you named."),
    untrusted: t("Signed with another key than the controller’s: somebody else may have made this package."),
    good: t("Signed with the key below. Whoever forged a package signed it with a key of their own: compare it with the one that the controller publishes."),
    bad: t("The signature is not good."),
    other: t("The receipt is of another package."),
    missing: t("There is no signed receipt."),
    sealed: t("The signed receipt is sealed, too."),
    unknown: t("This browser can’t check signatures (Ed25519), only digests. A newer one can, or minisign: see README.txt."),
  };
}

function kinds() {
  return {
    missing: t("missing"), extra: t("extra"), changed: t("changed"), swapped: t("swapped"), older: t("older"), unreadable: t("unreadable"), malformed: t("malformed"),
  };
}

/** Draw all that stands there before anything was checked; inputs keep what they hold. */
function frame() {
  document.title = t("Check a package");
  bar.replaceChildren(picker(redraw));
  const field = (input, name) => [h("label", { for: input.id }, name), input];
  main.replaceChildren(
    h("h1", {}, t("Is this package whole, and unchanged?")),
    h("p", {}, t("Drop the package’s folder, or the ZIP file of it, anywhere on this page. It is read in this browser and goes nowhere else: the page can’t reach any network.")),
    h(
      "div",
      { id: "drop" },
      field(folder, t("Folder")),
      field(zip, t("or ZIP file")),
      field(key, t("The controller’s public key (RW…), if you have it")),
      h("p", { id: "known" }, known.length ? told(tn("The controller’s key: {keys}", "The controller’s keys: {keys}", known.length), { keys: known.join(", ") }) : null),
    ),
    status,
    result,
    h(
      "p",
      {},
      h(
        "small",
        {},
        t("It compares each entry with its SHA-256, and checks the signature (Ed25519) of receipt.json, which vouches for all of it."),
        " ",
        told(t("A forger could put a changed copy of this page into a package: whoever wants to be sure takes the page from the controller, or uses {command} or minisign."), {
          command: h("code", { dir: "ltr" }, "rightful verify"),
        }),
      ),
    ),
  );
}

function redraw() {
  frame();
  status.replaceChildren(...[standing()].flat(Infinity));
  if (outcome) show(outcome);
}

/** Say something in the status, in this language and in those that are chosen later. */
function say(saying) {
  standing = saying;
  status.replaceChildren(...[saying()].flat(Infinity));
}

/** Characters that would act instead of being seen are written as escapes. */
function shown(text) {
  return text.replace(/[\u0000-\u001f\u007f-\u009f\u2028-\u202e\u2066-\u2069]|\p{Cs}/gu, (found) => `\\u${found.charCodeAt(0).toString(16).padStart(4, "0")}`);
}

let latest = 0;

async function run(collect) {
  const run = ++latest;
  outcome = null;
  result.replaceChildren();
  say(() => t("Looking at what there is …"));
  try {
    const entries = await collect();
    const total = [...entries.values()].reduce((sum, { size }) => sum + size, 0);
    let last = 0;
    const onBytes = (bytes) => {
      if (run !== latest || (performance.now() - last < 200 && bytes < total)) return;
      last = performance.now();
      say(() => t("Checking: {done} of {all} …", { done: size(bytes), all: size(total) }));
    };
    const typed = key.value.trim().split(/\s+/).filter(Boolean);
    const found = await checkPackage(entries, { trusted: [...known, ...typed], onBytes });
    if (run === latest) show(found);
  } catch (error) {
    if (run === latest) say(() => told(t("This can’t be checked: {reason}"), { reason: reasonOf(error) }));
  }
}

function show(found) {
  outcome = found;
  const { state, findings, entries, bytes, signature, receipt } = found;
  const amount = () => tn("{n} entry, {size}.", "{n} entries, {size}.", entries, { size: size(bytes) });
  say(() => t("{verdict} {amount}", { verdict: verdicts()[state][1], amount: amount() }));
  const facts = [
    [t("Key"), signature.key], [t("Controller"), receipt?.controller], [t("Request"), receipt?.operationId],
    [t("Asked on"), moment(String(receipt?.submittedAt ?? ""))], [t("Finished on"), moment(String(receipt?.completedAt ?? ""))],
    [t("Records"), counted(receipt?.totals?.rows)], [t("Files"), counted(receipt?.totals?.files)],
  ].filter(([, value]) => value !== undefined && value !== "");
  result.replaceChildren(
    h(
      "section",
      { class: state, "aria-label": t("Result") },
      h("h2", {}, verdicts()[state][0]),
      h("p", { class: `signature ${signature.state}` }, signatures()[signature.state]),
      h("dl", {}, facts.map(([term, value]) => [h("dt", {}, term), h("dd", {}, h("bdi", {}, shown(String(value))))])),
      findings.length > 0 && findingsTable(findings),
      findings.length > MOST_FINDINGS && h("p", {}, t("The first {n} are shown.", { n: number(MOST_FINDINGS) })),
    ),
  );
}

function counted(value) {
  return typeof value === "number" ? number(value) : "";
}

function findingsTable(findings) {
  const names = kinds();
  return h(
    "div",
    { class: "scrolling", tabindex: "0", role: "region", "aria-label": t("Findings") },
    h(
      "table",
      {},
      h("caption", {}, tn("{n} finding", "{n} findings", findings.length)),
      h("thead", {}, h("tr", {}, [t("Finding"), t("Entry"), t("Why")].map((title) => h("th", { scope: "col" }, title)))),
      h("tbody", {}, findings.slice(0, MOST_FINDINGS).map(({ kind, path, detail }) =>
        h("tr", {}, h("td", {}, names[kind]), h("td", { class: "path" }, h("bdi", { dir: "ltr" }, shown(path))), h("td", {}, told(detail))))),
    ),
  );
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

folder.addEventListener("change", () => folder.files.length && run(() => collectChosen(folder.files)));
zip.addEventListener("change", () => zip.files.length && run(() => collectZip(zip.files[0])));
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
speak(settings.language || languageFor(navigator.languages));
frame();
document.body.append(h("header", { "aria-label": t("Language") }, bar), main);
