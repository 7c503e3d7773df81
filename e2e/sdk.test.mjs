// Reads the emulator with the vendor's SDK.

import assert from "node:assert/strict";
import { after, before, describe, it } from "node:test";
import { ElevenLabsClient } from "@elevenlabs/elevenlabs-js";
import { startEmulator } from "./processes.mjs";

describe("the emulator, read by the official SDK", () => {
  let emulator, users;
  before(async () => {
    emulator = await startEmulator("-keys", "good-key", "-users", "500");
    users = client("good-key");
  });
  after(() => emulator.stop());

  const client = (apiKey) =>
    new ElevenLabsClient({ baseUrl: emulator.url, apiKey, maxRetries: 0 }).conversationalAi.users;

  async function walk(request = {}) {
    const all = [];
    let cursor;
    for (;;) {
      const page = await users.list({ ...request, cursor });
      all.push(...page.users);
      assert.ok(page.users.length <= (request.pageSize ?? 30));
      if (!page.hasMore) return all;
      assert.ok(page.nextCursor);
      cursor = page.nextCursor;
    }
  }

  for (const pageSize of [7, 30, 100]) {
    it(`returns every user once in pages of ${pageSize}`, async () => {
      const ids = (await walk({ pageSize })).map((u) => u.userId);
      assert.equal(ids.length, 500);
      assert.equal(new Set(ids).size, 500);
    });
  }

  it("serves 30 users if the request has no page size", async () => {
    assert.equal((await users.list()).users.length, 30);
  });

  const keys = {
    last_contact_unix_secs: (u) => u.lastContactUnixSecs,
    conversation_count: (u) => u.conversationCount,
    average_sentiment_score: (u) => u.sentiment.averageSentimentScore ?? -Infinity,
  };
  for (const [sortBy, key] of Object.entries(keys)) {
    it(`sorts by ${sortBy}, in both directions`, async () => {
      const down = await walk({ sortBy, pageSize: 100 });
      for (let i = 1; i < down.length; i++) assert.ok(key(down[i - 1]) >= key(down[i]));
      const up = await walk({ sortBy, sortDirection: "asc", pageSize: 100 });
      assert.deepEqual(up.map((u) => u.userId), down.map((u) => u.userId).reverse());
    });
  }

  it("filters by agent, branch and time", async () => {
    const [sample] = (await users.list({ pageSize: 1 })).users;
    const ofAgent = await walk({ agentId: sample.lastContactAgentId, pageSize: 100 });
    assert.ok(ofAgent.length > 0 && ofAgent.length < 500);
    assert.ok(ofAgent.every((u) => u.lastContactAgentId === sample.lastContactAgentId));

    const middle = sample.lastContactUnixSecs - 30 * 86400;
    const after = await walk({ callStartAfterUnix: middle, pageSize: 100 });
    assert.ok(after.length > 0 && after.every((u) => u.firstContactUnixSecs > middle));
    const before = await walk({ callStartBeforeUnix: middle, pageSize: 100 });
    assert.ok(before.length > 0 && before.every((u) => u.lastContactUnixSecs <= middle));

    assert.equal((await walk({ branchId: "no such branch" })).length, 0);
  });

  it("finds each user by the exact ID", async () => {
    for (const { userId } of await walk({ pageSize: 100 })) {
      const { users: found } = await users.list({ search: userId, pageSize: 1 });
      assert.deepEqual(found.map((u) => u.userId), [userId]);
    }
    assert.equal((await users.list({ search: "user" })).users.length, 0);
  });

  it("has sentiment and the most frustrated conversations", async () => {
    const all = await walk({ pageSize: 100 });
    const scored = all.filter((u) => u.sentiment.scoredConversationCount > 0);
    assert.ok(scored.length > 0);
    for (const { sentiment: s } of scored) {
      assert.equal(s.positiveCount + s.neutralCount + s.negativeCount, s.scoredConversationCount);
      assert.ok(s.recentScoredConversationCount <= s.scoredConversationCount);
    }
    assert.ok(all.some((u) => u.mostFrustratedConversations?.length > 0));
  });

  const fails = (request, status) => assert.rejects(request, (error) => {
    assert.equal(error.statusCode, status, error.message);
    return true;
  });
  it("refuses an invalid argument with 422", async () => {
    await fails(users.list({ pageSize: 0 }), 422);
    await fails(users.list({ pageSize: 101 }), 422);
    await fails(users.list({ pageSize: 1.5 }), 422);
  });
  it("refuses a cursor of another list", async () => {
    const { nextCursor } = await users.list({ pageSize: 3 });
    await fails(users.list({ cursor: nextCursor, sortBy: "conversation_count" }), 400);
    await fails(users.list({ cursor: "made-up" }), 400);
  });
  it("returns 404 for an unknown agent", () => fails(users.list({ agentId: "agent_nobody" }), 404));
  it("refuses a wrong key with 401 and a malformed one with 400", async () => {
    await fails(client("bad-key").list(), 401);
    await fails(client("bad key").list(), 400);
  });
});
