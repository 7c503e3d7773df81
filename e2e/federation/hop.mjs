// A proxy that counts the requests between two programs, and can be down.

import { createServer, request as forward } from "node:http";

/** Passes requests on to the server at to. Resolves to the proxy. */
export function hop(to) {
  let passed = [];
  const proxy = {
    /** The server's base URL. */
    to,
    /** True to close connections instead; a number to respond with that status. */
    down: false,
    /** Returns the bodies of the requests since the last call. */
    take: () => {
      const taken = passed;
      passed = [];
      return taken;
    },
    close: () => new Promise((closed) => server.close(closed).closeAllConnections()),
  };
  const server = createServer(async (request, response) => {
    const chunks = [];
    for await (const chunk of request) chunks.push(chunk);
    const body = Buffer.concat(chunks);
    passed.push(body.toString());
    if (proxy.down === true) return request.socket.destroy();
    if (proxy.down) return response.writeHead(proxy.down).end();
    const onward = forward(new URL(request.url, proxy.to), { method: request.method, headers: request.headers }, (answer) => {
      response.writeHead(answer.statusCode, answer.headers);
      answer.pipe(response);
    });
    onward.once("error", () => request.socket.destroy());
    onward.end(body);
  });
  return new Promise((resolve, reject) => {
    server.once("error", reject);
    server.listen(0, "127.0.0.1", () => {
      proxy.url = `http://127.0.0.1:${server.address().port}`;
      resolve(proxy);
    });
  });
}
