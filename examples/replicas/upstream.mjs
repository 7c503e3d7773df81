// An upstream that counts the calls in flight. Each takes 40 ms and returns a page without users.

import { createServer } from "node:http";

export const callTime = 40; // ms

/** Starts it on a free port. Resolves to { url, take, close }. */
export async function start() {
  let inFlight = 0, highest = 0, served = 0;
  const server = createServer((request, response) => {
    highest = Math.max(highest, ++inFlight);
    response.once("close", () => inFlight--); // also if the replica was killed
    setTimeout(() => {
      served++;
      response.setHeader("content-type", "application/json");
      response.end('{"users":[],"has_more":false,"next_cursor":null}');
    }, callTime);
  });
  await new Promise((resolve) => server.listen(0, "127.0.0.1", resolve));
  return {
    url: `http://127.0.0.1:${server.address().port}`,
    /** Returns what was counted since the last time. */
    take() {
      const taken = { highest, served };
      [highest, served] = [inFlight, 0];
      return taken;
    },
    close() {
      server.closeAllConnections();
      return new Promise((resolve) => server.close(resolve));
    },
  };
}
