// Runs examples/replicas by the command of its README, with short phases.

import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, describe, it } from "node:test";
import { root } from "./processes.mjs";

const readme = readFileSync(join(root, "examples/replicas/README.md"), "utf8");
const command = /```sh\n(.*)\n```/.exec(readme)[1];

/** The processes that have a folder in their command line or their environment. */
const processesOf = (folder) =>
  readdirSync("/proc").filter((pid) => {
    try {
      return ["cmdline", "environ"].some((file) => readFileSync(`/proc/${pid}/${file}`, "utf8").includes(folder));
    } catch {
      return false; // not a process, or one that has ended
    }
  });

describe("examples/replicas", () => {
  const folders = [];
  after(() => folders.forEach((folder) => rmSync(folder, { recursive: true, force: true })));

  /** Runs the command. Resolves to its output and exit code; if until matches the output, Ctrl-C is sent. */
  async function runExample(until) {
    const folder = mkdtempSync(join(tmpdir(), "rollcall-e2e-"));
    folders.push(folder);
    const child = spawn("bash", ["-c", `exec ${command}`], { cwd: root, detached: true, stdio: ["ignore", "pipe", "pipe"], env: { ...process.env, TMPDIR: folder, PHASE: "2" } });
    let output = "", interrupted = false;
    const read = (chunk) => {
      output += chunk;
      if (until?.test(output) && !interrupted) {
        interrupted = true;
        process.kill(-child.pid, "SIGINT");
      }
    };
    child.stdout.on("data", read);
    child.stderr.on("data", read);
    const code = await new Promise((resolve) => child.once("close", resolve));
    assert.deepEqual(processesOf(folder), [], "processes still run");
    assert.deepEqual(readdirSync(folder).filter((name) => name.startsWith("rollcall-replicas-")), []);
    return { output, code };
  }

  it("shows how replicas share a limit while one is killed and restarted", { timeout: 120_000 }, async () => {
    const { output, code } = await runExample();
    assert.equal(code, 0, output);
    const rows = [...output.matchAll(/^(all|killed|restarted) +(\d+\*?|-) +(\d+\*?|-) +(\d+\*?|-) +(\d+) +(\d+) of 6$/gm)];
    assert.deepEqual(rows.map(([, phase]) => phase), ["all", "all", "killed", "killed", "restarted", "restarted"], output);
    const alone = rows.some(([line]) => line.includes("*")) || /50 ms/.test(output); // a busy machine: replicas had only a share
    for (const [line, phase, one, two, three, calls, highest] of rows) {
      assert.ok(parseInt(one) > 0 && parseInt(two) > 0 && Number(calls) > 0, line);
      if (phase === "all") assert.ok(parseInt(three) > 0, line);
      if (phase === "killed") assert.equal(three, "-", line);
      assert.ok(Number(highest) <= (alone ? 10 : 6), output);
    }
    assert.match(rows.at(-1)[4], /^[1-9]/, output);
    assert.match(output, /│ 'restarted' +│ +\d+ +│ +\d+ +│ +\d+ +│ 0 /);
  });

  for (const [moment, until] of [["builds", /building/], ["runs", /^all /m]]) {
    it(`ends with Ctrl-C while it ${moment}`, { timeout: 120_000 }, async () => {
      const { output, code } = await runExample(until);
      assert.equal(code, 0, output);
      assert.doesNotMatch(output, /Error|ended/);
    });
  }
});
