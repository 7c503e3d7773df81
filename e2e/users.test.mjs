// Compares the service in front of the emulator with what the vendor's SDK reads
// from the same emulator.

import assert from "node:assert/strict";
import { after, before, describe, it } from "node:test";
import { ElevenLabsClient } from "@elevenlabs/elevenlabs-js";
import { query, startEmulator, startService } from "./processes.mjs";

const everything = `
  userId conversationCount firstContactAt lastContactAt lastContactAgentName
  lastContactAgent { agentId }
  lastContactConversation { conversationId }
  sentiment { overall { ...s } recent { ...s } }
  mostFrustratedConversations { conversation { conversationId } agent { agentId } startedAt label sentimentScore frustrationScore }`;
const summary = `fragment s on SentimentSummary {
  scoredConversationCount positiveCount neutralCount negativeCount averageSentimentScore averageFrustrationScore }`;

const instant = (seconds) => new Date(seconds * 1000).toISOString().replace(".000Z", "Z");
const part = (s, prefix) => {
  const get = (name) => s[prefix ? prefix + name[0].toUpperCase() + name.slice(1) : name];
  return {
    scoredConversationCount: get("scoredConversationCount"),
    positiveCount: get("positiveCount"),
    neutralCount: get("neutralCount"),
    negativeCount: get("negativeCount"),
    averageSentimentScore: get("averageSentimentScore") ?? null,
    averageFrustrationScore: get("averageFrustrationScore") ?? null,
  };
};

/** The GraphQL form of a user of the SDK. */
const expected = (u) => ({
  userId: u.userId,
  conversationCount: u.conversationCount,
  firstContactAt: instant(u.firstContactUnixSecs),
  lastContactAt: instant(u.lastContactUnixSecs),
  lastContactAgentName: u.lastContactAgentName ?? null,
  lastContactAgent: u.lastContactAgentId ? { agentId: u.lastContactAgentId } : null,
  lastContactConversation: { conversationId: u.lastContactConversationId },
  sentiment: { overall: part(u.sentiment), recent: part(u.sentiment, "recent") },
  mostFrustratedConversations: u.mostFrustratedConversations?.map((c) => ({
    conversation: { conversationId: c.conversationId },
    agent: { agentId: c.agentId },
    startedAt: instant(c.startTimeUnixSecs),
    label: c.overallLabel.toUpperCase(),
    sentimentScore: c.overallSentimentScore,
    frustrationScore: c.overallFrustrationScore,
  })) ?? null,
});

describe("users, over the emulator", () => {
  let emulator, service, sdk;
  before(async () => {
    emulator = await startEmulator("-users", "700", "-keys", "key,other-key");
    service = await startService({ UPSTREAM_URL: emulator.url, ELEVENLABS_API_KEY: "key", AUTH: "none" });
    sdk = new ElevenLabsClient({ baseUrl: emulator.url, apiKey: "key" }).conversationalAi.users;
  });
  after(async () => {
    assert.equal(await service.stop(), 0);
    await emulator.stop();
  });

  async function all(request) {
    const users = [];
    let page = {};
    do {
      page = await sdk.list({ pageSize: 100, ...request, cursor: page.nextCursor ?? undefined });
      users.push(...page.users);
    } while (page.hasMore);
    return users;
  }

  async function walk(args, sizes) {
    const users = [];
    let after = null;
    for (let i = 0; ; i++) {
      const { data, errors } = await query(
        service.url,
        `query($first: Int, $after: String, $filter: ConversationUserFilter, $sortBy: ConversationUserSort, $sortDirection: SortDirection) {
          users(first: $first, after: $after, filter: $filter, sortBy: $sortBy, sortDirection: $sortDirection) {
            edges { cursor node { ${everything} } } pageInfo { hasNextPage hasPreviousPage startCursor endCursor } } } ${summary}`,
        { ...args, after, first: sizes[i % sizes.length] },
      );
      assert.equal(errors, undefined);
      const { edges, pageInfo } = data.users;
      assert.equal(pageInfo.hasPreviousPage, after !== null);
      assert.equal(pageInfo.startCursor, edges[0]?.cursor ?? null);
      assert.equal(pageInfo.endCursor, edges.at(-1)?.cursor ?? null);
      if (!pageInfo.hasNextPage) return users.concat(edges.map((e) => e.node));
      // Resumes in the middle of every second page.
      const edge = i % 2 ? edges.length - 1 : edges.length >> 1;
      users.push(...edges.slice(0, edge + 1).map((e) => e.node));
      after = edges[edge].cursor;
    }
  }

  const lists = {
    "all users": [{}, {}],
    "all users, the latest contact last": [{ sortDirection: "ASC" }, { sortDirection: "asc" }],
    "by conversation count": [{ sortBy: "CONVERSATION_COUNT" }, { sortBy: "conversation_count" }],
    "by sentiment, the best first": [{ sortBy: "AVERAGE_SENTIMENT_SCORE" }, { sortBy: "average_sentiment_score" }],
    "by sentiment, the worst first": [
      { sortBy: "AVERAGE_SENTIMENT_SCORE", sortDirection: "ASC" },
      { sortBy: "average_sentiment_score", sortDirection: "asc" },
    ],
    "the users of a quarter": [
      { filter: { callStartedAfter: "2026-07-01T00:00:00Z", callStartedBefore: "2026-09-30T23:59:59Z" } },
      { callStartAfterUnix: Date.UTC(2026, 6, 1) / 1000, callStartBeforeUnix: Date.UTC(2026, 9, 1) / 1000 - 1 },
    ],
  };
  for (const [name, [args, request]] of Object.entries(lists)) {
    it(`lists ${name}, with every field of every user`, async () => {
      const want = (await all(request)).map(expected);
      assert.ok(want.length > 100);
      assert.deepEqual(await walk(args, [30, 1, 100, 7, 250]), want);
    });
  }

  it("lists the users of each agent", async () => {
    const agents = new Set((await all({})).map((u) => u.lastContactAgentId).filter(Boolean));
    assert.ok(agents.size > 5);
    for (const agentId of agents) {
      const want = (await all({ agentId })).map(expected);
      assert.deepEqual(await walk({ filter: { agentId } }, [100]), want);
    }
  });

  it("looks up every user by ID and by global ID, with any characters", async () => {
    for (const { userId } of await all({})) {
      const { data } = await query(service.url, "query($id: ID!) { user(userId: $id) { id userId } }", { id: userId });
      assert.equal(data.user.userId, userId);
      const again = await query(service.url, "query($id: ID!) { node(id: $id) { ... on User { userId } } }", { id: data.user.id });
      assert.equal(again.data.node.userId, userId);
    }
  });

  it("returns a code that distinguishes whose fault an error is", async () => {
    const code = async (url, text, headers) => (await query(url, text, {}, headers)).errors[0].extensions.code;
    const list = "{ users { nodes { userId } } }";
    assert.equal(await code(service.url, '{ users(filter: {agentId: "agent_nobody"}) { nodes { userId } } }'), "NOT_FOUND");
    assert.equal(await code(service.url, "{ users(first: 1000) { nodes { userId } } }"), "BAD_USER_INPUT");

    const wrongKey = await startService({ UPSTREAM_URL: emulator.url, ELEVENLABS_API_KEY: "wrong-key", AUTH: "none" });
    assert.equal(await code(wrongKey.url, list), "UPSTREAM_CREDENTIALS");
    await wrongKey.stop();

    const passthrough = await startService({ UPSTREAM_URL: emulator.url, AUTH: "passthrough" });
    assert.equal(await code(passthrough.url, list), "UNAUTHENTICATED");
    assert.equal(await code(passthrough.url, list, { "xi-api-key": "wrong-key" }), "UNAUTHENTICATED");
    const { data } = await query(passthrough.url, "{ users { pageInfo { endCursor } } }", {}, { "xi-api-key": "key" });
    const next = `{ users(after: "${data.users.pageInfo.endCursor}") { nodes { userId } } }`;
    assert.equal((await query(passthrough.url, next, {}, { "xi-api-key": "key" })).data.users.nodes.length, 30);
    assert.equal(await code(passthrough.url, next, { "xi-api-key": "other-key" }), "BAD_USER_INPUT");
    await passthrough.stop();
    for (const s of [service, wrongKey, passthrough]) assert.doesNotMatch(s.output(), /wrong-key|other-key/);
  });

  it("accepts another replica's cursors", async () => {
    const replica = await startService({ UPSTREAM_URL: emulator.url, ELEVENLABS_API_KEY: "key", AUTH: "none" });
    const { data } = await query(service.url, "{ users(first: 9) { edges { cursor } } }");
    for (const { cursor } of data.users.edges) {
      const next = [service, replica].map((s) => query(s.url, `{ users(first: 2, after: "${cursor}") { edges { cursor node { userId } } } }`));
      const [own, other] = await Promise.all(next);
      assert.equal(own.data.users.edges.length, 2);
      assert.deepEqual(other, own);
    }
    await replica.stop();
  });
});
