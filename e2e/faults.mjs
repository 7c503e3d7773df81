// Stands between the service and the emulator, and lets them talk undisturbed until it is told otherwise.

import { createServer, request as call } from "node:http";

/** Passes requests on to an upstream, on a free port of loopback. */
export async function startFaults(upstream) {
  const proxy = {
    /**
     * What happens to a request, by its parameters: {status, headers} answers it at once, {delay} passes it on after
     * so many milliseconds, and nothing passes it on.
     */
    rule: () => undefined,
    /** The parameters of the requests that came, as URLSearchParams. */
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
