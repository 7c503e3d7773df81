// Composes the service's schema file with common composers, without an error, a warning or a hint.

import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, describe, it } from "node:test";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { composeServices as guild } from "@theguild/federation-composition";
import { parse } from "graphql";
import { apollo, schemas } from "../../examples/federation/compose.mjs";
import { query, startService } from "../processes.mjs";

const parts = Object.entries(schemas).map(([name, file]) => ({ name, url: `http://${name}.example.com/graphql`, text: readFileSync(file, "utf8") }));
const [rollcall] = parts;

const composers = {
  "@apollo/composition": apollo,
  // The composer of Hive's registry.
  "@theguild/federation-composition": (parts) => guild(parts.map(({ text, ...part }) => ({ ...part, typeDefs: parse(text) }))),
};

for (const [name, compose] of Object.entries(composers)) {
  describe(name, () => {
    it("composes the graph without an error or a hint", () => {
      for (const graph of [[rollcall], parts]) {
        const { errors, hints, supergraphSdl } = compose(graph);
        assert.deepEqual([errors ?? [], hints ?? []], [[], []]);
        assert.match(supergraphSdl, /type User\b[^{]*@join__type\(graph: ROLLCALL, key: "userId"\)/);
      }
    });

    const codes = (text, ours = rollcall.text) => (compose([{ ...rollcall, text: ours }, { name: "other", url: "http://other.example.com/graphql", text: federation + text }]).errors ?? []).map((e) => e.extensions.code);
    const federation = 'extend schema @link(url: "https://specs.apollo.dev/federation/v2.7", import: ["@key", "@shareable"]) ';
    it("accepts userId as a key, and not id", () => {
      assert.deepEqual(codes('type Query { me: User } type User @key(fields: "userId") { userId: ID! email: String }'), []);
      assert.deepEqual(codes('type Query { me: User } type User @key(fields: "id") { id: ID! email: String }'), ["INVALID_FIELD_SHARING"]);
    });
    it("accepts only one service with Query.node", () => {
      const other = "interface Node { id: ID! } type Book implements Node { id: ID! } type Query ";
      assert.deepEqual(codes(`${other} { books: [Book] }`), []);
      const second = `${other} { node(id: ID!): Node }`;
      assert.deepEqual(codes(second), ["INVALID_FIELD_SHARING"]);
      // It composes if one service omits the fields.
      const without = rollcall.text.replace(/ +"[^"]*"\n +node\([^)]*\): Node\n/, "").replace(/ +"""\n(?:(?!""")[^])*"""\n +nodes\([^)]*\): \[Node\]!\n/, "");
      assert.equal(without.split("\n").length, rollcall.text.split("\n").length - 13);
      assert.doesNotMatch(without, /\bnodes?\(/);
      assert.deepEqual(codes(second, without), []);
    });
    it("accepts PageInfo of another service", () => {
      const other = "type Query { pages: PageInfo } type PageInfo @shareable { hasNextPage: Boolean! hasPreviousPage: Boolean! startCursor: String endCursor: String }";
      assert.deepEqual(codes(other), []);
    });
  });
}

describe("wgc", () => {
  const folder = mkdtempSync(join(tmpdir(), "rollcall-wgc-"));
  after(() => rmSync(folder, { recursive: true }));

  it("composes the graph without an error or a warning", async () => {
    const out = join(folder, "router.json");
    const input = fileURLToPath(new URL("../../examples/federation/wgc.yaml", import.meta.url));
    const { stdout, stderr } = await promisify(execFile)("node_modules/.bin/wgc", ["router", "compose", "--input", input, "--out", out], {
      cwd: fileURLToPath(new URL(".", import.meta.url)),
      env: { PATH: process.env.PATH, DISABLE_UPDATE_CHECK: "true", COSMO_TELEMETRY_DISABLED: "true" }, // no connection to its vendor
    });
    assert.deepEqual([stdout.trim(), stderr.trim()], [`Router config successfully written to ${out}`, ""]);
    const { subgraphs, engineConfig } = JSON.parse(readFileSync(out, "utf8"));
    assert.deepEqual(subgraphs.map((s) => s.name), Object.keys(schemas));
    // The router joins by these keys.
    const [ours] = engineConfig.datasourceConfigurations;
    assert.deepEqual(ours.keys.map((k) => `${k.typeName} ${k.selectionSet}`).sort(), ["Agent agentId", "Conversation conversationId", "User userId"]);
  });
});

describe("the schema file", () => {
  it("is what _service { sdl } returns with introspection on", async () => {
    const service = await startService();
    try {
      const { data } = await query(service.url, "query SubgraphIntrospectQuery { _service { sdl } }");
      assert.equal(data._service.sdl, rollcall.text);
    } finally {
      await service.stop();
    }
  });
  it("is the only source with introspection off", async () => {
    const service = await startService({ INTROSPECTION: "off" });
    try {
      const { data, errors } = await query(service.url, "{ _service { sdl } }");
      assert.equal(data, undefined);
      assert.match(errors[0].message, /^Introspection is off/);
    } finally {
      await service.stop();
    }
  });
});
