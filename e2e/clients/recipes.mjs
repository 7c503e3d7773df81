// The blocks of docs/clients.md, by the file that each names.

import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { cpSync, mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { root } from "../processes.mjs";

export const page = readFileSync(join(root, "docs/clients.md"), "utf8");
export const blocks = new Map([...page.matchAll(/^```\w+ file=(\S+)\n(.*?)^```$/gms)].map(([, file, text]) => [file, text]));

/** Runs shell commands in a folder. Resolves to { code, lines, stderr }; lines are those of stdout. */
export async function sh(text, folder, env = {}) {
  const { PATH, HOME } = process.env;
  const settings = { PATH, HOME, npm_config_audit: "false", npm_config_fund: "false", npm_config_ignore_scripts: "true", ...env };
  const { code = 0, stdout, stderr } = await promisify(execFile)("sh", ["-euc", text], { cwd: folder, env: settings, timeout: 120_000 }).catch((error) => error);
  return { code, lines: stdout.split("\n").slice(0, -1), stderr };
}

/** Writes all blocks to a new folder, with the files that they share. Resolves to the folder's path. */
export async function write() {
  const built = mkdtempSync(join(tmpdir(), "rollcall-clients-"));
  process.on("exit", () => rmSync(built, { recursive: true, force: true }));
  for (const [file, text] of blocks) {
    mkdirSync(dirname(join(built, file)), { recursive: true });
    writeFileSync(join(built, file), text);
  }
  // The recipe for the schema is written for the project's folder; others use its result.
  symlinkSync(join(root, "graph"), join(built, "graph"));
  assert.equal((await sh(blocks.get("schema.sh"), built)).code, 0);
  for (const folder of ["relay/src", "apollo", "urql", "codegen"]) cpSync(join(built, "fetch.js"), join(built, folder, "fetch.js"));
  for (const name of ["relay", "codegen", "go"]) cpSync(join(built, "schema.graphql"), join(built, name, "schema.graphql"));
  return built;
}

/** As write, with the packages that are installed here in place of the recipes' own installations. */
export async function writeWithPackages() {
  const built = await write();
  symlinkSync(fileURLToPath(new URL("node_modules", import.meta.url)), join(built, "node_modules"));
  for (const [folder, type] of Object.entries({ relay: "commonjs", apollo: "module", urql: "module", codegen: "module" })) {
    writeFileSync(join(built, folder, "package.json"), JSON.stringify({ type }));
  }
  return built;
}
