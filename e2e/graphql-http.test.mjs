// The audits of the GraphQL-over-HTTP specification's reference implementation.

import assert from "node:assert/strict";
import { after, before, describe, it } from "node:test";
import { serverAudits } from "graphql-http";
import { startService } from "./processes.mjs";

describe("GraphQL over HTTP", () => {
  let service;
  before(async () => (service = await startService()));
  after(() => service.stop());

  const audits = serverAudits({ url: () => service.url, fetchFn: fetch });
  it("is audited 61 times", () => assert.equal(audits.length, 61));
  for (const audit of audits) {
    it(`${audit.id} ${audit.name}`, async () => {
      const result = await audit.fn();
      assert.equal(result.status, "ok", result.reason);
    });
  }
});
