// Runs the recipes of docs/clients.md as they are written, in empty folders:
// against the demo, against a service that requires keys, and behind a proxy
// that fails.

import assert from "node:assert/strict";
import { cpSync, readFileSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { after, before, describe, it } from "node:test";
import { fileURLToPath, pathToFileURL } from "node:url";
import { gql } from "@apollo/client";
import { buildClientSchema, buildSchema, getIntrospectionQuery, lexicographicSortSchema, printSchema } from "graphql";
import { query, startEmulator, startService } from "../processes.mjs";
import { faults, startProxy } from "./fault.mjs";
import { blocks, page, sh, write } from "./recipes.mjs";

const here = dirname(fileURLToPath(import.meta.url));
let built; // the folder of the recipes
const since = "2026-10-31T12:00:00Z"; // as the recipes have it

const recipes = ["curl", "relay", "apollo", "urql", "go"];

/** The block of a recipe's commands, with the continued lines joined. */
const commands = (file) => blocks.get(file).replaceAll(/\\\n */g, "").trim().split("\n");

describe("docs/clients.md", () => {
  let demo, emulator, withKeys, all;
  before(async () => {
    built = await write();
    demo = await startService();
    emulator = await startEmulator("-users", "300", "-keys", "right-key");
    withKeys = await startService({ UPSTREAM_URL: emulator.url, AUTH: "passthrough", INTROSPECTION: "off" });
    all = await list(demo);
  });
  after(async () => {
    for (const program of [demo, withKeys, emulator]) await program?.stop();
  });

  /** The users who have called since then, read as one page. */
  async function list(service, key = "") {
    const text = "query ($since: DateTime!) { users(first: 500, filter: { callStartedAfter: $since }) { nodes { userId } pageInfo { hasNextPage } } }";
    const { data } = await query(service.url, text, { since }, { "xi-api-key": key });
    assert.equal(data.users.pageInfo.hasNextPage, false);
    return data.users.nodes.map((user) => user.userId);
  }

  it("has a file name for each block, and a test for each recipe", () => {
    assert.equal(page.match(/^```\w/gm).length, blocks.size);
    const folders = new Set([...blocks.keys()].map((file) => file.split("/")[0]));
    assert.deepEqual([...folders].sort(), ["schema.sh", "fetch.js", "codegen", ...recipes].sort());
  });

  it("installs the npm packages that are locked here, at the same versions", () => {
    const installed = {};
    for (const file of [...blocks.keys()].filter((file) => file.endsWith("install.sh"))) {
      for (const line of commands(file).filter((line) => line.startsWith("npm install"))) {
        for (const [, pkg, version] of line.matchAll(/ (@?[^\s@]+)@(\S+)/g)) installed[pkg] = version;
      }
    }
    assert.deepEqual(installed, JSON.parse(readFileSync(join(here, "package.json"), "utf8")).dependencies);
  });

  it("tests lists of at least four pages", () => {
    assert.ok(all.length > 60, `${all.length} users`);
    assert.equal(new Set(all).size, all.length);
  });

  it("derives from the schema file what introspection returns, without the federation's types", async () => {
    const { data } = await query(demo.url, getIntrospectionQuery({ specifiedByUrl: true }));
    const federation = /^(_Any|_Entity|_Service|Entity|FieldSet|federation__\w+|link__\w+)$/;
    data.__schema.types = data.__schema.types.filter((type) => !federation.test(type.name));
    data.__schema.directives = data.__schema.directives.filter((d) => ["include", "skip", "deprecated", "specifiedBy"].includes(d.name));
    const queries = data.__schema.types.find((type) => type.name === "Query");
    queries.fields = queries.fields.filter((field) => !field.name.startsWith("_"));
    const print = (schema) => printSchema(lexicographicSortSchema(schema));
    assert.equal(print(buildSchema(readFileSync(join(built, "schema.graphql"), "utf8"))), print(buildClientSchema(data)));
  });

  for (const name of recipes) {
    const programs = ["run.sh", "previous.sh"].filter((file) => blocks.has(`${name}/${file}`));
    for (const program of programs) describe(`the recipe for ${name}, ${program}`, () => {
      let folder, proxy;
      after(() => proxy?.close());
      before(async () => {
        folder = join(built, name);
        proxy = await startProxy(demo.url);
        if (program !== "run.sh") return; // the packages are installed
        const install = blocks.get(`${name}/install.sh`);
        if (!install) return;
        // The lock file holds the versions of what the packages themselves require.
        if (/npm install/.test(install)) cpSync(join(here, "package-lock.json"), join(folder, "package-lock.json"));
        const { code, lines, stderr } = await sh(install, folder);
        assert.equal(code, 0, [...lines, stderr].join("\n"));
      });

      /** Runs the recipe's program against a service, as its last command does. */
      const run = (url, key = "") => sh(commands(`${name}/${program}`).at(-1), folder, { ROLLCALL_URL: url, XI_API_KEY: key });

      /** Checks that the program has failed, and printed a reason that begins with a code if there is one. */
      function failed({ code, lines, stderr }, expected) {
        assert.equal(code, 1, `${lines.length} users and ${stderr}`);
        assert.ok(lines.length < all.length);
        assert.deepEqual(lines, all.slice(0, lines.length));
        // The last line; before it are warnings of libraries, and after it is one of go run.
        const reason = stderr.trim().replace(/\nexit status 1$/, "").split("\n").at(-1);
        assert.ok(reason.length > 10 && reason.length < 200, reason);
        assert.doesNotMatch(reason, /undefined|null|panic|Cannot read|<h1>/);
        if (expected) assert.ok(reason.startsWith(`${expected}: `), reason);
      }

      it("prints each user once and in order, without a key", async () => {
        // XI_API_KEY is not set, and the commands before the last one run too.
        const { code, lines, stderr } = await sh(blocks.get(`${name}/${program}`), folder, { ROLLCALL_URL: demo.url });
        assert.equal(code, 0, stderr);
        assert.deepEqual(lines.slice(-all.length), all);
      });
      it("sends a key", async () => {
        const users = await list(withKeys, "right-key");
        assert.ok(users.length > 0);
        assert.deepEqual(await run(withKeys.url, "right-key"), { code: 0, lines: users, stderr: "" });
      });
      it("reports the code of a refused request", async () => failed(await run(withKeys.url), "UNAUTHENTICATED"));
      it("reports the code of a failed field", async () => failed(await run(withKeys.url, "wrong-key"), "UNAUTHENTICATED"));
      it("reports that it cannot connect", async () => failed(await run("http://127.0.0.1:1/graphql")));
      for (const [what, fault] of Object.entries(faults)) {
        for (const number of [1, 3]) {
          it(`fails if response ${number} is ${what}`, async () => {
            proxy.spoil(fault, number);
            failed(await run(proxy.url), fault.code);
            assert.equal(proxy.requests, number);
          });
        }
      }
    });
  }

  // The settings of the caches for what the recipes do not query.

  /** A module of a recipe that connects to the demo. */
  function load(file) {
    process.env.ROLLCALL_URL = demo.url;
    return import(pathToFileURL(join(built, file)));
  }
  const agentPage = `query ($id: ID!, $after: String) {
    node(id: $id) { ... on Agent { id users(first: 3, after: $after) { edges { cursor node { id userId } } pageInfo { hasNextPage endCursor } } } }
  }`;
  const reads = {
    apollo: async ({ client }, variables) => (await client.query({ query: gql(agentPage), variables, fetchPolicy: "network-only" })).data,
    urql: async ({ client }, variables) => (await client.query(agentPage, variables)).data,
  };
  for (const [name, read] of Object.entries(reads)) {
    it(`merges an agent's pages in the cache of ${name}`, async () => {
      const { data } = await query(demo.url, "{ users(first: 1) { nodes { lastContactAgent { id users(first: 6) { nodes { userId } } } } } }");
      const { id, users } = data.users.nodes[0].lastContactAgent;
      const module = await load(`${name}/client.js`);
      const first = await read(module, { id });
      assert.equal(first.node.users.edges.length, 3);
      await read(module, { id, after: first.node.users.pageInfo.endCursor });
      const merged = name === "apollo" ? module.client.readQuery({ query: gql(agentPage), variables: { id } }) : await read(module, { id });
      assert.deepEqual(merged.node.users.edges.map((edge) => edge.node.userId), users.nodes.map((user) => user.userId));
    });
  }

  it("names the keys of all types for urql", async (t) => {
    const { client } = await load("urql/client.js");
    const warn = t.mock.method(console, "warn", () => {});
    const { data } = await client.query(
      `{ users(first: 100) { edges { node {
        id sentiment { overall { positiveCount } recent { positiveCount } }
        mostFrustratedConversations { startedAt conversation { conversationId } agent { id } } }
        activity { sentiment { overall { positiveCount } } } } pageInfo { endCursor } } }`,
      {},
    );
    assert.ok(data.users.edges.some(({ node }) => node.sentiment && node.mostFrustratedConversations?.length));
    assert.deepEqual(warn.mock.calls.map((call) => call.arguments[0]), []);
  });

  it("keeps a conversation under its own key in the cache of apollo", async () => {
    const { client } = await load("apollo/client.js");
    const lists = "{ users(first: 1) { edges { cursor node { id lastContactConversation { conversationId } } } pageInfo { hasNextPage endCursor } } }";
    const { data } = await client.query({ query: gql(lists) });
    const key = client.cache.identify(data.users.edges[0].node.lastContactConversation);
    assert.match(key, /^Conversation:.*conv_/);
    assert.ok(client.cache.extract()[key]);
  });

  it("compiles a refetchable fragment on Agent for relay", async () => {
    writeFileSync(
      join(built, "relay/src/agent.js"),
      `graphql\`fragment agent_users on Agent @refetchable(queryName: "agentUsersQuery") @argumentDefinitions(first: { type: "Int", defaultValue: 3 }, after: { type: "String" }) {
        users(first: $first, after: $after) @connection(key: "agent_users") { edges { node { userId } } }
      }\``,
    );
    const { code, lines, stderr } = await sh("npx relay-compiler", join(built, "relay"));
    assert.equal(code, 0, [...lines, stderr].join("\n"));
    const generated = readFileSync(join(built, "relay/src/__generated__/agentUsersQuery.graphql.js"), "utf8");
    assert.match(generated, /node\(id: \$id\)|"name": "node"/);
  });
});
