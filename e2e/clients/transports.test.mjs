// Clients in each of their transports, with default settings, against the service with a feature on and off.

import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { after, afterEach, before, beforeEach, describe, it } from "node:test";
import { ApolloClient, HttpLink, InMemoryCache, gql as apolloGql } from "@apollo/client";
import { PersistedQueryLink } from "@apollo/client/link/persisted-queries";
import { Client, cacheExchange, fetchExchange } from "@urql/core";
import { persistedExchange } from "@urql/exchange-persisted";
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

/** The hash of a text, as Apollo's clients compute it by the function that they are given. */
const sha256 = (text) => createHash("sha256").update(text).digest("hex");

/** What a request has of its document: "text", "hash" or both. */
const parts = ({ url, body }) => {
  const { query, extensions } = body ? JSON.parse(body) : Object.fromEntries(new URL(url).searchParams);
  return [query && "text", extensions?.includes?.("sha256Hash") || extensions?.persistedQuery ? "hash" : ""].filter(Boolean).join("+");
};

for (const AUTOMATIC_PERSISTED_QUERIES of ["on", "off"]) {
  const on = AUTOMATIC_PERSISTED_QUERIES === "on";
  describe(`with AUTOMATIC_PERSISTED_QUERIES=${AUTOMATIC_PERSISTED_QUERIES}`, () => {
    let service, users;
    beforeEach(async () => {
      service = await startService({ AUTOMATIC_PERSISTED_QUERIES });
      const { data } = await query(service.url, text, variables);
      users = data.users.nodes.map((u) => u.userId);
    });
    afterEach(() => service.stop());

    /** Three queries of one client, which has no cache, and then one of a new client. */
    async function sent(newClient) {
      const { requests, fetchFn } = recorded();
      const ask = newClient(fetchFn);
      for (let i = 0; i < 3; i++) assert.deepEqual(await ask(), users);
      assert.deepEqual(await newClient(fetchFn)(), users);
      return requests.map((r) => `${r.method} ${parts(r)}`);
    }

    for (const useGETForHashedQueries of [false, true]) {
      it(`Apollo Client's PersistedQueryLink works${useGETForHashedQueries ? " with useGETForHashedQueries" : ""}`, async () => {
        const hashed = useGETForHashedQueries ? "GET hash" : "POST hash";
        const requests = await sent((fetchFn) => {
          const link = new PersistedQueryLink({ sha256, useGETForHashedQueries }).concat(new HttpLink({ uri: service.url, fetch: fetchFn }));
          const client = new ApolloClient({ link, cache: new InMemoryCache() });
          return async () => {
            const { data } = await client.query({ query: apolloGql(text), variables, fetchPolicy: "network-only" });
            return data.users.nodes.map((u) => u.userId);
          };
        });
        // A text that registers its hash is sent by POST; a client that has learnt that hashes are not supported sends texts.
        assert.deepEqual(requests, on ? [hashed, "POST text+hash", hashed, hashed, hashed] : [hashed, "POST text", "POST text", "POST text", hashed, "POST text"]);
      });
    }

    for (const [name, options, method] of [["with its default, GET", {}, "GET"], ["by POST", { preferGetForPersistedQueries: false }, "POST"]]) {
      it(`urql's persistedExchange works ${name}`, async () => {
        const requests = await sent((fetchFn) => {
          const preferGetMethod = method === "GET" ? undefined : false;
          const client = new Client({ url: service.url, fetch: fetchFn, exchanges: [persistedExchange(options), fetchExchange], preferGetMethod });
          return async () => {
            const { data, error } = await client.query(text, variables, { requestPolicy: "network-only" }).toPromise();
            if (error) throw error;
            return data.users.nodes.map((u) => u.userId);
          };
        });
        const [hash, both, only] = ["hash", "text+hash", "text"].map((part) => `${method} ${part}`);
        assert.deepEqual(requests, on ? [hash, both, hash, hash, hash] : [hash, only, only, only, hash, only]);
      });
    }

    it("a changed hash is refused", async () => {
      const body = { query: text, variables, extensions: { persistedQuery: { version: 1, sha256Hash: sha256("{ other }") } } };
      const response = await fetch(service.url, { method: "POST", headers: { "content-type": "application/json" }, body: JSON.stringify(body) });
      assert.equal(response.status, 400);
      assert.equal((await response.json()).errors[0].extensions.code, "BAD_USER_INPUT");
    });
  });
}
