// Exports one person into several containers with Microsoft's own Graph client; prints what it saw as one JSON document.
// Environment: BASE (https://host:port/), TOKEN, USER, LOCATIONS (a JSON array); NODE_EXTRA_CA_CERTS names the certificate's authority.
import { createRequire } from "node:module";
import { setTimeout as pause } from "node:timers/promises";

const require = createRequire(new URL("../servers/package.json", import.meta.url));
const { Client } = require("@microsoft/microsoft-graph-client");

const { BASE, TOKEN, USER, LOCATIONS } = process.env;
const graph = Client.initWithMiddleware({
  authProvider: { getAccessToken: async () => TOKEN },
  baseUrl: BASE,
  customHosts: new Set([new URL(BASE).hostname]), // GRAPH-60: else the token is not sent
});

async function ended(location) {
  for (let n = 0; n < 1000; n += 1) {
    const operation = await graph.api(location).get();
    if (operation.status === "complete" || operation.status === "failed") return operation;
    await pause(30);
  }
  throw new Error("the operation did not end");
}

const accepted = [];
for (const storageLocation of JSON.parse(LOCATIONS)) {
  const answer = await graph.api(`/users/${USER}/exportPersonalData`).responseType("raw").post({ storageLocation });
  accepted.push({ status: answer.status, location: answer.headers.get("location"), retryAfter: answer.headers.get("retry-after") });
}
const operations = [];
for (const { location } of accepted) operations.push(await ended(location));
const listed = await graph
  .api("/dataPolicyOperations")
  .filter(`userId eq '${operations[0].userId}'`)
  .orderby("submittedDateTime desc")
  .get();
console.log(JSON.stringify({ accepted, operations, listed: listed.value.map((operation) => operation.id) }));
