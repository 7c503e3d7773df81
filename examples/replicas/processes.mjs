// Starts the other programs, each on a free port of loopback, and stops them.

import { spawn } from "node:child_process";
import { createServer, connect } from "node:net";
import { setTimeout as sleep } from "node:timers/promises";

export async function freePort() {
  const server = createServer();
  await new Promise((resolve) => server.listen(0, "127.0.0.1", resolve));
  const { port } = server.address();
  await new Promise((resolve) => server.close(resolve));
  return port;
}

/** Starts a program. Its group is its own, so that Ctrl-C reaches it through close alone. */
export function run(program, args, options = {}) {
  const child = spawn(program, args, { stdio: ["ignore", "pipe", "pipe"], detached: true, ...options });
  let output = "";
  for (const stream of [child.stdout, child.stderr]) stream.on("data", (chunk) => (output = (output + chunk).slice(-4000)));
  const ended = new Promise((resolve) => {
    child.once("error", (error) => resolve(error.message)).once("exit", (code, signal) => resolve(signal ?? code));
  });
  const running = () => child.pid !== undefined && child.exitCode === null && child.signalCode === null;
  return {
    ended,
    running,
    output: () => output,
    async close(signal = "SIGTERM") {
      if (!running()) return;
      process.kill(-child.pid, signal);
      const late = setTimeout(() => running() && process.kill(-child.pid, "SIGKILL"), 5000);
      await ended;
      clearTimeout(late);
    },
  };
}

/** Resolves when something listens on a port, unless its program ends. */
export async function listens(port, program) {
  for (;;) {
    const open = await new Promise((resolve) => {
      const socket = connect(port, "127.0.0.1", () => resolve(true)).once("error", () => resolve(false));
      socket.once("connect", () => socket.destroy());
    });
    if (open) return;
    if (!program.running()) throw new Error(`a program has ended: ${await program.ended}\n${program.output()}`);
    await sleep(20);
  }
}
