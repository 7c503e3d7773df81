// Two lists of the same users under different filters, on the screen at the same time, in one cache: Relay's store,
// Apollo Client's cache and Graphcache, set up as in docs/clients.md.

import assert from "node:assert/strict";
import { writeFileSync } from "node:fs";
import { createRequire } from "node:module";
import { join } from "node:path";
import { after, before, describe, it } from "node:test";
import { pathToFileURL } from "node:url";
import { gql } from "@apollo/client";
import { query, startService } from "../processes.mjs";
import { sh, writeWithPackages } from "./recipes.mjs";

const filters = [{}, { callStartedAfter: "2026-10-15T00:00:00Z" }];

let built; // the folder of the recipes

/** Two ways to read the number of conversations of a list's users. Only the first is right. */
const ways = {
  activity: { node: "id userId", activity: "activity { conversationCount }", count: (edge) => edge.activity.conversationCount },
  node: { node: "id userId conversationCount", activity: "", count: (edge) => edge.node.conversationCount },
};
/** The text of the query for a list, with a directive for Relay. */
const text = ({ node, activity }, name, directive = "") => `query ${name}($filter: ConversationUserFilter) {
  users(first: 100, filter: $filter, sortBy: CONVERSATION_COUNT) ${directive} { edges { cursor node { ${node} } ${activity} } pageInfo { hasNextPage endCursor } }
}`;
/** The numbers that a list shows, by user. */
const numbers = (way, data) => Object.fromEntries(data.users.edges.map((edge) => [edge.node.userId, ways[way].count(edge)]));

/** For each client a function that opens a list, and resolves to functions that return what it shows and that fetch it again. */
const clients = {
  async relay(way) {
    const require = createRequire(join(built, "relay/"));
    const { createOperationDescriptor, fetchQuery, getRequest } = require("relay-runtime");
    const { environment } = require("./lib/environment.js");
    const document = require("./lib/lists.js")[way];
    return async (filter) => {
      const operation = createOperationDescriptor(getRequest(document), { filter });
      environment.retain(operation);
      const fetch = () => fetchQuery(environment, document, { filter }, { fetchPolicy: "network-only" }).toPromise();
      await fetch();
      let snapshot = environment.lookup(operation.fragment);
      environment.subscribe(snapshot, (next) => (snapshot = next));
      return { shown: () => snapshot.data, fetch };
    };
  },
  async apollo(way) {
    const { client } = await import(`${pathToFileURL(join(built, "apollo/client.js"))}?${way}`);
    return async (filter) => {
      const list = client.watchQuery({ query: gql(text(ways[way], "List")), variables: { filter } });
      let data;
      await new Promise((resolve) => list.subscribe((result) => result.dataState === "complete" && resolve((data = result.data))));
      return { shown: () => data, fetch: () => list.refetch() };
    };
  },
  async urql(way) {
    const { client } = await import(`${pathToFileURL(join(built, "urql/client.js"))}?${way}`);
    return async (filter) => {
      const document = text(ways[way], "List");
      let data;
      await new Promise((resolve) => client.query(document, { filter }).subscribe((result) => resolve((data = result.data))));
      return { shown: () => data, fetch: () => client.query(document, { filter }, { requestPolicy: "network-only" }).toPromise() };
    };
  },
};

describe("two lists of the same users in one cache", () => {
  let demo, truth;
  before(async () => {
    built = await writeWithPackages();
    // Relay requires names that begin with the file's.
    const lists = Object.entries(ways).map(([name, way]) => `export const ${name} = graphql\`${text(way, `listsOf${name}Query`, `@connection(key: "${name}_users")`)}\`;\n`);
    writeFileSync(join(built, "relay/src/lists.js"), `import { graphql } from "relay-runtime";\n${lists.join("")}`);
    const { code, lines: output, stderr } = await sh("npx relay-compiler && npx babel src --out-dir lib", join(built, "relay"));
    assert.equal(code, 0, [...output, stderr].join("\n"));

    demo = await startService();
    process.env.ROLLCALL_URL = demo.url;
    const replies = await Promise.all(filters.map((filter) => query(demo.url, text(ways.activity, "List"), { filter })));
    truth = replies.map(({ data }) => numbers("activity", data));
  });
  after(() => demo?.stop());

  it("have at least twenty users in common, with different numbers", () => {
    const common = Object.keys(truth[0]).filter((user) => user in truth[1]);
    assert.ok(common.length >= 20, `${common.length} users`);
    assert.ok(common.filter((user) => truth[0][user] !== truth[1][user]).length >= 20);
  });

  for (const [name, connect] of Object.entries(clients)) {
    /** Opens both lists, and fetches the first one again. Resolves to the numbers that they show at each step. */
    async function show(way) {
      const open = await connect(way);
      const lists = [];
      for (const filter of filters) lists.push(await open(filter));
      const shown = async () => {
        await new Promise((resolve) => setTimeout(resolve, 100)); // a cache notifies its lists in a later task
        return lists.map((list) => numbers(way, list.shown()));
      };
      const opened = await shown();
      await lists[0].fetch();
      return [opened, await shown()];
    }
    it(`each show their own numbers with ${name}`, async () => assert.deepEqual(await show("activity"), [truth, truth]));
    it(`would show each other's numbers with ${name} if they read the user's fields`, async () => {
      // This shows that the test above can fail, and why activity is needed.
      const [before, after] = await show("node");
      assert.notDeepEqual(before[0], truth[0]);
      assert.deepEqual(before[1], truth[1]);
      assert.deepEqual(after[0], truth[0]);
      assert.notDeepEqual(after[1], truth[1]);
    });
  }
});
