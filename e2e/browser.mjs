// Debian's Chromium, driven by playwright-core, which brings no browser of its own.

import { existsSync } from "node:fs";
import { chromium } from "playwright-core";

const executablePath = ["/usr/bin/chromium", "/usr/bin/google-chrome"].find(existsSync);

/** Launches a browser. A site of .test is on this machine, whatever its name. */
export function launch() {
  if (!executablePath) throw new Error("There is no browser. Install one: sudo apt-get install -y chromium");
  return chromium.launch({
    executablePath,
    // Without the last four it looks for its maker's servers at every start.
    args: [
      "--host-resolver-rules=MAP *.test 127.0.0.1",
      "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking", "--disable-component-update", "--disable-sync",
    ],
  });
}
