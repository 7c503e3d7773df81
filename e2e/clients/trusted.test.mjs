// The files that clients' tools write, as TRUSTED_DOCUMENTS of a service that executes nothing else.

import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { after, before, describe, it } from "node:test";
import { fileURLToPath } from "node:url";
import { ApolloClient, HttpLink, InMemoryCache, gql } from "@apollo/client";
import { PersistedQueryLink } from "@apollo/client/link/persisted-queries";
import { generatePersistedQueryIdsFromManifest } from "@apollo/persisted-query-lists";
import { query, root, startService } from "../processes.mjs";

const tools = join(dirname(fileURLToPath(import.meta.url)), "node_modules/.bin");
const folder = mkdtempSync(join(tmpdir(), "rollcall-trusted-"));
const text = "query usersQuery($n: Int!) { users(first: $n) { nodes { id userId } } }";
const variables = { n: 3 };

function put(file, content) {
  mkdirSync(dirname(join(folder, file)), { recursive: true });
  writeFileSync(join(folder, file), content);
  return join(folder, file);
}

describe("in a service with TRUSTED_DOCUMENTS", () => {
  const relay = join(folder, "relay/persisted.json");
  const apollo = join(folder, "apollo/persisted-query-manifest.json");
  let service, users;
  before(async () => {
    const schema = readFileSync(join(root, "graph/schema.graphqls"), "utf8");
    put("relay/schema.graphql", schema.replace(/^extend schema[^]*?\n\n/m, "").replace(/ @(key|shareable)(\([^)]*\))?/g, ""));
    put("relay/package.json", "{}");
    put("relay/relay.config.json", JSON.stringify({ src: "src", schema: "schema.graphql", language: "javascript", customScalarTypes: { DateTime: "string" }, persistConfig: { file: "persisted.json" } }));
    put("relay/persisted.json", "{}"); // the compiler appends to it
    put("relay/src/users.js", `import { graphql } from "relay-runtime"; graphql\`${text}\`;`);
    execFileSync(join(tools, "relay-compiler"), { cwd: join(folder, "relay") });
    put("apollo/src/users.js", `import { gql } from "@apollo/client"; gql\`${text}\`;`);
    execFileSync(join(tools, "generate-persisted-query-manifest"), { cwd: join(folder, "apollo") });

    service = await startService({ TRUSTED_DOCUMENTS: `${relay},${apollo}` });
    const demo = await startService();
    users = (await query(demo.url, text, variables)).data.users.nodes.map((u) => u.userId);
    await demo.stop();
  });
  after(async () => {
    await service.stop();
    rmSync(folder, { recursive: true, force: true });
  });

  it("Relay's IDs work as doc_id", async () => {
    const [id] = Object.keys(JSON.parse(readFileSync(relay, "utf8")));
    assert.match(readFileSync(join(folder, "relay/src/__generated__/usersQuery.graphql.js"), "utf8"), new RegExp(id));
    const response = await fetch(service.url, { method: "POST", headers: { "content-type": "application/json" }, body: JSON.stringify({ doc_id: id, variables }) });
    assert.deepEqual((await response.json()).data.users.nodes.map((u) => u.userId), users);
    assert.match(service.output(), new RegExp(`"document_id":"${id}"`));
  });

  for (const useGETForHashedQueries of [false, true]) {
    it(`Apollo Client works with its manifest by ${useGETForHashedQueries ? "GET" : "POST"}`, async () => {
      const sent = [];
      const ids = generatePersistedQueryIdsFromManifest({ loadManifest: async () => JSON.parse(readFileSync(apollo, "utf8")) });
      const fetchFn = (url, init) => {
        sent.push(`${init.method} ${/\bquery=|"query":/.test(url + init.body) ? "text" : "hash"}`);
        return fetch(url, init);
      };
      const client = new ApolloClient({
        link: new PersistedQueryLink({ ...ids, useGETForHashedQueries }).concat(new HttpLink({ uri: service.url, fetch: fetchFn })),
        cache: new InMemoryCache(),
      });
      const { data } = await client.query({ query: gql(text), variables });
      assert.deepEqual(data.users.nodes.map((u) => u.userId), users);
      assert.deepEqual(sent, [useGETForHashedQueries ? "GET hash" : "POST hash"]);
    });
  }

  it("Apollo Client does not send the text of an unknown ID", async () => {
    const sent = [];
    const fetchFn = (url, init) => (sent.push(init.body), fetch(url, init));
    const link = new PersistedQueryLink({ generateHash: () => "0".repeat(64) }).concat(new HttpLink({ uri: service.url, fetch: fetchFn }));
    const client = new ApolloClient({ link, cache: new InMemoryCache() });
    await assert.rejects(client.query({ query: gql(text), variables }), /does not know a document with this ID/);
    assert.equal(sent.length, 1);
  });

  it("texts are refused", async () => {
    const { errors } = await query(service.url, text, variables);
    assert.deepEqual(errors.map((e) => e.extensions.code), ["PERSISTED_QUERY_ID_REQUIRED"]);
  });
});
