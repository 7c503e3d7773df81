// Debian's Chromium, driven by playwright-core, which does not include a browser.

import { existsSync } from "node:fs";
import { chromium } from "playwright-core";

const executablePath = ["/usr/bin/chromium", "/usr/bin/google-chrome"].find(existsSync);

/** Launches a browser. All names in .test resolve to this machine. */
export function launch() {
  if (!executablePath) throw new Error("There is no browser. Install one: sudo apt-get install -y chromium");
  return chromium.launch({
    executablePath,
    // Without the last four flags it connects to its vendor's servers at every start.
    args: [
      "--host-resolver-rules=MAP *.test 127.0.0.1",
      "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking", "--disable-component-update", "--disable-sync",
    ],
  });
}
