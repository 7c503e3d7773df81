// Apollo's gateway in front of the service, with RemoteGraphQLDataSource({ apq: true }).

import assert from "node:assert/strict";
import { after, before, describe, it } from "node:test";
import * as accounts from "../../examples/federation/accounts.mjs";
import * as agents from "../../examples/federation/agents.mjs";
import { compose } from "../../examples/federation/compose.mjs";
import { query, startService } from "../processes.mjs";
import * as apollo from "./apollo.mjs";
import { hop } from "./hop.mjs";

const text = "query Page($first: Int!) { users(first: $first) { nodes { userId conversationCount } } }";

for (const AUTOMATIC_PERSISTED_QUERIES of ["on", "off"]) {
  describe(`Apollo's gateway with apq, and AUTOMATIC_PERSISTED_QUERIES=${AUTOMATIC_PERSISTED_QUERIES}`, () => {
    let service, rollcall, gateway;
    const running = [];
    before(async () => {
      service = await startService({ AUTOMATIC_PERSISTED_QUERIES });
      rollcall = await hop(service.url);
      const others = [await accounts.start(0, []), await agents.start()];
      gateway = await apollo.start(compose({ rollcall: `${rollcall.url}/graphql`, accounts: others[0].url, agents: others[1].url }), 0, [], true);
      running.push(gateway, ...others, rollcall);
    });
    after(async () => {
      for (const part of running) await part.close();
      await service.stop();
    });

    /** Queries the gateway. Resolves to its response, and what it sent of the document. */
    async function ask(first) {
      const reply = await query(gateway.url, text, { first });
      const parts = ({ query, extensions }) => [query && "text", extensions?.persistedQuery && "hash"].filter(Boolean).join("+");
      return { ...reply, sent: rollcall.take().map((body) => parts(JSON.parse(body))) };
    }

    if (AUTOMATIC_PERSISTED_QUERIES === "on") {
      it("sends the text once for each document", async () => {
        for (const [first, requests] of [[3, ["hash", "text+hash"]], [4, ["hash"]]]) {
          const { data, errors, sent } = await ask(first);
          assert.equal(errors, undefined, JSON.stringify(errors));
          assert.equal(data.users.nodes.length, first);
          assert.deepEqual(sent, requests);
        }
      });
    } else {
      // The gateway knows only PersistedQueryNotFound, so it needs the feature.
      it("reports that the service does not support it", async () => {
        const { data, errors, sent } = await ask(3);
        assert.equal(data.users, null);
        assert.deepEqual(errors.map((e) => e.extensions.code), ["PERSISTED_QUERY_NOT_SUPPORTED"]);
        assert.deepEqual(sent, ["hash"]);
      });
    }
  });
}
