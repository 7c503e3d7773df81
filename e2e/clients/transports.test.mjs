// Clients in each of their transports, with default settings, against the service with a feature on and off.

import assert from "node:assert/strict";
import { after, before, describe, it } from "node:test";
import { ApolloClient, HttpLink, InMemoryCache, gql as apolloGql } from "@apollo/client";
import { Client, cacheExchange, fetchExchange } from "@urql/core";
import { query, startService } from "../processes.mjs";

const text = "query First($n: Int!) { users(first: $n) { nodes { id userId } } }";
const variables = { n: 3 };

/** A fetch that records the requests' methods. */
function recorded() {
  const requests = [];
  const fetchFn = (url, init) => {
    requests.push({ method: init?.method ?? "GET", url: String(url), body: init?.body });
    return fetch(url, init);
  };
  return { requests, fetchFn, methods: () => requests.map((r) => r.method) };
}

/** Queries with Apollo Client over a link. Resolves to the users' IDs. */
async function apollo(link) {
  const client = new ApolloClient({ link, cache: new InMemoryCache() });
  const { data } = await client.query({ query: apolloGql(text), variables, fetchPolicy: "network-only" });
  return data.users.nodes.map((u) => u.userId);
}

/** Queries with urql. Resolves to the users' IDs. */
async function urql(options) {
  const client = new Client({ exchanges: [cacheExchange, fetchExchange], ...options });
  const { data, error } = await client.query(text, variables, { requestPolicy: "network-only" }).toPromise();
  if (error) throw error;
  return data.users.nodes.map((u) => u.userId);
}

for (const HTTP_GET of ["on", "off"]) {
  describe(`with HTTP_GET=${HTTP_GET}`, () => {
    let service, users;
    before(async () => {
      service = await startService({ HTTP_GET });
      const { data } = await query(service.url, text, variables);
      users = data.users.nodes.map((u) => u.userId);
      assert.equal(users.length, 3);
    });
    after(() => service.stop());

    it("Apollo Client works with its default transport, POST", async () => {
      const { fetchFn, methods } = recorded();
      assert.deepEqual(await apollo(new HttpLink({ uri: service.url, fetch: fetchFn })), users);
      assert.deepEqual(methods(), ["POST"]);
    });

    it(`Apollo Client with useGETForQueries ${HTTP_GET === "on" ? "works" : "reports the refusal"}`, async () => {
      const { fetchFn, methods } = recorded();
      const result = apollo(new HttpLink({ uri: service.url, fetch: fetchFn, useGETForQueries: true }));
      if (HTTP_GET === "on") assert.deepEqual(await result, users);
      else await assert.rejects(result, /accepts only these methods: POST, QUERY/);
      assert.deepEqual(methods(), ["GET"]);
    });

    it(`urql with its default transport, GET for short queries, ${HTTP_GET === "on" ? "works" : "reports the refusal"}`, async () => {
      const { fetchFn, methods } = recorded();
      const result = urql({ url: service.url, fetch: fetchFn });
      if (HTTP_GET === "on") assert.deepEqual(await result, users);
      else await assert.rejects(result, /accepts only these methods: POST, QUERY/);
      assert.deepEqual(methods(), ["GET"]);
    });

    it("urql works with preferGetMethod: false", async () => {
      const { fetchFn, methods } = recorded();
      assert.deepEqual(await urql({ url: service.url, fetch: fetchFn, preferGetMethod: false }), users);
      assert.deepEqual(methods(), ["POST"]);
    });

    it("fetch works with the method QUERY", async () => {
      const response = await fetch(service.url, { method: "QUERY", headers: { "content-type": "application/json" }, body: JSON.stringify({ query: text, variables }) });
      assert.deepEqual((await response.json()).data.users.nodes.map((u) => u.userId), users);
    });
  });
}
