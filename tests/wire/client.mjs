// Drives the service with Microsoft's own Graph client; prints what it saw as one JSON document.
// Environment: BASE (https://host:port/), TOKEN, WEAK_TOKEN, USER, LOCATION; NODE_EXTRA_CA_CERTS names the certificate's authority.
import { createRequire } from "node:module";

const require = createRequire(new URL("../servers/package.json", import.meta.url));
const { BatchRequestContent, BatchResponseContent, Client, PageIterator, GraphError } = require("@microsoft/microsoft-graph-client");

const { BASE, TOKEN, WEAK_TOKEN, USER, LOCATION } = process.env;
const host = new URL(BASE).hostname;

function client(token, defaultVersion = "v1.0") {
  return Client.initWithMiddleware({
    authProvider: { getAccessToken: async () => token },
    baseUrl: BASE,
    customHosts: new Set([host]), // GRAPH-60: else the token is not sent
    defaultVersion,
  });
}

async function refused(call) {
  try {
    await call();
  } catch (error) {
    const body = error.body ? JSON.parse(error.body) : {};
    return { typed: error instanceof GraphError, status: error.statusCode, code: error.code, requestId: error.requestId, inner: body.innerError };
  }
  return { typed: false, status: 0 };
}

const graph = client(TOKEN);
const seen = {};

const accepted = await graph
  .api(`/users/${USER}/exportPersonalData`)
  .responseType("raw")
  .post({ storageLocation: LOCATION });
const location = accepted.headers.get("location");
seen.accepted = { status: accepted.status, location, requestId: accepted.headers.get("request-id"), retryAfter: accepted.headers.get("retry-after") };

seen.statuses = [];
for (let n = 0; n < 20; n += 1) {
  const operation = await graph.api(location).get();
  seen.statuses.push(operation.status);
  if (operation.status === "complete" || operation.status === "failed") {
    seen.operation = operation;
    break;
  }
}

for (let n = 0; n < 4; n += 1) {
  await graph.api(`/users/${USER}/exportPersonalData`).post({ storageLocation: LOCATION.replace("?", `${n}?`) });
}

const filtered = await graph
  .api("/dataPolicyOperations")
  .filter("status eq 'complete'")
  .orderby("submittedDateTime desc")
  .select("id,status")
  .count(true)
  .get();
seen.filtered = filtered;

const first = await graph.api("/dataPolicyOperations").top(2).orderby("submittedDateTime").get();
seen.paged = [];
await new PageIterator(graph, first, (operation) => {
  seen.paged.push(operation.id);
  return true;
}).iterate();

const beta = client(TOKEN, "beta");
seen.beta = (await beta.api(`/dataPolicyOperations/${seen.accepted.requestId}`).get()).id;

const waiting = seen.paged[seen.paged.length - 1];
seen.cancelled = (await graph.api(`/dataPolicyOperations/${waiting}`).responseType("raw").delete()).status;

seen.errors = {
  unauthenticated: await refused(() => client("nonsense").api("/dataPolicyOperations").get()),
  forbidden: await refused(() => client(WEAK_TOKEN).api("/dataPolicyOperations").get()),
  missing: await refused(() => graph.api("/users/nobody@contoso.example/exportPersonalData").post({ storageLocation: LOCATION })),
  location: await refused(() => graph.api(`/users/${USER}/exportPersonalData`).post({ storageLocation: null })),
  filter: await refused(() => graph.api("/dataPolicyOperations").filter("nothing").get()),
};

// GRAPH-51: it strips scheme and host off, and leaves the version.
const batched = await graph.api("/$batch").post(
  await new BatchRequestContent([
    { id: "1", request: new Request(`${BASE}v1.0/users/${USER}/exportPersonalData`, { method: "POST", headers: { "Content-Type": "application/json" }, body: JSON.stringify({ storageLocation: LOCATION }) }) },
    { id: "2", request: new Request(`${BASE}v1.0/dataPolicyOperations?$top=1`, { method: "GET" }), dependsOn: ["1"] },
    { id: "3", request: new Request(`${BASE}beta/users/nobody@contoso.example`, { method: "GET" }), dependsOn: ["2"] },
  ]).getContent(),
);
const answers = new BatchResponseContent(batched);
seen.batch = {
  statuses: ["1", "2", "3"].map((id) => answers.getResponseById(id).status),
  location: answers.getResponseById("1").headers.get("location"),
  listed: (await answers.getResponseById("2").json()).value.length,
};

// More writes than the limit lets through at once: its own retry waits for Retry-After, and every one comes through.
const started = Date.now();
const flood = Array.from({ length: 24 }, (_, n) => LOCATION.replace("?", `${n + 20}?`));
const posted = await Promise.all(
  flood.map((storageLocation) => graph.api(`/users/${USER}/exportPersonalData`).responseType("raw").post({ storageLocation })),
);
seen.retried = { ms: Date.now() - started, statuses: [...new Set(posted.map((each) => each.status))] };

console.log(JSON.stringify(seen));
