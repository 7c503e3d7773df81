// A proxy between a client and the service that spoils one response.

import { createServer } from "node:http";

const json = "application/json";
const graphql = "application/graphql-response+json; charset=utf-8";

/** Ways to spoil a response: {status, type, body} replaces it, and body may be a function of the service's reply. */
export const faults = {
  "HTTP 502 with HTML": { status: 502, type: "text/html", body: "<html><body><h1>502 Bad Gateway</h1></body></html>" },
  "HTTP 200 with HTML": { type: "text/html", body: "<!doctype html><title>Sign in</title><form>…</form>" },
  "HTTP 200 with HTML, labelled JSON": { type: json, body: "<!doctype html><title>Sign in</title>" },
  "HTTP 503 with JSON of another service": { status: 503, type: json, body: '{"error":"no healthy upstream"}' },
  "HTTP 200 with JSON of another service": { type: json, body: '{"status":"ok","items":[]}' },
  "HTTP 200 with a JSON list": { type: json, body: "[]" },
  "HTTP 200 with JSON null": { type: json, body: "null" },
  "HTTP 200 with an empty body": { type: json, body: "" },
  "HTTP 204": { status: 204, body: "" },
  "HTTP 500 with a complete page": { status: 500, type: json, body: JSON.stringify },
  "data: null": { type: graphql, body: '{"data":null}' },
  "data without the connection": { type: graphql, body: '{"data":{}}' },
  "a null connection": { type: graphql, body: '{"data":{"users":null}}' },
  "a null connection and an error": { type: graphql, body: '{"data":{"users":null},"errors":[{"message":"of the test","path":["users"],"extensions":{"code":"UPSTREAM_TIMEOUT"}}]}', code: "UPSTREAM_TIMEOUT" },
  "a page and an error": {
    type: graphql,
    body: (reply) => JSON.stringify({ ...reply, errors: [{ message: "of the test", path: ["users"], extensions: { code: "UPSTREAM_TIMEOUT" } }] }),
    code: "UPSTREAM_TIMEOUT",
  },
  "HTTP 429 with an error": { status: 429, type: graphql, body: '{"errors":[{"message":"of the test","extensions":{"code":"RATE_LIMITED"}}]}', code: "RATE_LIMITED" },
  "a connection broken in the middle of the body": { type: graphql, body: JSON.stringify, broken: true },
};

/** Passes requests on to a service, and spoils the response to the request of that number. */
export async function startProxy(service) {
  const proxy = { fault: undefined, number: 0, requests: 0, close: () => new Promise((closed) => server.close(closed).closeAllConnections()) };
  const server = createServer(async (request, response) => {
    const chunks = [];
    for await (const chunk of request) chunks.push(chunk);
    const body = chunks.length > 0 ? Buffer.concat(chunks) : undefined; // a GET has its query in the URL
    const passed = await fetch(new URL(request.url, service), { method: request.method, headers: headersOf(request), body });
    const text = await passed.text();
    const { fault } = proxy;
    if (++proxy.requests !== proxy.number) {
      response.writeHead(passed.status, { "content-type": passed.headers.get("content-type") }).end(text);
      return;
    }
    const spoilt = typeof fault.body === "function" ? fault.body(JSON.parse(text)) : fault.body;
    response.writeHead(fault.status ?? 200, { ...(fault.type && { "content-type": fault.type }), ...(fault.broken && { "content-length": spoilt.length }) });
    if (fault.broken) response.write(spoilt.slice(0, spoilt.length / 2), () => request.socket.destroy());
    else response.end(spoilt);
  });
  await new Promise((resolve) => server.listen(0, "127.0.0.1", resolve));
  proxy.url = `http://127.0.0.1:${server.address().port}/graphql`;
  /** Spoils the response to the next requests' nth. */
  proxy.spoil = (fault, number) => Object.assign(proxy, { fault, number, requests: 0 });
  return proxy;
}

/** The headers that concern the service and not the connection. */
const headersOf = ({ headers }) => Object.fromEntries(["content-type", "accept", "xi-api-key"].filter((name) => headers[name]).map((name) => [name, headers[name]]));
