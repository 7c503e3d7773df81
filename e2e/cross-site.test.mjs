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
