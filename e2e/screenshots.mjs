// Takes a screenshot of each state of the example application, on each screen, in light and dark, and checks each with
// axe: node screenshots.mjs [folder [state…]]. It takes some minutes. The application has to be built.

import { mkdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { launch } from "./browser.mjs";
import { startFaults } from "./faults.mjs";
import { query, root, startEmulator, startService } from "./processes.mjs";
import { startSite } from "./site.mjs";

const [, , given, ...chosen] = process.argv;
const folder = given ?? fileURLToPath(new URL("artefacts/screenshots", import.meta.url));
const axe = readFileSync(fileURLToPath(import.meta.resolve("axe-core/axe.min.js")), "utf8");
const widths = [390, 700, 820, 1280, 1920];

mkdirSync(folder, { recursive: true });
const site = await startSite();
const emulator = await startEmulator("-users", "700", "-keys", "key");
const faults = await startFaults(emulator.url);
const service = await startService({
  UPSTREAM_URL: faults.url,
  ELEVENLABS_API_KEY: "key",
  AUTH: "none",
  CORS_ORIGINS: site.origin,
  TRUSTED_DOCUMENTS: join(root, "examples/web/documents.json"),
  TRUSTED_DOCUMENTS_MODE: "prefer", // for the query below
});
site.use(service.url);
const { data } = await query(service.url, "{ users(first: 1, sortBy: CONVERSATION_COUNT) { nodes { id } } }");
const user = data.users.nodes[0].id;

const row = (page) => page.locator("tbody tr[aria-rowindex]").first().waitFor();
const fault = (page) => page.locator(".fault").waitFor();
const empty = (page) => page.locator(".empty").waitFor();
/** Responds to each request of the application with an error. */
const refuse = (code, details) => (page) =>
  page.route("**/graphql", (route) =>
    route.fulfill({ headers: { "access-control-allow-origin": site.origin }, json: { errors: [{ message: "refused", extensions: { code, requestId: "d1e2f3", ...details } }] } }),
  );

/** The states: an address, what happens before it is opened, and until when to wait. */
const states = {
  list: { search: "", ready: row },
  "second page": {
    search: "",
    ready: async (page) => {
      await row(page);
      await page.getByRole("link", { name: "Next page" }).click();
      await page.getByRole("button", { name: "Show 50 users before these" }).waitFor();
    },
  },
  "last page": { search: "?page=last", ready: row },
  "worst sentiment": { search: "?sort=sentiment&order=asc", ready: row },
  scrolled: {
    search: "?sort=conversations",
    ready: async (page) => {
      await row(page);
      await page.mouse.wheel(0, 900);
      await page.waitForTimeout(300);
    },
  },
  filtered: { search: "?from=2026-10-01&to=2026-10-15&sort=conversations", ready: row },
  "reversed dates": { search: "?from=2026-10-15&to=2026-10-01", ready: empty },
  "no user": { search: "?user=unknown", ready: empty },
  "no such agent": { search: "?agent=agent_unknown", ready: fault },
  "not signed in": { search: "", before: refuse("UNAUTHENTICATED"), ready: fault },
  "rate limited": { search: "", before: refuse("RATE_LIMITED", { retryAfter: 60 }), ready: fault },
  "invalid link": { search: "?after=invalid", ready: (page) => page.locator(".notice").waitFor() },
  loading: { search: "", rule: () => ({ delay: 3000 }), ready: (page) => page.waitForTimeout(900) },
  user: { search: `?id=${user}`, ready: (page) => page.locator(".frustrated").waitFor() },
  "unknown user": { search: "?id=unknown", ready: (page) => page.locator(".empty, .fault").first().waitFor() },
};

const browser = await launch();
let shots = 0;
const findings = [];
for (const colorScheme of ["light", "dark"]) {
  for (const width of widths) {
    for (const [name, { search, before, rule, ready }] of Object.entries(states)) {
      if (chosen.length > 0 && !chosen.includes(name)) continue;
      const context = await browser.newContext({ viewport: { width, height: width < 600 ? 844 : 900 }, colorScheme, timezoneId: "Europe/Berlin" });
      const page = await context.newPage();
      faults.rule = rule ?? (() => undefined);
      await before?.(page);
      await page.goto(`${site.origin}/${search}`);
      await ready(page);
      await page.waitForTimeout(250); // transitions
      const title = `${name}, ${width}, ${colorScheme}`;
      await page.screenshot({ path: join(folder, `${title}.png`) });
      shots++;
      await page.evaluate(axe);
      const { violations } = await page.evaluate(() => window.axe.run({ resultTypes: ["violations"] }));
      findings.push(...violations.map((v) => `${title}: ${v.id} (${v.nodes.length}): ${v.nodes[0].failureSummary.split("\n")[1]}`));
      const overflow = await page.evaluate(() => document.documentElement.scrollWidth - innerWidth);
      if (overflow > 0) findings.push(`${title}: ${overflow} pixels too wide`);
      await context.close();
    }
  }
}
console.log(`${shots} screenshots in ${folder}\n${findings.length} findings`);
for (const finding of findings) console.log(finding);
await browser.close();
site.close();
faults.close();
await Promise.all([service.stop(), emulator.stop()]);
process.exit(findings.length > 0 ? 1 : 0);
