// Callers of one key, each of which looks up one user after the other. No two requests are equal, so that each
// needs a call of its own.

import { Agent, request } from "node:http";

/** Starts the callers. Returns { take, close }. */
export function start(url, callers) {
  const agent = new Agent({ keepAlive: true, maxSockets: callers });
  let stopped = false, next = 0, times = [], errors = [];
  const send = (body) =>
    new Promise((resolve, reject) => {
      const call = request(url, { method: "POST", agent, headers: { "content-type": "application/json", "content-length": Buffer.byteLength(body) } }, (response) => {
        let text = "";
        response.setEncoding("utf8").on("data", (chunk) => (text += chunk)).on("end", () => resolve(text)).on("error", reject);
      });
      call.on("error", reject).end(body);
    });
  const caller = async () => {
    while (!stopped) {
      const began = performance.now();
      let text;
      try {
        text = await send(JSON.stringify({ query: `{ user(userId: "user ${next++}") { conversationCount } }` }));
      } catch (error) {
        text = error.message;
      }
      if (stopped) return;
      times.push(performance.now() - began);
      if (!text.startsWith('{"data"')) {
        errors.push(text);
        await new Promise((resolve) => setTimeout(resolve, 100));
      }
    }
  };
  const all = Array.from({ length: callers }, caller);
  return {
    /** Returns the requests since the last time: how long each took in ms, and those that failed. */
    take() {
      const taken = { times, errors };
      [times, errors] = [[], []];
      return taken;
    },
    async close() {
      stopped = true;
      agent.destroy();
      await Promise.all(all);
    },
  };
}
