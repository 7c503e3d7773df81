// The service behind four engines, beside an accounts and an agents service. The requests at each hop are counted.

import assert from "node:assert/strict";
import { after, before, beforeEach, describe, it } from "node:test";
import * as accounts from "../../examples/federation/accounts.mjs";
import * as agents from "../../examples/federation/agents.mjs";
import { compose } from "../../examples/federation/compose.mjs";
import * as hive from "../../examples/federation/gateway.mjs";
import { query, startEmulator, startService } from "../processes.mjs";
import * as apollo from "./apollo.mjs";
import * as grafbase from "./grafbase.mjs";
import { hop } from "./hop.mjs";

const users = 450;
const agentIds = Object.keys(agents.names);
const email = (userId) => (/^\w+$/.test(userId) ? `${userId}@example.com` : null);
const globalId = (type, id) => Buffer.from(`${type}:${id}`).toString("base64url");

/**
 * The engines. start takes the subgraphs' URLs by name and the headers to forward. All scenarios are the same for all
 * engines, except for these differences:
 * - transcripts: whether it requests agents and conversations from one service separately, and not in one request;
 * - batches: whether it requests users and agents from one service in one request;
 * - hides401: the code that replaces the service's if the status is 401: this engine does not read the body then;
 * - omitsData: whether a response has no data, instead of null fields, if the only request of it failed with 401.
 */
const engines = {
  "@apollo/gateway": { start: (urls, forward) => apollo.start(compose(urls), 0, forward), transcripts: true },
  "@graphql-hive/gateway": { start: (urls, forward) => hive.start(compose(urls), 0, forward, {}) },
  "@graphql-hive/gateway with @graphql-hive/router-runtime": { start: (urls, forward) => hive.start(compose(urls), 0, forward), batches: true, omitsData: true },
  "@grafbase/cli": { start: grafbase.start, transcripts: true, hides401: "SUBGRAPH_REQUEST_ERROR" },
};

for (const [name, { start, ...differs }] of Object.entries(engines)) {
  describe(`behind ${name}`, () => {
    let service, gateway, hops, people;
    const running = [];
    const run = async (part) => {
      running.push(await part);
      return running.at(-1);
    };

    before(async () => {
      const emulator = await startEmulator("-users", String(users));
      running.push({ close: emulator.stop });
      const upstream = await run(hop(emulator.url));
      service = await startService({ UPSTREAM_URL: upstream.url, ELEVENLABS_API_KEY: "key", AUTH: "none" });
      running.push({ close: async () => assert.equal(await service.stop(), 0) });
      // All users, as the service itself lists them.
      people = [];
      for (let next = null; ; ) {
        const { data } = await query(service.url, "query($next: String) { users(first: 100, after: $next) { nodes { userId conversationCount lastContactAt } pageInfo { hasNextPage endCursor } } }", { next });
        people.push(...data.users.nodes);
        if (!data.users.pageInfo.hasNextPage) break;
        next = data.users.pageInfo.endCursor;
      }
      assert.equal(people.length, users);
      hops = {
        rollcall: await run(hop(service.url)),
        accounts: await run(hop((await run(accounts.start(0, [...people.slice(0, 4).map((u) => u.userId), "newcomer"]))).url)),
        agents: await run(hop((await run(agents.start())).url)),
        upstream,
      };
      const at = (hop) => `${hop.url}/graphql`;
      gateway = await run(start({ rollcall: at(hops.rollcall), accounts: at(hops.accounts), agents: at(hops.agents) }));
    });
    after(async () => {
      for (const part of running.reverse()) await part.close();
    });
    beforeEach(() => taken());

    const taken = () => Object.fromEntries(Object.entries(hops).map(([name, hop]) => [name, hop.take().length]));
    /** Queries the gateway, and checks the number of requests at each hop: those given, and none at the others. */
    async function ask(calls, text, variables) {
      const reply = await query(gateway.url, text, variables);
      assert.deepEqual(taken(), { rollcall: 0, accounts: 0, agents: 0, upstream: 0, ...calls });
      return reply;
    }
    /** The same, for a query without errors. */
    async function data(calls, text, variables) {
      const { data, errors } = await ask(calls, text, variables);
      assert.equal(errors, undefined, JSON.stringify(errors));
      return data;
    }
    /** Runs a test with accounts of these users. */
    async function withAccounts(userIds, test) {
      const { to } = hops.accounts;
      const others = await accounts.start(0, userIds);
      hops.accounts.to = others.url;
      try {
        await test();
      } finally {
        hops.accounts.to = to;
        await others.close();
      }
    }
    /** Runs a test while a hop is down. */
    async function without(hop, how, test) {
      hop.down = how;
      try {
        await test();
      } finally {
        hop.down = false;
      }
    }

    it("joins accounts to conversation counts, which are 0 for a user who never talked", async () => {
      const { accounts } = await data({ accounts: 1, rollcall: 1, upstream: 5 }, "query Accounts { accounts { user { userId email conversationCount lastContactAt } } }");
      const known = people.slice(0, 4).map((u) => ({ ...u, email: email(u.userId) }));
      const newcomer = { userId: "newcomer", email: "newcomer@example.com", conversationCount: 0, lastContactAt: null };
      assert.deepEqual(accounts.map((a) => a.user), [...known, newcomer]);
    });

    it("joins users to their e-mail addresses", async () => {
      const { users } = await data({ rollcall: 1, upstream: 1, accounts: 1 }, "query Latest { users(first: 50) { nodes { userId conversationCount email } } }");
      assert.deepEqual(users.nodes, people.slice(0, 50).map(({ userId, conversationCount }) => ({ userId, conversationCount, email: email(userId) })));
    });

    it("resolves the stubs of agents and conversations", async () => {
      const { users } = await data(
        { rollcall: 1, upstream: 1, agents: differs.transcripts ? 2 : 1 },
        "{ users(first: 20) { nodes { lastContactAgent { agentId name } lastContactConversation { conversationId transcriptUrl } } } }",
      );
      for (const { lastContactAgent, lastContactConversation: c } of users.nodes) {
        if (lastContactAgent) assert.equal(lastContactAgent.name, agents.names[lastContactAgent.agentId] ?? null);
        assert.equal(c.transcriptUrl, `https://transcripts.example.com/${c.conversationId}`);
      }
      assert.ok(users.nodes.some((u) => u.lastContactAgent?.name));
    });

    it("joins agents to pages of their users, and these to e-mail addresses", async () => {
      const page = "users(first: 3, after: $after) { edges { cursor node { userId email } } pageInfo { hasNextPage } }";
      const first = await data({ agents: 1, rollcall: 1, upstream: 2, accounts: 1 }, `query($after: String) { agents { name ${page} } }`);
      assert.deepEqual(first.agents.map((a) => a.name), Object.values(agents.names));
      // The same lists by Query.users, with the same cursors.
      const direct = async (agent, after) => {
        const { data } = await query(
          service.url,
          "query($agent: ID!, $after: String) { users(first: 3, after: $after, filter: { agentId: $agent }) { edges { cursor node { userId } } } }",
          { agent, after },
        );
        taken();
        return data.users.edges.map((e) => ({ cursor: e.cursor, node: { userId: e.node.userId, email: email(e.node.userId) } }));
      };
      for (const i of [0, 1]) assert.deepEqual(first.agents[i].users.edges, await direct(agentIds[i]));

      // The second edge's cursor continues the first agent's list, and is invalid for the second agent's.
      const { cursor } = first.agents[0].users.edges[1];
      const second = await ask({ agents: 1, rollcall: 1, upstream: 1, accounts: 1 }, `query($after: String) { agents { name ${page} } }`, { after: cursor });
      assert.deepEqual(second.data.agents[0].users.edges, await direct(agentIds[0], cursor));
      assert.deepEqual(second.data.agents[0].users.edges[0].node, first.agents[0].users.edges[2].node);
      assert.deepEqual(second.data.agents[1], { name: agents.names[agentIds[1]], users: null });
      assert.deepEqual(second.errors.map((e) => e.extensions.code), ["BAD_USER_INPUT"]);
    });

    it("pages through all users with one request per service and page", async () => {
      const seen = [];
      let next = null;
      for (let pages = 1; ; pages++) {
        const { users: page } = await data(
          { rollcall: 1, upstream: 1, accounts: 1 },
          "query Page($first: Int!, $next: String) { users(first: $first, after: $next) { edges { cursor node { userId email } } pageInfo { hasNextPage endCursor } } }",
          { first: 45, next },
        );
        // Continues after the last edge, and every second time after an earlier edge.
        const edges = page.pageInfo.hasNextPage && pages % 2 === 0 ? page.edges.slice(0, 30) : page.edges;
        seen.push(...edges.map((e) => e.node));
        if (!page.pageInfo.hasNextPage) break;
        next = edges.at(-1).cursor;
      }
      assert.deepEqual(seen, people.map(({ userId }) => ({ userId, email: email(userId) })));
    });

    it("resolves Query.node to a user with all services' fields", async () => {
      const [{ userId, conversationCount }] = people;
      const { node } = await data({ rollcall: 1, upstream: 1, accounts: 1 }, "query($id: ID!) { node(id: $id) { id ... on User { userId conversationCount email } } }", { id: globalId("User", userId) });
      assert.deepEqual(node, { id: globalId("User", userId), userId, conversationCount, email: email(userId) });
    });

    it("makes no upstream call for fields that the key determines", async () => {
      const { accounts } = await data({ accounts: 1, rollcall: 1 }, "{ accounts { user { id } } }");
      assert.equal(accounts[4].user.id, globalId("User", "newcomer"));
    });

    it("looks up a hundred users in one request, with one upstream call for each different user", async () => {
      const ids = people.slice(0, 100).map((u) => u.userId);
      const query = "{ accounts { user { userId conversationCount } } }";
      await withAccounts(ids, async () => {
        const { accounts } = await data({ accounts: 1, rollcall: 1, upstream: 100 }, query);
        assert.deepEqual(accounts.map((a) => a.user), people.slice(0, 100).map(({ userId, conversationCount }) => ({ userId, conversationCount })));
      });
      await withAccounts(ids.map((_, i) => ids[i % 4]), async () => {
        const { accounts } = await data({ accounts: 1, rollcall: 1, upstream: 4 }, query);
        assert.deepEqual(accounts.map((a) => a.user.conversationCount), ids.map((_, i) => people[i % 4].conversationCount));
      });
    });

    it("reports a user's failure at that user's position", async () => {
      await withAccounts([people[0].userId, "", people[1].userId], async () => {
        const { data, errors } = await ask({ accounts: 1, rollcall: 1, upstream: 2 }, "{ accounts { plan user { conversationCount } } }");
        assert.deepEqual(data.accounts.map((a) => [a.plan, a.user.conversationCount]), [["solo", people[0].conversationCount], ["team", null], ["solo", people[1].conversationCount]]);
        assert.deepEqual(errors.map((e) => e.extensions.code), ["BAD_USER_INPUT"]);
      });
    });

    it("returns conversations while the accounts service is down", () =>
      without(hops.accounts, true, async () => {
        const { data, errors } = await ask({ rollcall: 1, upstream: 1, accounts: 1 }, "{ users(first: 2) { nodes { userId conversationCount email } } }");
        assert.deepEqual(data.users.nodes, people.slice(0, 2).map(({ userId, conversationCount }) => ({ userId, conversationCount, email: null })));
        assert.ok(errors.length > 0);
      }));

    it("returns conversations while the agents service is down", () =>
      without(hops.agents, true, async () => {
        const { data, errors } = await ask({ rollcall: 1, upstream: 1, agents: 1 }, "{ users(first: 1) { nodes { conversationCount lastContactAgent { agentId name } } } }");
        const [{ conversationCount, lastContactAgent }] = data.users.nodes;
        assert.equal(conversationCount, people[0].conversationCount);
        assert.match(lastContactAgent.agentId, /^agent_/);
        assert.equal(lastContactAgent.name, null);
        assert.ok(errors.length > 0);
      }));

    it("returns accounts and agents while Rollcall is down", () =>
      without(hops.rollcall, true, async () => {
        const { data, errors } = await ask({ accounts: 1, agents: 1, rollcall: differs.batches ? 1 : 2 }, "{ accounts { user { email conversationCount } } agents { name users(first: 1) { nodes { userId } } } }");
        assert.deepEqual(data.accounts.map((a) => a.user.conversationCount), Array(5).fill(null));
        assert.equal(data.accounts[4].user.email, "newcomer@example.com");
        assert.deepEqual(data.agents, Object.values(agents.names).map((name) => ({ name, users: null })));
        assert.ok(errors.length > 0);
      }));

    it("forwards its callers' credentials, and returns the code if they are refused", async () => {
      const emulator = await startEmulator("-users", "50", "-keys", "one,another");
      const service = await startService({ UPSTREAM_URL: emulator.url, AUTH: "passthrough" });
      const gateway = await start({ rollcall: service.url, accounts: `${hops.accounts.url}/graphql`, agents: `${hops.agents.url}/graphql` }, ["xi-api-key"]);
      try {
        const page = "query($after: String) { users(first: 2, after: $after) { pageInfo { endCursor } nodes { email } } }";
        const one = await query(gateway.url, page, {}, { "xi-api-key": "one" });
        assert.equal(one.errors, undefined);
        assert.ok(one.data.users.nodes[0].email);
        const after = one.data.users.pageInfo.endCursor;
        assert.equal((await query(gateway.url, page, { after }, { "xi-api-key": "one" })).errors, undefined);
        for (const [refused, code] of [
          [await query(gateway.url, page), differs.hides401 ?? "UNAUTHENTICATED"], // with status 401
          [await query(gateway.url, page, {}, { "xi-api-key": "unknown" }), "UNAUTHENTICATED"],
          // A cursor belongs to one caller.
          [await query(gateway.url, page, { after }, { "xi-api-key": "another" }), "BAD_USER_INPUT"],
        ]) {
          assert.deepEqual(refused.errors.map((e) => e.extensions.code), [code]);
          if (differs.omitsData && refused.data === undefined) continue;
          assert.equal(refused.data.users, null);
        }
      } finally {
        await gateway.close();
        await service.stop();
        await emulator.stop();
      }
    });

    // Each look-up is tried twice. This is the last test, because it may open the breaker.
    it("returns accounts while the upstream is down, with an error for each user", () =>
      without(hops.upstream, 503, async () => {
        const { data, errors } = await ask({ accounts: 1, rollcall: 1, upstream: 10 }, "{ accounts { user { email conversationCount } } }");
        assert.deepEqual(data.accounts.map((a) => a.user.conversationCount), Array(5).fill(null));
        assert.equal(data.accounts[4].user.email, "newcomer@example.com");
        assert.equal(errors.length, 5);
        for (const e of errors) {
          assert.equal(e.extensions.code, "UPSTREAM_UNAVAILABLE");
          assert.ok(e.extensions.requestId);
        }
      }));
  });
}
