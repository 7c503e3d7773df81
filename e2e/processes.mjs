// Builds and starts the project's programs, each on a free port.

import { execFileSync, spawn } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

export const root = dirname(dirname(fileURLToPath(import.meta.url)));

const bin = mkdtempSync(join(tmpdir(), "rollcall-e2e-"));
const running = new Set();
process.on("exit", () => {
  for (const child of running) child.kill(); // processes of a test that crashed
  rmSync(bin, { recursive: true, force: true });
});

/** Builds a program and returns its path. */
export function build(name, pkg, ...flags) {
  const path = join(bin, name);
  execFileSync("go", ["build", "-o", path, ...flags, pkg], { cwd: root, stdio: "inherit" });
  return path;
}

/** Starts a program and waits until it prints its address. */
async function start(path, args, env, address) {
  const child = spawn(path, args, { env: { PATH: process.env.PATH, ...env }, stdio: ["ignore", "pipe", "pipe"] });
  running.add(child);
  child.once("exit", () => running.delete(child));
  let output = "";
  const url = await new Promise((resolve, reject) => {
    const read = (chunk) => {
      output += chunk;
      const found = address.exec(output);
      if (found) resolve(found[1]);
    };
    child.stdout.on("data", read);
    child.stderr.on("data", read);
    child.once("exit", (code) => reject(new Error(`${path} exited with ${code}:\n${output}`)));
  });
  return {
    url,
    /** What the program has printed so far. */
    output: () => output,
    /** Sends SIGTERM. Resolves to the exit code. */
    stop: () =>
      new Promise((resolve) => {
        if (child.exitCode !== null) return resolve(child.exitCode);
        child.once("exit", resolve);
        child.kill("SIGTERM");
      }),
  };
}

let service, emulator;

/** Starts the service, or another build of it; with no variables it is the demo. Its url ends in /graphql. */
export function startService(env = {}, path = (service ??= build("rollcall", "."))) {
  return start(path, [], { LISTEN_ADDR: "127.0.0.1:0", ADMIN_ADDR: "off", SHUTDOWN_DELAY: "0s", LOG_FORMAT: "json", ...env }, /"graphql":"([^"]+)"/);
}

/** Starts the emulator alone. */
export function startEmulator(...args) {
  emulator ??= build("emulator", "./upstream/emulator/cmd/emulator");
  return start(emulator, ["-addr", "127.0.0.1:0", ...args], {}, /(http:\/\/[0-9.:]+)/);
}

/** Posts a query. Resolves to the response's JSON. */
export async function query(url, query, variables, headers = {}) {
  const response = await fetch(url, {
    method: "POST",
    headers: { "content-type": "application/json", ...headers },
    body: JSON.stringify({ query, variables }),
  });
  return response.json();
}
