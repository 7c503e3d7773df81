// Starts Redis, three replicas of the service, a proxy and load, and prints once a second how many permits each replica
// had, while one of them is killed and restarted. It ends by itself, or with Ctrl-C.

import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import * as load from "./load.mjs";
import { freePort, listens, run } from "./processes.mjs";
import * as upstream from "./upstream.mjs";

const limit = Number(process.env.UPSTREAM_CONCURRENCY || 6); // calls in flight that the key may have
const seconds = Number(process.env.PHASE || 5); // of each phase
const callers = 4 * limit;
const ideal = (1000 / upstream.callTime) * limit; // calls a second

const here = fileURLToPath(new URL(".", import.meta.url));
const folder = mkdtempSync(join(tmpdir(), "rollcall-replicas-"));
const parts = []; // those started so far
let stopping = false;
function add(part) {
  parts.push(part);
  if (!stopping) return part;
  part.close("SIGKILL");
  throw new Error("stopped");
}
async function stop(code) {
  if (stopping) return;
  stopping = true;
  for (const part of parts.toReversed()) await part.close(); // the load first, Redis last
  rmSync(folder, { recursive: true, force: true });
  process.exit(code);
}
for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"]) process.once(signal, () => stop(0));

/** Starts the replica on its ports. */
async function startReplica(replica) {
  replica.process = add(
    run(join(folder, "rollcall"), [], {
      env: {
        LISTEN_ADDR: `127.0.0.1:${replica.port}`, ADMIN_ADDR: `127.0.0.1:${replica.admin}`, SHUTDOWN_DELAY: "0s",
        UPSTREAM_URL: replica.upstream, REDIS_URL: replica.redis, UPSTREAM_CONCURRENCY: String(limit), AUTH: "none", ELEVENLABS_API_KEY: "any",
      },
    }),
  );
  replica.permits = 0;
  await listens(replica.admin, replica.process);
}

/** Reads a replica's metrics. Resolves to { permits, mode, switches }: the permits since the last time. */
async function read(replica) {
  if (!replica.process.running()) return null;
  let text;
  try {
    text = await (await fetch(`http://127.0.0.1:${replica.admin}/metrics`)).text();
  } catch {
    return null; // it has just been killed
  }
  const value = (name) => Number(new RegExp(`^rollcall_shared_${name}(?:\\{[^}]*\\})? (\\S+)$`, "m").exec(text)?.[1] ?? 0);
  const permits = value("wait_seconds_count") - replica.permits;
  replica.permits += permits;
  return { permits, mode: /^rollcall_shared_mode\{.*mode="(\w+)".*\} 1$/m.exec(text)?.[1], switches: value("switches_total") };
}

try {
  console.log("building the service");
  const build = add(run("go", ["build", "-o", join(folder, "rollcall"), "."], { cwd: join(here, "../..") }));
  if ((await build.ended) !== 0) throw new Error(`go build: ${await build.ended}\n${build.output()}`);

  const redisPort = await freePort();
  const redis = add(run("redis-server", ["--port", String(redisPort), "--bind", "127.0.0.1", "--dir", folder, "--save", "", "--appendonly", "no"]));
  await listens(redisPort, redis);
  const counting = add(await upstream.start());
  const replicas = [];
  for (let i = 1; i <= 3; i++) {
    replicas.push({ port: await freePort(), admin: await freePort(), upstream: counting.url, redis: `redis://127.0.0.1:${redisPort}` });
  }
  await Promise.all(replicas.map(startReplica));
  const proxyPort = await freePort();
  const [REPLICA_1, REPLICA_2, REPLICA_3] = replicas.map((r) => r.port);
  const proxy = add(run("haproxy", ["-db", "-f", join(here, "haproxy.cfg")], { env: { ...process.env, PROXY_PORT: proxyPort, REPLICA_1, REPLICA_2, REPLICA_3 } }));
  await listens(proxyPort, proxy);
  const url = `http://127.0.0.1:${proxyPort}/graphql`;
  console.log(`${callers} callers at ${url}, ${limit} calls of ${upstream.callTime} ms in flight at most\n`);
  while ((await Promise.all(replicas.map(read))).some((r) => r?.mode !== "shared")) await sleep(100);
  const requests = add(load.start(url, callers));

  console.log("             permits of replica");
  console.log("              1     2     3   calls   most in flight");
  await sleep(500);
  const summary = [];
  let switches = 0;
  /** Runs one phase and prints a line for each second. */
  async function phase(name) {
    const began = performance.now();
    let highest = 0, served = 0;
    requests.take();
    counting.take();
    await Promise.all(replicas.map(read));
    for (let second = 1; second <= seconds; second++) {
      await sleep(Math.max(0, began + 1000 * second - performance.now()));
      const states = await Promise.all(replicas.map(read));
      const counted = counting.take();
      highest = Math.max(highest, counted.highest);
      served += counted.served;
      const cells = states.map((s) => (s ? String(s.permits) + (s.mode === "shared" ? "" : "*") : "-").padStart(6));
      console.log(`${name.padEnd(9)}${cells.join("")}${String(counted.served).padStart(8)}${String(counted.highest).padStart(12)} of ${limit}`);
      if (second === seconds) switches = Math.max(switches, ...states.map((s) => s?.switches ?? 0));
    }
    const { times, errors } = requests.take();
    times.sort((a, b) => a - b);
    summary.push({
      phase: name, "most in flight": highest, "% of ideal": Math.round((100 * served) / (ideal * ((performance.now() - began) / 1000))),
      requests: times.length, failed: errors.length, "p50 ms": Math.round(times[times.length >> 1]), "p99 ms": Math.round(times[Math.floor(times.length * 0.99)]),
    });
    for (const error of errors.slice(0, 3)) console.log(`  failed: ${error}`);
  }
  await phase("all");
  await replicas[2].process.close("SIGKILL");
  await phase("killed");
  await startReplica(replicas[2]);
  await phase("restarted");

  console.log(`\nThe limit is ${limit} calls in flight, and the ideal is ${ideal} calls a second.`);
  if (switches > 0) console.log("At times Redis did not answer within 50 ms; replicas that then had only a share of the limit are marked with *.");
  console.table(summary);
  await stop(summary.every((s) => s.failed === 0) && (switches > 0 || summary.every((s) => s["most in flight"] <= limit)) ? 0 : 1);
} catch (error) {
  if (!stopping) console.error(error.message);
  await stop(1);
}
