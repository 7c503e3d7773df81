// The blocks of docs/clients.md, by the file that each names.

import { execFile } from "node:child_process";
import { readFileSync } from "node:fs";
import { join } from "node:path";
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
