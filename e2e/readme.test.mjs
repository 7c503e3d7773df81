// Runs every command of the README as it is written, except that its servers listen on free ports, and compares the
// output with what the README promises.

import assert from "node:assert/strict";
import { execFile, spawn } from "node:child_process";
import { readFileSync, rmSync } from "node:fs";
import { join } from "node:path";
import { after, before, describe, it } from "node:test";
import { promisify } from "node:util";
import { query, root } from "./processes.mjs";

const readme = readFileSync(join(root, "README.md"), "utf8");
const blocks = [...readme.matchAll(/^```(\w+)\n(.*?)^```$/gms)].map(([, language, text]) => ({ language, text: text.trim() }));
const commands = blocks.filter((b) => b.language === "sh").map((b) => b.text);
const inline = [...readme.matchAll(/`((?:go|make|npm|curl) [^`\n]+)`/g)].map((m) => m[1]);

const run = (command) => promisify(execFile)("bash", ["-c", command], { cwd: root });

/** Replaces an address of a command, which must have it. */
function move(command, from, to) {
  assert.ok(command.includes(from), `${command} does not name ${from}`);
  return command.replaceAll(from, to);
}

// The addresses of the README. Another program may use them while the tests run: the servers listen on free ports
// instead, and a test connects to the address that its own server has printed.
const serviceAt = "127.0.0.1:8080";
const emulatorAt = "127.0.0.1:9100";
const freePorts = { LISTEN_ADDR: "127.0.0.1:0", ADMIN_ADDR: "127.0.0.1:0", LOG_FORMAT: "json" };
const serviceReady = /"graphql":"http:\/\/(127\.0\.0\.1:\d+)\/graphql"/;
const emulatorReady = /http:\/\/(127\.0\.0\.1:\d+)/;

/** Starts a server by a command of the README and waits until it prints its address. */
async function serve(command, ready, env = {}) {
  const child = spawn("bash", ["-c", command], { cwd: root, detached: true, stdio: ["ignore", "pipe", "pipe"], env: { ...process.env, ...env } });
  const ended = new Promise((resolve) => child.once("exit", resolve));
  let output = "";
  const at = await new Promise((resolve, reject) => {
    const read = (chunk) => {
      output += chunk;
      const found = ready.exec(output);
      if (found) resolve(found[1]);
    };
    child.stdout.on("data", read);
    child.stderr.on("data", read);
    child.once("exit", (code) => reject(new Error(`exit ${code}: ${output}`)));
  });
  return {
    at,
    async stop() {
      if (child.exitCode === null && child.signalCode === null) process.kill(-child.pid, "SIGINT");
      await ended;
    },
  };
}

const tried = new Set();
/** The only command of the README that matches, marked as tried. */
function command(pattern) {
  const found = [...commands, ...inline].filter((c) => pattern.test(c));
  assert.equal(new Set(found).size, 1, `${pattern} matches ${JSON.stringify(found)}`);
  tried.add(found[0]);
  return found[0];
}

describe("the README", () => {
  describe("the demo", () => {
    let demo;
    before(async () => (demo = await serve(command(/^go run \.$/), serviceReady, freePorts)));
    after(() => demo?.stop());

    it("returns the printed response to the query", async () => {
      const { stdout } = await run(move(command(/^curl/), serviceAt, demo.at));
      const printed = blocks[blocks.findIndex((b) => b.text.startsWith("curl")) + 1];
      assert.equal(printed.language, "json");
      assert.deepEqual(JSON.parse(stdout), JSON.parse(printed.text));
    });
    it("has a playground", async () => {
      assert.ok(readme.includes(`<http://${serviceAt}/>`));
      const page = await fetch(`http://${demo.at}/`);
      assert.equal(page.status, 200);
      assert.match(await page.text(), /graphql/i);
    });
  });

  it("starts in front of a real upstream", async () => {
    const service = await serve(command(/^ELEVENLABS_API_KEY=\S+ AUTH=none go run \.$/), serviceReady, freePorts);
    await service.stop();
  });

  it("runs the emulator by itself, and the service in front of it", async () => {
    const emulator = await serve(move(command(/^go run \.\/upstream\/emulator/), emulatorAt, "127.0.0.1:0"), emulatorReady);
    const service = await serve(move(command(/^UPSTREAM_URL=/), emulatorAt, emulator.at), serviceReady, freePorts);
    try {
      const { data } = await query(`http://${service.at}/graphql`, "{ users(first: 500) { nodes { userId } pageInfo { hasNextPage } } }");
      assert.equal(data.users.nodes.length, 500);
    } finally {
      await service.stop();
      await emulator.stop();
    }
  });

  it("names the default addresses", async () => {
    const { stdout } = await run("go run . -help");
    assert.match(stdout, new RegExp(`LISTEN_ADDR=.*\n?.*default ${serviceAt}`));
    const emulator = await promisify(execFile)("go", ["run", "./upstream/emulator/cmd/emulator", "-help"], { cwd: root }).catch((error) => error);
    assert.match(emulator.stdout + emulator.stderr, new RegExp(`default "?${emulatorAt}`));
  });

  it("composes a router's configuration", async () => {
    // wgc is on the PATH, as after its installation; see e2e/federation.
    const PATH = `${join(root, "e2e/federation/node_modules/.bin")}:${process.env.PATH}`;
    const out = join(root, "router.json");
    try {
      const compose = command(/\bwgc router compose\b/);
      await promisify(execFile)("bash", ["-c", compose], { cwd: root, env: { ...process.env, PATH } });
      const { subgraphs } = JSON.parse(readFileSync(out, "utf8"));
      assert.deepEqual(subgraphs.map((s) => s.name), ["rollcall", "accounts", "agents"]);
    } finally {
      rmSync(out, { force: true });
    }
  });

  it("lists every setting that the help text has", async () => {
    const { stdout } = await run(command(/^go run \. -help$/));
    const settings = [...stdout.matchAll(/^ {2}([A-Z_]+)=/gm)].map((m) => m[1]);
    assert.ok(settings.length >= 10);
    // The tables whose first column is headed so hold settings and nothing else.
    const tables = [...readme.matchAll(/^\| variable \|.*\n\| ---.*\n((?:\|.*\n)+)/gm)].map((m) => m[1]).join("");
    const listed = [...tables.matchAll(/^\| ([^|]+) \|/gm)].flatMap((m) => m[1].match(/[A-Z_]+/g));
    assert.deepEqual(listed.sort(), settings.sort());
  });

  it("generates the committed code, and lists the parts of make check", async () => {
    const generated = () => ["exec.go", "federation.go", "models.go"].map((f) => readFileSync(join(root, "graph/internal/generated", f), "utf8"));
    const committed = generated();
    await run(command(/^make generate$/));
    assert.deepEqual(generated(), committed);
    const { stdout } = await run(command(/^make help$/));
    assert.match(stdout, /make check:/);
    assert.ok(stdout.includes(command(/^make check-slow$/)));
  });

  it("embeds the playground", async () => {
    await run(command(/^make playground$/));
  });

  it("names the command that CI runs", () => {
    // This test is a part of it.
    assert.match(readFileSync(join(root, ".ci/run"), "utf8"), new RegExp(`^${command(/^make check$/)}$`, "m"));
    assert.match(readFileSync(join(root, "Makefile"), "utf8"), /^check:.*\be2e\b/m);
  });

  it("names the command of a release", () => {
    // make check builds and starts the images of a release: the whole release takes minutes, and refuses uncommitted changes.
    const [, target] = command(/^make release /).split(" ");
    const makefile = readFileSync(join(root, "Makefile"), "utf8");
    assert.match(makefile, new RegExp(`^${target}:`, "m"));
    assert.match(makefile, /^check:.*\bimage\b/m);
  });

  it("has no command without a test", () => {
    assert.deepEqual([...commands, ...inline].filter((c) => !tried.has(c)), []);
  });

  it("names every error code of the service", () => {
    const source = readFileSync(join(root, "graph/errors.go"), "utf8");
    const codes = [...source.matchAll(/^\t[cC]ode\w+ += "([A-Z_]+)"/gm)].map((m) => m[1]);
    assert.ok(codes.length >= 11);
    for (const code of codes) assert.match(readme, new RegExp("`" + code + "`"));
  });
});
