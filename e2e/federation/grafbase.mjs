// Grafbase's gateway, which composes the subgraphs' schema files itself. Its owners have archived the project: here it
// is a second opinion on the subgraph, from an engine that shares no code with the others. It has no telemetry without
// a collector, and connects to nothing but the subgraphs: it also starts without a network.

import { spawn } from "node:child_process";
import { mkdtempSync, readdirSync, readFileSync, readlinkSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { schemas } from "../../examples/federation/compose.mjs";

const program = fileURLToPath(new URL("node_modules/@grafbase/cli-x86_64-unknown-linux-musl/grafbase", import.meta.url));

/** Starts the gateway over the subgraphs at the URLs given, by name. Forwards the named headers. Resolves to { url, close }. */
export async function start(urls, forward = []) {
  const folder = mkdtempSync(join(tmpdir(), "rollcall-grafbase-"));
  const config = join(folder, "grafbase.toml");
  writeFileSync(config, toml(urls, forward));
  const child = spawn(program, ["--home", folder, "dev", "-c", config, "-p", "0"], { env: { HOME: folder }, stdio: ["ignore", "pipe", "pipe"] });
  let output = "";
  for (const stream of [child.stdout, child.stderr]) stream.on("data", (chunk) => (output += chunk));
  const ended = new Promise((resolve) => child.once("close", resolve).once("error", resolve));
  const close = async () => {
    child.kill();
    await ended;
    rmSync(folder, { recursive: true, force: true });
  };
  // It prints port 0, so the port is that of the socket on which this process listens.
  for (const deadline = Date.now() + 60_000; ; await sleep(50)) {
    const port = /GraphQL/.test(output) && listeningPort(child.pid);
    if (port) return { url: `http://127.0.0.1:${port}/graphql`, close };
    if (child.exitCode === null && child.signalCode === null && Date.now() < deadline) continue;
    await close();
    throw new Error(`Grafbase's gateway does not listen:\n${output}`);
  }
}

const toml = (urls, forward) =>
  [
    ...forward.map((name) => `[[headers]]\nrule = "forward"\nname = "${name}"\n`),
    ...Object.entries(schemas).map(([name, file]) => `[subgraphs.${name}]\nurl = "${urls[name]}"\nschema_path = "${fileURLToPath(file)}"\n`),
  ].join("\n");

/** The port on which a process of this Linux listens by IPv4, or undefined. */
function listeningPort(pid) {
  const sockets = new Set();
  for (const fd of readdirSync(`/proc/${pid}/fd`)) {
    try {
      sockets.add(readlinkSync(`/proc/${pid}/fd/${fd}`));
    } catch {
      // closed meanwhile
    }
  }
  for (const line of readFileSync("/proc/net/tcp", "utf8").trim().split("\n").slice(1)) {
    const [, local, , state, , , , , , inode] = line.trim().split(/\s+/);
    if (state === "0A" && sockets.has(`socket:[${inode}]`)) return parseInt(local.split(":")[1], 16);
  }
}
