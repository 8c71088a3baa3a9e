// Drives the service with Microsoft's generated (Kiota) Graph SDK for JavaScript; prints what it saw as one JSON document.
// Environment: BASE (https://host:port/), TOKEN, WEAK_TOKEN, USER, LOCATION; NODE_EXTRA_CA_CERTS names the certificate's authority.
import { createRequire } from "node:module";
import { pathToFileURL } from "node:url";

const require = createRequire(new URL("../servers/package.json", import.meta.url));
const load = (name) => import(pathToFileURL(require.resolve(name)).href);

const { AllowedHostsValidator, BaseBearerTokenAuthenticationProvider, HttpMethod, RequestInformation } = await load("@microsoft/kiota-abstractions");
const { HeadersInspectionOptions, RetryHandlerOptions } = await load("@microsoft/kiota-http-fetchlibrary");
const { BatchRequestContent, PageIterator } = await load("@microsoft/msgraph-sdk-core");
const { createGraphServiceClient, GraphRequestAdapter } = await load("@microsoft/msgraph-sdk");
const { createODataErrorFromDiscriminatorValue } = await load("@microsoft/msgraph-sdk/models/oDataErrors/index.js");
const { createDataPolicyOperationFromDiscriminatorValue, createDataPolicyOperationCollectionResponseFromDiscriminatorValue } = await load(
  "@microsoft/msgraph-sdk/models/index.js",
);
await load("@microsoft/msgraph-sdk-users");

const { BASE, TOKEN, WEAK_TOKEN, USER, LOCATION } = process.env;
const ERRORS = { XXX: createODataErrorFromDiscriminatorValue };
const LIST = "{+baseurl}/dataPolicyOperations{?%24count,%24filter,%24orderby,%24top}";

function connect(token) {
  const tokens = {
    getAuthorizationToken: async () => token,
    getAllowedHostsValidator: () => new AllowedHostsValidator(new Set(["localhost"])), // GRAPH-60
  };
  const adapter = new GraphRequestAdapter(new BaseBearerTokenAuthenticationProvider(tokens));
  adapter.baseUrl = `${BASE}v1.0`;
  return { adapter, graph: createGraphServiceClient(adapter) };
}

const { adapter, graph } = connect(TOKEN);
const exporting = (user, client = graph) => client.users.byUserId(user).exportPersonalData;
const several = (from) => Array.from({ length: 24 }, (_, n) => from + n);
const place = (number) => LOCATION.replace("?", `${number}?`);

function listing(query) {
  const request = new RequestInformation(HttpMethod.GET, LIST, { baseurl: adapter.baseUrl });
  for (const [name, value] of Object.entries(query)) request.queryParameters[`%24${name}`] = value;
  return request;
}

function list(query, client = adapter) {
  return client.send(listing(query), createDataPolicyOperationCollectionResponseFromDiscriminatorValue, ERRORS);
}

async function refused(call) {
  try {
    await call();
  } catch (error) {
    // The main error is typed: its code is the service's.
    return { status: error.responseStatusCode, code: error.errorEscaped?.code, requestId: error.errorEscaped?.innerError?.requestId };
  }
  return { status: 0 };
}

const seen = {};

const inspected = new HeadersInspectionOptions({ inspectResponseHeaders: true });
await exporting(USER).post({ storageLocation: place(0) }, { options: [inspected] });
const header = (name) => [...(inspected.getResponseHeaders().get(name) ?? [])][0];
seen.accepted = { location: header("location"), requestId: header("request-id"), retryAfter: header("retry-after") };

seen.statuses = [];
for (let n = 0; n < 20; n += 1) {
  const request = new RequestInformation(HttpMethod.GET, seen.accepted.location);
  const operation = await adapter.send(request, createDataPolicyOperationFromDiscriminatorValue, ERRORS);
  seen.statuses.push(operation.status);
  if (operation.status === "complete" || operation.status === "failed") {
    seen.operation = { id: operation.id, userId: operation.userId, progress: operation.progress, extra: Object.keys(operation.additionalData ?? {}) };
    seen.operation.times = [operation.submittedDateTime, operation.completedDateTime].map((at) => at instanceof Date);
    break;
  }
}

const filtered = await list({ filter: "status eq 'complete' and completedDateTime ne null", orderby: ["submittedDateTime desc"], count: true });
seen.filtered = { count: filtered.odataCount, ids: filtered.value.map((each) => each.id) };

for (const n of [7, 8]) await exporting(USER).post({ storageLocation: place(n) });
seen.paged = [];
const first = await list({ top: 2, orderby: ["submittedDateTime"] });
const collect = (operation) => seen.paged.push(operation.id) > 0;
await new PageIterator(adapter, first, collect, createDataPolicyOperationCollectionResponseFromDiscriminatorValue, ERRORS).iterate();

const batch = new BatchRequestContent(adapter, ERRORS);
batch.addBatchRequest(exporting(USER).toPostRequestInformation({ storageLocation: place(0) }), "submit");
const second = batch.addBatchRequest(exporting("nobody@contoso.example").toPostRequestInformation({ storageLocation: place(0) }), "missing");
const third = batch.addBatchRequest(listing({ top: 1 }), "after");
second.dependsOn = ["submit"];
third.dependsOn = ["missing"];
seen.batch = Object.fromEntries(await (await batch.postAsync()).getResponsesStatusCodes());

seen.errors = {
  unauthenticated: await refused(() => list({}, connect("nonsense").adapter)),
  forbidden: await refused(() => list({}, connect(WEAK_TOKEN).adapter)),
  missing: await refused(() => exporting("nobody@contoso.example").post({ storageLocation: LOCATION })),
  filter: await refused(() => list({ filter: "nothing" })),
};

// More writes than the limit lets through at once: the SDK's own retry waits for Retry-After, and every one comes through.
const started = Date.now();
await Promise.all(several(20).map((n) => exporting(USER).post({ storageLocation: place(n) })));
seen.retriedMs = Date.now() - started;
const once = new RetryHandlerOptions({ maxRetries: 0 });
const floods = await Promise.all(several(60).map((n) => refused(() => exporting(USER).post({ storageLocation: place(n) }, { options: [once] }))));
seen.throttled = floods.filter((each) => each.status !== 0);

console.log(JSON.stringify(seen));
