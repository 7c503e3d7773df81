// A proxy between the service and the emulator, which can delay requests or respond with an error itself.

import { createServer, request as call } from "node:http";

/** Forwards requests to an upstream, from a free port of loopback. */
export async function startFaults(upstream) {
  const proxy = {
    /**
     * Decides about a request by its parameters: {status, headers} responds at once, {delay} forwards it after
     * that many milliseconds, and undefined forwards it at once.
     */
    rule: () => undefined,
    /** The parameters of the requests so far, as URLSearchParams. */
    seen: [],
  };
  const server = createServer((request, response) => {
    const params = new URL(request.url, upstream).searchParams;
    proxy.seen.push(params);
    const fault = proxy.rule(params) ?? {};
    if (fault.status) {
      response.writeHead(fault.status, { "content-type": "application/json", "x-trace-id": "trace-of-a-fault", ...fault.headers });
      response.end('{"detail":{"status":"made_up","message":"a fault of a test"}}');
      return;
    }
    const pass = () => {
      const passed = call(new URL(request.url, upstream), { method: request.method, headers: { ...request.headers, host: new URL(upstream).host } }, (answer) => {
        response.writeHead(answer.statusCode, answer.headers);
        answer.pipe(response);
      });
      passed.on("error", () => response.destroy());
      request.pipe(passed);
    };
    if (fault.delay) setTimeout(pass, fault.delay);
    else pass();
  });
  await new Promise((resolve) => server.listen(0, "127.0.0.1", resolve));
  return Object.assign(proxy, {
    url: `http://127.0.0.1:${server.address().port}`,
    close: () => {
      server.close();
      server.closeAllConnections();
    },
  });
}
