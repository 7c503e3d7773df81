// Runs the recipes of docs/clients.md, as they stand there, against the demo
// and against a service that wants keys.

import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { cpSync, mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { after, before, describe, it } from "node:test";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { transformFileSync } from "@babel/core";
import { buildClientSchema, buildSchema, getIntrospectionQuery, lexicographicSortSchema, printSchema } from "graphql";
import { query, root, startEmulator, startService } from "../processes.mjs";

const here = dirname(fileURLToPath(import.meta.url));
const built = mkdtempSync(join(here, "built-")); // beside node_modules, for imports
const since = "2026-10-31T12:00:00Z";
const run = (file, args, options) => promisify(execFile)(file, args, { timeout: 60_000, ...options });

/** The blocks of the page by the file that each says it is. */
const page = readFileSync(join(root, "docs/clients.md"), "utf8");
const blocks = new Map([...page.matchAll(/^```\w+ file=(\S+)\n(.*?)^```$/gms)].map(([, file, text]) => [file, text]));

/** Runs a script of the page and returns its output's lines. */
async function script(file, args = [], env = {}, cwd = join(built, dirname(file))) {
  const { stdout } = await run("bash", ["-eu", join(built, file), ...args], { cwd, env: { ...process.env, ...env } });
  return stdout.split("\n").slice(0, -1);
}

describe("the clients' recipes", () => {
  let demo, emulator, withKeys, everybody;
  before(async () => {
    for (const [file, text] of blocks) {
      mkdirSync(dirname(join(built, file)), { recursive: true });
      writeFileSync(join(built, file), text);
    }
    // The first recipe is written for the project's folder, and others read what it makes.
    symlinkSync(join(root, "graph"), join(built, "graph"));
    await script("schema.sh");

    demo = await startService();
    emulator = await startEmulator("-users", "300", "-keys", "right-key");
    withKeys = await startService({ UPSTREAM_URL: emulator.url, AUTH: "passthrough", INTROSPECTION: "off" });
    everybody = await list(demo);
  });
  after(async () => {
    for (const program of [demo, withKeys, emulator]) await program?.stop();
    rmSync(built, { recursive: true, force: true });
  });

  /** Who has called since then, as one page. */
  async function list(service, key = "") {
    const text = "query ($since: DateTime!) { users(first: 500, filter: { callStartedAfter: $since }) { nodes { userId } pageInfo { hasNextPage } } }";
    const { data } = await query(service.url, text, { since }, { "xi-api-key": key });
    assert.equal(data.users.pageInfo.hasNextPage, false);
    return data.users.nodes.map((user) => user.userId);
  }

  it("are all of the page's blocks", () => {
    assert.equal(page.match(/^```\w/gm).length, blocks.size);
    assert.equal(blocks.size, 11);
  });

  it("page at least three times", () => {
    assert.ok(everybody.length > 60, `${everybody.length} users`);
    assert.equal(new Set(everybody).size, everybody.length);
  });

  it("make of the file what introspection says, but for federation", async () => {
    const { data } = await query(demo.url, getIntrospectionQuery({ specifiedByUrl: true }));
    const federation = /^(_Any|_Entity|_Service|Entity|FieldSet|federation__\w+|link__\w+)$/;
    data.__schema.types = data.__schema.types.filter((type) => !federation.test(type.name));
    data.__schema.directives = data.__schema.directives.filter((d) => ["include", "skip", "deprecated", "specifiedBy"].includes(d.name));
    const queries = data.__schema.types.find((type) => type.name === "Query");
    queries.fields = queries.fields.filter((field) => !field.name.startsWith("_"));
    const print = (schema) => printSchema(lexicographicSortSchema(schema));
    assert.equal(print(buildSchema(readFileSync(join(built, "schema.graphql"), "utf8"))), print(buildClientSchema(data)));
  });

  /** A client: who it finds behind a URL with a key, or the code of the error. */
  const clients = {
    curl: {
      prepare: async () => {},
      ask: programAsk((env) => script("curl.sh", [since], env)),
    },
    Relay: {
      async prepare() {
        // What the page says of agents, for the compiler to check.
        writeFileSync(
          join(built, "relay/agent.js"),
          `graphql\`fragment agent_users on Agent @refetchable(queryName: "agentUsersQuery") @argumentDefinitions(first: { type: "Int", defaultValue: 3 }, after: { type: "String" }) {
            users(first: $first, after: $after) @connection(key: "agent_users") { edges { node { userId } } }
          }\``,
        );
        await run(join(here, "node_modules/.bin/relay-compiler"), ["relay.config.json"], { cwd: join(built, "relay") });
        const { code } = transformFileSync(join(built, "relay/everybody.js"), { plugins: [["relay", { eagerEsModules: true }]], babelrc: false, configFile: false });
        // What a bundler does for an import without an extension.
        writeFileSync(join(built, "relay.js"), code.replace(/"\.\/__generated__\/(\w+\.graphql)"/g, '"./relay/__generated__/$1.js"'));
      },
      ask: moduleAsk("relay.js"),
    },
    "Apollo Client": { prepare: async () => {}, ask: moduleAsk("apollo.js") },
    urql: { prepare: async () => {}, ask: moduleAsk("urql.js") },
    genqlient: {
      async prepare() {
        for (const file of ["go.mod", "go.sum"]) cpSync(join(here, "go", file), join(built, "go", file));
        await script("go/generate.sh");
        // The page's versions are those that are pinned.
        const { stdout } = await run("go", ["list", "-m", "github.com/Khan/genqlient", "golang.org/x/tools"], { cwd: join(built, "go") });
        for (const line of stdout.trim().split("\n")) assert.ok(blocks.get("go/get.sh").includes(line.replace(" ", "@")), line);
        await run("go", ["vet", "."], { cwd: join(built, "go") });
        await run("go", ["build", "-o", "client", "."], { cwd: join(built, "go") });
      },
      ask: programAsk(async (env) => {
        const { stdout } = await run(join(built, "go/client"), [since], { env });
        return stdout.split("\n").slice(0, -1);
      }),
    },
  };

  /** For a program that writes users to its output, and a code to its errors. */
  function programAsk(start) {
    return async (url, key) => {
      try {
        return { users: await start({ ROLLCALL_URL: url, XI_API_KEY: key }) };
      } catch ({ code, stderr }) {
        assert.equal(code, 1, stderr);
        return { code: stderr.trim() };
      }
    };
  }

  /** For a module, in a process of its own: it reads its settings once. */
  function moduleAsk(file) {
    const asked = `
      const { everybodySince, codeOf } = await import(${JSON.stringify(join(built, file))});
      const warnings = [];
      console.warn = console.error = (...args) => warnings.push(args.join(" "));
      const found = await everybodySince(${JSON.stringify(since)}).then((users) => ({ users }), (error) => ({ code: codeOf(error) }));
      console.log(JSON.stringify({ ...found, warnings }));`;
    return async (url, key) => {
      const { stdout } = await run(process.execPath, ["--input-type=module", "-e", asked], { env: { ...process.env, ROLLCALL_URL: url, XI_API_KEY: key } });
      const { users, code, warnings } = JSON.parse(stdout);
      assert.deepEqual(warnings, []);
      if (!users) return { code };
      // Everything that was asked for has come through the client's cache.
      for (const user of users) {
        assert.match(user.lastContactAt, /Z$/);
        assert.match(user.lastContactConversation.conversationId, /^conv_/);
      }
      return { users: users.map((user) => user.userId) };
    };
  }

  for (const [name, { prepare, ask }] of Object.entries(clients)) {
    describe(name, () => {
      before(prepare);
      it("finds everybody once and in order, page by page", async () => assert.deepEqual(await ask(demo.url, ""), { users: everybody }));
      it("sends a key", async () => {
        const users = await list(withKeys, "right-key");
        assert.ok(users.length > 0);
        assert.deepEqual(await ask(withKeys.url, "right-key"), { users });
      });
      it("reads the code of a request that was refused", async () => assert.deepEqual(await ask(withKeys.url, ""), { code: "UNAUTHENTICATED" }));
      it("reads the code of a field that failed", async () => assert.deepEqual(await ask(withKeys.url, "wrong-key"), { code: "UNAUTHENTICATED" }));
    });
  }

  // The caches' settings for what the recipes do not ask for.
  const pageOfAgent = `query ($id: ID!, $after: String) {
    node(id: $id) { ... on Agent { id users(first: 3, after: $after) { edges { cursor node { id userId } } pageInfo { hasNextPage endCursor } } } }
  }`;
  const walks = {
    "apollo.js": async ({ client }, { gql }, variables) => (await client.query({ query: gql(pageOfAgent), variables, fetchPolicy: "network-only" })).data,
    "urql.js": async ({ client }, { gql }, variables) => (await client.query(gql(pageOfAgent), variables)).data,
  };
  for (const [file, turn] of Object.entries(walks)) {
    it(`merge an agent's pages, with ${file}`, async () => {
      const { data } = await query(demo.url, "{ users(first: 1) { nodes { lastContactAgent { id users(first: 6) { nodes { userId } } } } } }");
      const { id, users } = data.users.nodes[0].lastContactAgent;
      process.env.ROLLCALL_URL = demo.url;
      const client = await import(join(built, file));
      const library = await import({ "apollo.js": "@apollo/client", "urql.js": "@urql/core" }[file]);
      const first = await turn(client, library, { id });
      assert.equal(first.node.users.edges.length, 3);
      await turn(client, library, { id, after: first.node.users.pageInfo.endCursor });
      const merged = file === "apollo.js" ? client.client.readQuery({ query: library.gql(pageOfAgent), variables: { id } }) : await turn(client, library, { id });
      assert.deepEqual(merged.node.users.edges.map((edge) => edge.node.userId), users.nodes.map((user) => user.userId));
    });
  }

  it("know the keys of all types, with urql.js", async (t) => {
    process.env.ROLLCALL_URL = demo.url;
    const { client } = await import(join(built, "urql.js"));
    const warn = t.mock.method(console, "warn", () => {});
    const { data } = await client.query(
      `{ users(first: 100) { edges { node {
        id sentiment { overall { positiveCount } recent { positiveCount } }
        mostFrustratedConversations { startedAt conversation { conversationId } agent { id } } } } pageInfo { endCursor } } }`,
      {},
    );
    assert.ok(data.users.edges.some(({ node }) => node.sentiment && node.mostFrustratedConversations?.length));
    assert.deepEqual(warn.mock.calls.map((call) => call.arguments[0]), []);
  });

  it("keep a conversation under its own key, with apollo.js", async () => {
    const { client, everybodySince } = await import(join(built, "apollo.js"));
    const [user] = await everybodySince(since);
    const key = client.cache.identify(user.lastContactConversation);
    assert.match(key, /^Conversation:.*conv_/);
    assert.ok(client.cache.extract()[key]);
  });
});
