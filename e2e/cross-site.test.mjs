// What pages of other web sites can do with the service, in a real browser.

import assert from "node:assert/strict";
import { createServer } from "node:http";
import { after, before, describe, it } from "node:test";
import { launch } from "./browser.mjs";
import { startService } from "./processes.mjs";

/** Listens on a free port of loopback. */
function listen(handler) {
  return new Promise((resolve) => {
    const server = createServer(handler);
    server.listen(0, "127.0.0.1", () => resolve({ port: server.address().port, close: () => server.close() }));
  });
}

describe("the rules for pages of other sites", () => {
  let browser, site, upstream, service, calls;
  before(async () => {
    upstream = await listen((request, response) => {
      calls++;
      response.end('{"users":[],"has_more":false}');
    });
    site = await listen((request, response) => {
      response.setHeader("content-type", "text/html");
      response.end("<!doctype html><title>a page</title>");
    });
    service = await startService({
      UPSTREAM_URL: `http://127.0.0.1:${upstream.port}`,
      ELEVENLABS_API_KEY: "key",
      AUTH: "none",
      PLAYGROUND: "on",
      CORS_ORIGINS: `http://127.0.0.1:${site.port}`,
    });
    browser = await launch();
  });
  after(async () => {
    await browser?.close();
    await service?.stop();
    site?.close();
    upstream?.close();
  });

  /** Opens a page of an origin and runs a function in it, with the service's address and a request. */
  async function from(origin, script, request, url = service.url) {
    calls = 0;
    const page = await browser.newPage();
    await page.goto(origin);
    const result = await page.evaluate(script, { url, request });
    await page.close();
    return result;
  }
  const ask = ({ url }) =>
    fetch(url, {
      method: "POST",
      headers: { "content-type": "application/json", "xi-api-key": "x", authorization: "Bearer x" },
      body: JSON.stringify({ query: "{ users { nodes { userId } } }" }),
    }).then((r) => r.text(), (e) => `refused: ${e.name}`);

  const document = "{ users { nodes { userId } } }";
  const withCredentials = { "xi-api-key": "x", authorization: "Bearer x" };
  /** Requests that a page may send in other ways than by POST. */
  const others = {
    GET: { query: "?query=" + encodeURIComponent(document), headers: withCredentials },
    "a GET without a preflight": { query: "?query=" + encodeURIComponent(document) },
    QUERY: { method: "QUERY", headers: { "content-type": "application/json", ...withCredentials }, body: JSON.stringify({ query: document }) },
  };
  const read = ({ url, request }) => fetch(url + (request.query ?? ""), request).then((r) => r.text(), (e) => `refused: ${e.name}`);

  /** Sends a request that needs no preflight, and whose response the page could not read. */
  const sendWithoutPreflight = ({ url, request }) => fetch(url + (request.query ?? ""), { mode: "no-cors", ...request }).then(() => "sent", String);

  const allowed = () => `http://127.0.0.1:${site.port}/`;
  const foreign = () => `http://localhost:${site.port}/`; // the same server, another origin
  const own = () => service.url.replace("/graphql", "/");

  it("allow a listed origin to read", async () => {
    assert.equal(await from(allowed(), ask), '{"data":{"users":{"nodes":[]}}}');
    assert.equal(calls, 1);
  });
  it("allow the service's own pages to read", async () => {
    assert.equal(await from(own(), ask), '{"data":{"users":{"nodes":[]}}}');
    assert.equal(calls, 1);
  });
  it("allow another origin neither to read nor to cause a call", async () => {
    assert.equal(await from(foreign(), ask), "refused: TypeError");
    assert.equal(calls, 0);
  });
  it("allow a site whose name resolves to the service neither to read nor to cause a call", async () => {
    const rebound = service.url.replace("127.0.0.1", "rebound.test");
    assert.match(await from(rebound.replace("/graphql", "/"), ask, undefined, rebound), /"FORBIDDEN"/);
    assert.equal(calls, 0);
  });

  for (const [name, request] of Object.entries(others)) {
    it(`are the same for ${name}`, async () => {
      const users = '{"data":{"users":{"nodes":[]}}}';
      for (const origin of [allowed(), own()]) {
        assert.equal(await from(origin, read, request), users);
        assert.equal(calls, 1);
      }
      assert.equal(await from(foreign(), read, request), "refused: TypeError");
      assert.equal(calls, 0);
      const rebound = service.url.replace("127.0.0.1", "rebound.test");
      assert.match(await from(rebound.replace("/graphql", "/"), read, request, rebound), /"FORBIDDEN"/);
      assert.equal(calls, 0);
    });
  }
  it("make no call for another origin's link, frame or image", async () => {
    const open = ({ url, request }) => {
      const frame = document.createElement("iframe");
      const image = document.createElement("img");
      const loaded = [frame, image].map((e) => new Promise((resolve) => (e.onload = e.onerror = resolve)));
      frame.src = image.src = url + request.query;
      document.body.append(frame, image);
      return Promise.all(loaded).then(() => "sent");
    };
    assert.equal(await from(foreign(), open, others.GET), "sent");
    assert.equal(calls, 0);
    const page = await browser.newPage();
    await page.goto(foreign());
    await page.evaluate((to) => { location.href = to; }, service.url + others.GET.query);
    await page.waitForURL((url) => url.pathname === "/graphql");
    assert.match(await page.locator("body").innerText(), /"FORBIDDEN"/);
    assert.equal(calls, 0);
    await page.close();
  });
  it("let a person open a query's URL", async () => {
    calls = 0;
    const page = await browser.newPage();
    const response = await page.goto(service.url + others.GET.query);
    assert.equal(await response.text(), '{"data":{"users":{"nodes":[]}}}');
    assert.equal(response.headers()["cache-control"], "private, no-store");
    assert.equal(calls, 1);
    await page.close();
  });

  const withoutPreflight = {
    "JSON as text": { method: "POST", headers: { "content-type": "text/plain" }, body: '{"query":"{ users { nodes { userId } } }"}' },
    "a form": { method: "POST", headers: { "content-type": "application/x-www-form-urlencoded" }, body: "query={users{nodes{userId}}}" },
    "GET": { query: "?query=" + encodeURIComponent("{ users { nodes { userId } } }") },
    "a body without a type": { method: "POST", body: '{"query":"{ users { nodes { userId } } }"}' },
  };
  for (const [name, request] of Object.entries(withoutPreflight)) {
    it(`make no call for another origin's ${name}`, async () => {
      await from(foreign(), sendWithoutPreflight, request);
      assert.equal(calls, 0);
    });
  }
});
