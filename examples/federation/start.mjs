// Starts the whole graph: Rollcall's demo, an accounts and an agents service, and
// a gateway in front of them. npm start; Ctrl-C stops them all.

import { spawn } from "node:child_process";
import { fileURLToPath } from "node:url";
import * as accounts from "./accounts.mjs";
import * as agents from "./agents.mjs";
import { compose } from "./compose.mjs";
import * as gateway from "./gateway.mjs";

/** Starts Rollcall's demo on a free port. Returns { url, close }; the url is a promise, because Go compiles first. */
function startRollcall() {
  // If one of these is set, Rollcall does not start its demo.
  const {
    ELEVENLABS_API_KEY, ELEVENLABS_API_KEY_FILE, ELEVENLABS_API_KEY_PREVIOUS, ELEVENLABS_API_KEY_PREVIOUS_FILE,
    UPSTREAM_URL, UPSTREAM_REGION, AUTH, ...env
  } = process.env;
  const child = spawn("go", ["run", "."], {
    cwd: fileURLToPath(new URL("../..", import.meta.url)),
    env: { ...env, LISTEN_ADDR: "127.0.0.1:0", ADMIN_ADDR: "off", LOG_FORMAT: "json" },
    stdio: ["ignore", "ignore", "pipe"],
    detached: true, // go run has children: close stops their process group
  });
  const ended = new Promise((resolve) => child.once("exit", resolve).once("error", resolve));
  const url = new Promise((resolve, reject) => {
    let log = "";
    child.stderr.on("data", (chunk) => {
      log += chunk;
      const url = /"graphql":"([^"]+)"/.exec(log)?.[1];
      if (url) resolve(url);
    });
    child.once("error", (error) => reject(new Error(`Rollcall needs Go to start: ${error.message}`)));
    child.once("exit", (code) => reject(new Error(`Rollcall exited with ${code}:\n${log}`)));
  });
  const close = async () => {
    if (child.pid && child.exitCode === null && child.signalCode === null) process.kill(-child.pid, "SIGINT");
    await ended;
  };
  return { url, close };
}

const parts = []; // those started so far
let stopping = false;
async function stop(code) {
  if (stopping) return;
  stopping = true;
  await Promise.allSettled(parts.map((part) => part.close()));
  process.exit(code);
}
for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"]) process.once(signal, () => stop(0));

try {
  const urls = {};
  for (const [name, start] of Object.entries({ rollcall: startRollcall, accounts: accounts.start, agents: agents.start })) {
    const part = await start();
    parts.push(part);
    urls[name] = await part.url;
    console.log(`${name.padEnd(8)}  ${urls[name]}`);
  }
  parts.push(await gateway.start(compose(urls), Number(process.env.PORT || 4000)));
  console.log(`gateway   ${parts.at(-1).url}   open it in a browser`);
} catch (error) {
  if (!stopping) console.error(error.code === "EADDRINUSE" ? `Port ${error.port} is in use; choose another: PORT=4010 npm start` : error.message);
  await stop(1);
}
