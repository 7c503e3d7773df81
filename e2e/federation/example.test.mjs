// Runs examples/federation by the commands of its README, and each query of queries.graphql.

import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { delimiter, join } from "node:path";
import { after, before, describe, it } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { parse } from "graphql";
import { query } from "../processes.mjs";

const folder = new URL("../../examples/federation/", import.meta.url);
const read = (file) => readFileSync(new URL(file, folder), "utf8");
const queries = read("queries.graphql");

describe("examples/federation", () => {
  let child, url, ended, output = "";
  before(async () => {
    assert.match(read("README.md"), /^npm ci && npm start$/m); // make gateways runs npm ci
    child = spawn("npm", ["start"], { cwd: fileURLToPath(folder), env: { ...process.env, PORT: "0" }, detached: true, stdio: ["ignore", "pipe", "pipe"] });
    ended = new Promise((resolve) => child.once("close", resolve)); // when all processes that share its output have ended
    url = await new Promise((resolve, reject) => {
      const read = (chunk) => {
        output += chunk;
        const found = /^gateway +(\S+)/m.exec(output);
        if (found) resolve(found[1]);
      };
      child.stdout.on("data", read);
      child.stderr.on("data", read);
      child.once("exit", (code) => reject(new Error(`exit ${code}: ${output}`)));
    });
  });
  after(async () => {
    const rollcall = /^rollcall +(\S+)/m.exec(output)?.[1];
    if (child.exitCode === null && child.signalCode === null) process.kill(-child.pid, "SIGINT");
    await ended;
    if (rollcall) await assert.rejects(fetch(rollcall), "Rollcall still runs after Ctrl-C");
  });

  const operations = parse(queries).definitions;
  assert.ok(operations.length >= 3);
  for (const { name, loc } of operations) {
    it(`returns data for ${name.value}`, async () => {
      const { data, errors } = await query(url, queries.slice(loc.start, loc.end));
      assert.equal(errors, undefined);
      const [list] = Object.values(data);
      const text = JSON.stringify(list);
      assert.match(text, /"user_\d+@example.com"/);
      assert.match(text, /"conversationCount":[1-9]/);
      if (name.value === "AccountsWithConversations") {
        assert.deepEqual(list.at(-1).user, { userId: "newcomer", email: "newcomer@example.com", conversationCount: 0, lastContactAt: null });
      }
    });
  }

  it("has a page with a tab for each query", async () => {
    const page = await (await fetch(url, { headers: { accept: "text/html" } })).text();
    for (const { name } of operations) assert.ok(page.includes(`query ${name.value}`), name.value);
  });

  it("returns data for the README's request", async () => {
    const body = /-d '(.*)'/.exec(read("README.md"))[1];
    const reply = await fetch(url, { method: "POST", headers: { "content-type": "application/json" }, body });
    assert.deepEqual((await reply.json()).data.accounts.at(-1), { user: { userId: "newcomer", email: "newcomer@example.com", conversationCount: 0 } });
  });
});

describe("examples/federation, stopped while Go compiles", () => {
  const bin = mkdtempSync(join(tmpdir(), "rollcall-e2e-"));
  after(() => rmSync(bin, { recursive: true, force: true }));

  for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"]) {
    it(`ends all processes after ${signal}`, async () => {
      const note = join(bin, signal);
      writeFileSync(join(bin, "go"), `#!/bin/sh\necho $$ >${note}.new && mv ${note}.new ${note}\nexec sleep 60\n`, { mode: 0o755 });
      const child = spawn(process.execPath, ["start.mjs"], { cwd: fileURLToPath(folder), env: { ...process.env, PATH: bin + delimiter + process.env.PATH }, stdio: "ignore" });
      const ended = new Promise((resolve) => child.once("exit", resolve));
      while (!existsSync(note) && child.exitCode === null) await sleep(20);
      const compiling = Number(readFileSync(note, "utf8"));
      child.kill(signal);
      const code = await ended;
      assert.throws(() => process.kill(compiling, "SIGKILL"), { code: "ESRCH" }, "the compiler still runs");
      assert.equal(code, 0);
    });
  }
});
