// The built example application in a real browser, on its own origin, with the real service, which accepts only the
// application's operations.

import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { after, afterEach, before, beforeEach, describe, it } from "node:test";
import { fileURLToPath } from "node:url";
import { launch } from "./browser.mjs";
import { startFaults } from "./faults.mjs";
import { query, root, startEmulator, startService } from "./processes.mjs";
import { startSite } from "./site.mjs";

const artefacts = fileURLToPath(new URL("artefacts/", import.meta.url));
/** The application's operations by ID, as its build wrote them. */
const TRUSTED_DOCUMENTS = join(root, "examples/web/documents.json");
const documents = JSON.parse(readFileSync(TRUSTED_DOCUMENTS, "utf8"));
const axe = readFileSync(fileURLToPath(import.meta.resolve("axe-core/axe.min.js")), "utf8");

const desktop = { width: 1280, height: 860 };
const phone = { width: 390, height: 844 };

describe("the example application", () => {
  let browser, site, emulator, faults, service, page;
  let reference; // a service that accepts every document, for the test's own queries
  let complaints; // the errors in the page's console
  let requests; // the variables of the page's requests for lists
  let counts; // the variables of its requests for a total
  let bodies; // the bodies of all its requests

  before(async () => {
    site = await startSite();
    emulator = await startEmulator("-users", "700", "-keys", "old-key,new-key");
    faults = await startFaults(emulator.url);
    service = await serve("old-key");
    reference = await startService({ UPSTREAM_URL: emulator.url, ELEVENLABS_API_KEY: "old-key", AUTH: "none" });
    browser = await launch();
  });
  after(async () => {
    await browser?.close();
    await service?.stop();
    await reference?.stop();
    await emulator?.stop();
    faults?.close();
    site?.close();
  });
  const serve = (key, addr = "127.0.0.1:0") =>
    startService({ LISTEN_ADDR: addr, UPSTREAM_URL: faults.url, ELEVENLABS_API_KEY: key, AUTH: "none", CORS_ORIGINS: site.origin, UPSTREAM_TIMEOUT: "3s", TRUSTED_DOCUMENTS });

  beforeEach(async () => {
    site.use(service.url);
    faults.rule = () => undefined;
    await open();
  });
  afterEach(() => page.context().close());

  /** Opens a new page without a history. */
  async function open(options = {}) {
    await page?.context().close();
    const context = await browser.newContext({ viewport: desktop, timezoneId: "Europe/Berlin", ...options });
    page = await context.newPage();
    page.setDefaultTimeout(20_000);
    complaints = [];
    requests = [];
    counts = [];
    bodies = [];
    page.on("console", (message) => message.type() === "error" && complaints.push(message.text()));
    page.on("pageerror", (error) => complaints.push(String(error)));
    page.on("request", (request) => {
      if (!request.url().endsWith("/graphql") || request.method() !== "POST") return;
      const { documentId, variables } = request.postDataJSON();
      bodies.push(request.postDataJSON());
      if (documents[documentId]?.includes("UserTable_users")) requests.push(variables);
      if (documents[documentId]?.includes("totalCount")) counts.push(variables);
    });
  }
  const goto = (search = "") => page.goto(site.origin + "/" + search);
  const shot = (name) => page.screenshot({ path: join(artefacts, `${name}.png`) });

  const row = (i) => page.locator(`tbody tr[aria-rowindex="${i + 2}"]`);
  const status = () => page.locator(".count [role=status]");
  const says = (locator, text) => locator.filter({ hasText: text }).first().waitFor();
  const scrollTo = (y) => page.evaluate((y) => window.scrollTo(0, y), y);
  const search = () => new URL(page.url()).searchParams;

  /** Waits until a predicate is true, or fails with what did not happen. */
  async function until(predicate, what) {
    for (const end = Date.now() + 20_000; ; await page.waitForTimeout(50)) {
      if (await predicate()) return;
      if (Date.now() > end) assert.fail(`timeout: it is not true that ${what}`);
    }
  }

  /** Records the user of each row that is rendered, by the row's index. */
  const watchRows = () =>
    page.evaluate(() => {
      const rows = (window.rows = []);
      const note = () => {
        for (const tr of document.querySelectorAll("tbody tr[aria-rowindex]")) {
          const at = tr.ariaRowIndex - 2;
          const who = tr.querySelector("bdi").textContent;
          if (rows[at] !== undefined && rows[at] !== who) window.contradiction = `row ${at}: ${rows[at]}, then ${who}`;
          rows[at] = who;
        }
      };
      note();
      new MutationObserver(note).observe(document.querySelector("table"), { childList: true, subtree: true });
    });

  /** Scrolls a screen at a time until the list ends, and returns all users that were rendered. */
  async function walk() {
    await watchRows();
    assert.equal(await page.evaluate(scrollToEnd), "the end");
    assert.equal(await page.evaluate(() => window.contradiction), undefined);
    return page.evaluate(() => [...window.rows]);
  }
  /** Runs in the page. Chromium may stop painting a page, and then a frame never comes. */
  async function scrollToEnd() {
    const stalled = new Error("no frame");
    const frame = () =>
      new Promise((resolve, reject) => {
        const timer = setTimeout(reject, 20_000, stalled);
        requestAnimationFrame(() => resolve(clearTimeout(timer)));
      });
    try {
      for (const late = Date.now() + 90_000; !document.querySelector(".end"); await frame()) {
        if (Date.now() > late) return "too late";
        if (scrollY + innerHeight < document.documentElement.scrollHeight) scrollBy(0, innerHeight);
      }
      // The last screens: the last page may have moved the end past them.
      for (let y = scrollY; y < document.documentElement.scrollHeight; y += innerHeight) {
        window.scrollTo(0, y);
        await frame();
        await frame();
      }
      return "the end";
    } catch (error) {
      return error === stalled ? "no frame" : String(error);
    }
  }

  /** Reads the list from the service. */
  async function list(args = {}, url = reference.url) {
    const users = [];
    let after = null;
    do {
      const { data } = await query(
        url,
        `query($after: String, $filter: ConversationUserFilter, $sortBy: ConversationUserSort, $sortDirection: SortDirection) {
          users(first: 500, after: $after, filter: $filter, sortBy: $sortBy, sortDirection: $sortDirection) {
            nodes { id userId conversationCount sentiment { overall { scoredConversationCount } } lastContactAgentName lastContactAgent { agentId } } pageInfo { hasNextPage endCursor } } }`,
        { after, ...args },
      );
      users.push(...data.users.nodes);
      after = data.users.pageInfo.hasNextPage ? data.users.pageInfo.endCursor : null;
    } while (after);
    return users;
  }
  const ids = (users) => users.map((u) => u.userId);

  describe("lists", () => {
    afterEach(() => assert.deepEqual(complaints, []));

    it("shows each of the demo's 10,000 users once, in order", { timeout: 180_000 }, async (t) => {
      const [demo, same] = await Promise.all([{ CORS_ORIGINS: site.origin, TRUSTED_DOCUMENTS }, {}].map((env) => startService(env)));
      t.after(() => Promise.all([demo.stop(), same.stop()]));
      site.use(demo.url);
      await open({ viewport: { width: 1280, height: 2600 } });
      await goto();
      await row(0).waitFor();
      const shown = await walk();
      assert.equal(shown.length, 10_000);
      assert.equal(new Set(shown).size, 10_000);
      assert.deepEqual(shown, ids(await list({}, same.url)));
      await says(status(), "10,000 users");
      assert.ok((await page.locator("tbody tr").count()) < 200, "rows that are far away are not rendered");
      assert.equal(requests.length, 200);
    });

    it("sends the IDs of its operations, and no text", async () => {
      await goto();
      await says(status(), "of 700 users");
      await scrollTo(1e6);
      await row(50).waitFor();
      assert.equal(bodies.length, 4); // the list, its next page, the agents and the total
      for (const { documentId, variables, ...rest } of bodies) {
        assert.ok(documents[documentId], documentId);
        assert.deepEqual(rest, {});
      }
      const text = { query: documents[bodies[0].documentId], variables: bodies[0].variables };
      assert.equal((await query(service.url, text.query, text.variables)).errors[0].extensions.code, "PERSISTED_QUERY_ID_REQUIRED");
    });

    it("filters by an agent, from the field and from a row", async () => {
      await goto();
      await row(0).waitFor();
      await shot("list");
      const all = await list();
      const chosen = all[0];
      await page.getByLabel("Agent", { exact: true }).selectOption({ label: chosen.lastContactAgentName });
      await says(page.locator("tbody"), chosen.userId);
      assert.equal(search().get("agent"), chosen.lastContactAgent.agentId);
      assert.deepEqual(await walk(), ids(await list({ filter: { agentId: chosen.lastContactAgent.agentId } })));

      await page.goBack();
      const other = all.findIndex((u) => u.lastContactAgentName && u.lastContactAgentName !== chosen.lastContactAgentName);
      await row(other).locator("td.agent a").click();
      await until(() => search().get("agent") === all[other].lastContactAgent.agentId, "the row's agent is the filter");
      assert.equal(await page.getByLabel("Agent", { exact: true }).evaluate((s) => s.selectedOptions[0].text), all[other].lastContactAgentName);
    });

    it("filters by an agent ID that is typed, and reports an unknown agent", async () => {
      await goto();
      await page.getByLabel("Agent", { exact: true }).selectOption({ label: "Another one…" });
      await page.getByLabel("Agent ID").fill("agent_nobody");
      await page.keyboard.press("Enter");
      await says(page.locator(".fault"), "No such agent");
      await shot("no such agent");
      await page.getByRole("button", { name: "Clear filters" }).click();
      await row(0).waitFor();
      assert.equal(page.url(), site.origin + "/");
    });

    it("filters by days, in the browser's time zone", async () => {
      await goto();
      await page.getByLabel("Talked from").fill("2026-08-01");
      await until(() => search().get("from") === "2026-08-01", "the first day is in the address");
      await page.getByLabel("Talked until").fill("2026-08-31");
      await until(() => search().get("to") === "2026-08-31", "the last day is in the address");
      const august = { callStartedAfter: "2026-07-31T21:59:59Z", callStartedBefore: "2026-08-31T21:59:59Z" };
      const want = await list({ filter: august });
      assert.ok(want.length > 60 && want.length < 650);
      await says(page.locator("tbody"), want[0].userId);
      assert.deepEqual(await walk(), ids(want));
      assert.deepEqual(requests.at(-1).filter, { userId: null, agentId: null, callStartedAfter: "2026-07-31T21:59:59.000Z", callStartedBefore: "2026-08-31T21:59:59.000Z" });
    });

    it("waits until a date's year is complete", async () => {
      await goto();
      await row(0).waitFor();
      await page.getByLabel("Talked from").click({ position: { x: 14, y: 20 } });
      await page.keyboard.type("08012026");
      await until(() => search().get("from") === "2026-08-01", "the day is in the address");
      await until(() => requests.length > 1, "the list is requested"); // shortly after the address has changed
      assert.equal(requests.length, 2);
    });

    it("sorts by each sortable column, in both directions", async () => {
      await goto();
      await row(0).waitFor();
      for (const [name, sortBy, sortDirection, aria] of [
        ["Conversations", "CONVERSATION_COUNT", "DESC", "descending"],
        ["Conversations", "CONVERSATION_COUNT", "ASC", "ascending"],
        ["Sentiment", "AVERAGE_SENTIMENT_SCORE", "DESC", "descending"],
        ["Last contact", "LAST_CONTACT", "DESC", "descending"],
        ["Last contact", "LAST_CONTACT", "ASC", "ascending"],
      ]) {
        const header = page.getByRole("columnheader", { name });
        await header.getByRole("button").click();
        await until(async () => (await header.getAttribute("aria-sort")) === aria, `${name} is ${aria}`);
        const want = ids((await list({ sortBy, sortDirection })).slice(0, 12));
        await says(row(0), want[0]);
        assert.deepEqual(await page.locator("tbody tr bdi").allTextContents().then((all) => all.slice(0, 12)), want);
      }
      assert.equal(page.url(), site.origin + "/?order=asc");
    });

    it("begins with the worst score, and has the users without one on the pages before", async () => {
      const all = await list({ sortBy: "AVERAGE_SENTIMENT_SCORE", sortDirection: "ASC" });
      const scored = all.findIndex((u) => u.sentiment?.overall.scoredConversationCount > 0);
      assert.ok(scored > 5);
      await goto("?sort=sentiment");
      await row(0).waitFor();
      await page.getByRole("columnheader", { name: "Sentiment" }).getByRole("button").click();
      await says(row(0), all[scored].userId);
      assert.ok(search().get("after"));
      await page.goBack();
      await until(() => search().get("order") === null, "the list has the other order");
      await page.goForward();
      await says(row(0), all[scored].userId);
      await page.getByRole("button", { name: "Show 50 users before these" }).click();
      await says(page.locator("tbody"), all[scored - 1].userId);
      await says(page.locator("tbody tr").filter({ has: page.locator("bdi", { hasText: all[scored - 1].userId }) }), "not scored");

      // There are no scores at all.
      await goto("?sort=sentiment&order=asc&user=" + encodeURIComponent(all[0].userId));
      await says(status(), "1 user");
      assert.equal(search().get("after"), null);
    });

    it("explains reversed days, and swaps them", async () => {
      await goto("?from=2026-08-31&to=2026-08-01");
      await says(page.locator(".empty"), "The first day is after the last one");
      await page.getByRole("button", { name: "Swap the days" }).click();
      await row(0).waitFor();
      assert.deepEqual([search().get("from"), search().get("to")], ["2026-08-01", "2026-08-31"]);
      assert.equal(await page.getByLabel("Talked from").inputValue(), "2026-08-01");
    });

    it("finds a user by an ID with any characters", async () => {
      await goto();
      const all = ids(await list());
      for (const id of ["user_00042", all.find((id) => id.startsWith("team/7")), all.find((id) => id.startsWith("<b>")), all.find((id) => id.startsWith("عميل"))]) {
        await page.getByLabel("User ID").fill(id);
        await page.keyboard.press("Enter");
        await says(status(), "1 user");
        assert.deepEqual(await page.locator("tbody bdi").allTextContents(), [id]);
        assert.equal(search().get("user"), id);
        await page.reload();
        await says(page.locator("tbody bdi"), id);
        assert.equal(await page.getByLabel("User ID").inputValue(), id);
      }
      await page.getByLabel("User ID").fill("nobody");
      await page.keyboard.press("Enter");
      await says(page.locator(".empty"), "No users");
      await shot("empty");
      await page.getByRole("button", { name: /clear/i }).click(); // the only one
      await says(status(), "The first 50 of 700 users");
      assert.equal(await page.getByLabel("User ID").inputValue(), "");
    });

    it("shows each list's own numbers for a user who is in two lists", async () => {
      const filter = { callStartedAfter: "2026-09-30T21:59:59Z" };
      const [all, october] = [await list({ sortBy: "CONVERSATION_COUNT" }), await list({ filter, sortBy: "CONVERSATION_COUNT" })];
      const top = all[0];
      const then = october.find((u) => u.userId === top.userId);
      assert.ok(then.conversationCount < top.conversationCount);
      await goto("?sort=conversations");
      await says(row(0).locator(".conversations"), String(top.conversationCount));
      await page.getByLabel("Talked from").fill("2026-10-01");
      await says(page.locator("tbody tr").filter({ has: page.locator("bdi", { hasText: top.userId }) }).locator(".conversations"), String(then.conversationCount));
      await page.goBack();
      await says(row(0), top.userId);
      assert.equal(parseInt(await row(0).locator(".conversations").textContent()), top.conversationCount);
    });
    it("keeps a row's numbers when the same list is fetched again in another order", async () => {
      let reverse = false;
      await page.route("**/graphql", async (route) => {
        const response = await route.fetch();
        const reply = await response.json();
        if (reverse) reply.data.users.edges?.reverse();
        return route.fulfill({ response, json: reply });
      });
      await goto("?sort=conversations");
      await row(0).waitFor();
      const before = await row(0).innerText();
      reverse = true;
      const header = page.getByRole("columnheader", { name: "Conversations" }).getByRole("button");
      await header.click();
      await until(() => search().get("order") === "asc", "the order is another");
      await header.click(); // the first list again, as a new entry of the history
      await until(async () => (await row(0).innerText()) !== before, "the list has the other order");
      await page.goBack();
      await page.goBack();
      await until(async () => (await row(0).locator("bdi").textContent()) === before.split(/\s/)[0], "the first list is back");
      assert.equal(await row(0).innerText(), before);
    });
  });

  describe("navigation", () => {
    afterEach(() => assert.deepEqual(complaints, []));

    /** Scrolls to a row and opens its user. */
    async function openRow(i) {
      await row(0).waitFor();
      await until(async () => {
        if (await row(i).count()) return true;
        const last = await page.locator("tbody tr[aria-rowindex]").last().getAttribute("aria-rowindex");
        await page.mouse.wheel(0, last < i + 2 ? 3000 : -700);
        return false;
      }, `row ${i} is there`);
      await row(i).scrollIntoViewIfNeeded();
      const scroll = await page.evaluate(() => scrollY);
      const who = await row(i).locator("bdi").textContent();
      await row(i).locator("td.user a").click();
      await says(page.locator("h1"), who);
      return { scroll, who };
    }

    it("opens a user by node(id), with the user's numbers", async () => {
      await goto("?sort=conversations");
      const { who } = await openRow(0);
      const { data } = await query(
        reference.url,
        `query($userId: ID!) { user(userId: $userId) { id conversationCount lastContactAgentName lastContactConversation { conversationId }
          sentiment { overall { scoredConversationCount positiveCount neutralCount negativeCount averageSentimentScore } }
          mostFrustratedConversations { conversation { conversationId } } } }`,
        { userId: who },
      );
      const { user } = data;
      assert.equal(search().get("id"), user.id);
      assert.equal(await page.locator("h1").evaluate((h1) => h1 === document.activeElement), true);
      await says(page.locator(".facts"), String(user.conversationCount));
      const { positiveCount, neutralCount, negativeCount } = user.sentiment.overall;
      await page.getByRole("img", { name: `${positiveCount} positive, ${neutralCount} neutral, ${negativeCount} negative` }).first().waitFor();
      assert.deepEqual(await page.locator(".frustrated code").allTextContents(), user.mostFrustratedConversations.map((c) => c.conversation.conversationId));
      await shot("user");
    });

    it("restores a list's rows, scroll position and focus without a request", async () => {
      await goto("?sort=sentiment");
      const { scroll, who } = await openRow(180);
      const before = requests.length;
      await page.goBack();
      await row(180).waitFor();
      assert.equal(await page.evaluate(() => scrollY), scroll);
      assert.equal(await page.evaluate(() => document.activeElement.textContent), who);
      await says(status(), /The first (2[0-9]0) of 700 users/);
      assert.equal(requests.length, before);
      await page.goForward();
      await says(page.locator("h1"), who);
      await page.getByRole("button", { name: "Users" }).click();
      await row(180).waitFor();
      assert.equal(await page.evaluate(() => scrollY), scroll);
      assert.equal(requests.length, before);
    });

    it("restores each list of the history", async () => {
      await goto();
      const { scroll } = await openRow(120);
      await page.locator(".facts a").click();
      await says(status(), /users/);
      await until(async () => (await page.evaluate(() => scrollY)) === 0, "another list begins at its top");
      await page.goBack();
      await page.locator(".facts").waitFor();
      await page.goBack();
      await row(120).waitFor();
      assert.equal(await page.evaluate(() => scrollY), scroll);
    });

    it("restores rows and scroll position after a reload", async () => {
      await goto();
      const { scroll, who } = await openRow(230);
      await page.goBack();
      await row(230).waitFor();
      await page.reload();
      await row(230).waitFor();
      await until(async () => (await page.evaluate(() => scrollY)) === scroll, "the place is restored");
      await says(row(230), who);
    });

    it("opens a user's address, and goes from there to the list", async () => {
      const [user] = await list();
      await goto(`?id=${user.id}`);
      await says(page.locator("h1"), user.userId);
      await page.getByRole("button", { name: "Users" }).click();
      await row(0).waitFor();
      for (const wrong of ["?id=", "?id=nonsense", "?sort=nonsense&order=up&from=2026-02-31&to=x"]) {
        await goto(wrong);
        await (wrong.includes("sort") ? row(0) : page.locator("main h1, main .fault h2").first()).waitFor();
      }
    });
  });

  describe("pages", () => {
    afterEach(() => assert.deepEqual(complaints, []));

    const pager = (name) => page.getByRole("navigation", { name: "Pages" }).getByRole("link", { name: `${name} page` });
    const isEnabled = async (name) => (await pager(name).getAttribute("href")) !== null;
    const enabled = async () => (await Promise.all(["First", "Previous", "Next", "Last"].map(isEnabled))).map(Number).join("");
    const shown = async (n = 12) => (await page.locator("tbody bdi").allTextContents()).slice(0, n);
    /** Waits until the first rows are these users. */
    const showsFrom = (users, i) => until(async () => String(await shown()) === String(users.slice(i, i + 12)), `the list begins at user ${i}`);

    it("goes to the next, previous, last and first page, with an address for each", async () => {
      const all = ids(await list());
      await goto();
      await showsFrom(all, 0);
      await says(status(), "The first 50 of 700 users");
      assert.equal(await enabled(), "0011");

      await pager("Next").click();
      await showsFrom(all, 50);
      await says(status(), "50 of 700 users");
      assert.equal(await enabled(), "1111");
      assert.equal(await pager("Next").evaluate((link) => link === document.activeElement), true);
      const second = page.url();
      await pager("Next").click();
      await showsFrom(all, 100);
      await pager("Previous").click();
      await showsFrom(all, 50);
      assert.ok(search().get("before"));

      await pager("Last").click();
      await showsFrom(all, 650);
      await says(status(), "The last 50 of 700 users");
      assert.equal(await enabled(), "1100");
      assert.equal(search().get("page"), "last");
      await shot("last page");
      await pager("Previous").click();
      await showsFrom(all, 600);
      await scrollTo(1e6);
      await says(page.locator(".end"), "This is the end of the list.");
      await scrollTo(0);

      await page.goBack();
      await showsFrom(all, 650);
      await page.reload();
      await showsFrom(all, 650);
      await page.goto(second); // as a link from another person
      await showsFrom(all, 50);
      await pager("First").click();
      await showsFrom(all, 0);
      assert.equal(page.url(), site.origin + "/");
    });

    it("loads rows in both directions from a page, and keeps those on the screen in place", async () => {
      const all = ids(await list({ sortBy: "AVERAGE_SENTIMENT_SCORE" }));
      await goto("?sort=sentiment");
      await pager("Next").click();
      await pager("Next").click();
      await showsFrom(all, 100);
      const y = () => page.getByRole("link", { name: all[100], exact: true }).evaluate((link) => link.getBoundingClientRect().top);
      const before = await y();
      const button = page.getByRole("button", { name: "Show 50 users before these" });
      await button.focus();
      await page.keyboard.press("Enter");
      await says(status(), "100 of 700 users");
      assert.ok(Math.abs((await y()) - before) < 60, "the rows stay, without the space of the button");
      // The focus is on the user ahead of them.
      await until(async () => (await page.evaluate(() => document.activeElement.textContent)) === all[99], "the focus is on a row");
      await page.keyboard.press("ArrowDown");
      assert.equal(await page.evaluate(() => document.activeElement.textContent), all[100]);

      await scrollTo(0);
      await button.click();
      await says(status(), "The first 150 of 700 users");
      assert.equal(await button.count(), 0);
      await scrollTo(0);
      await row(0).waitFor();
      assert.deepEqual(await walk(), all);
      assert.deepEqual(requests.filter(({ before }) => before).map(({ first, last, after }) => [first, last, after]), Array(2).fill([null, 50, null]));
      await says(page.locator(".end"), "These are all 700 users.");
    });

    it("continues after the page on the screen, however many rows follow it", async () => {
      const all = ids(await list());
      await goto();
      await showsFrom(all, 0);
      await scrollTo(1e6);
      await row(70).waitFor();
      await scrollTo(0);
      await pager("Next").click();
      await showsFrom(all, 50);
      const before = await pager("Previous").getAttribute("href");
      await until(async () => {
        await scrollTo(60 * 56); // as far as there are rows
        return (await pager("Previous").getAttribute("href")) !== before;
      }, "another page is on the screen");
      await pager("Previous").click();
      await showsFrom(all, 50);
    });

    it("restores rows ahead of a page's address, the scroll position and the focus", async () => {
      const all = ids(await list());
      await goto();
      await pager("Next").click();
      await showsFrom(all, 50);
      await page.getByRole("button", { name: "Show 50 users before these" }).click();
      await says(status(), "The first 100 of 700 users");
      await scrollTo(20 * 56);
      await row(20).scrollIntoViewIfNeeded();
      const scroll = await page.evaluate(() => scrollY);
      await row(20).locator("td.user a").click();
      await says(page.locator("h1"), all[20]);
      const requested = requests.length;
      await page.goBack();
      await says(row(20), all[20]);
      assert.equal(await page.evaluate(() => scrollY), scroll);
      assert.equal(await page.evaluate(() => document.activeElement.textContent), all[20]);
      assert.equal(requests.length, requested);
      await page.reload();
      await says(row(20), all[20]);
      await until(async () => (await page.evaluate(() => scrollY)) === scroll, "the scroll position is restored");
      assert.equal(requests.length, requested + 2);
    });

    it("shows a previous page that failed above the rows, and loads it on request", async () => {
      const all = ids(await list());
      await goto("?page=last");
      await showsFrom(all, 650);
      faults.rule = () => ({ status: 503 });
      await page.getByRole("button", { name: "Show 50 users before these" }).click();
      await says(page.locator(".fault"), "ElevenLabs is not available");
      assert.deepEqual(await shown(3), all.slice(650, 653));
      await shot("previous page failed");
      faults.rule = () => undefined;
      await page.getByRole("button", { name: "Try again" }).click();
      await says(status(), "The last 100 of 700 users");
      await says(page.locator("tbody"), all[649]);
    });

    it("starts over, with a notice, from an address with a cursor that is not valid", async () => {
      const all = ids(await list());
      for (const address of ["?after=nonsense", "?before=nonsense", "?sort=conversations&after=nonsense"]) {
        await goto(address);
        await says(page.locator(".notice"), "has started over from the top");
        await row(0).waitFor();
        assert.equal(search().get("after") ?? search().get("before"), null);
      }
      assert.equal(search().get("sort"), "conversations");
      await goto();
      await showsFrom(all, 0);
      assert.equal(await page.locator(".notice").count(), 0);
    });

    it("explains a page that has no users", async () => {
      const { data } = await query(reference.url, "{ users(first: 1) { edges { cursor } } last: users(last: 1) { edges { cursor } } }");
      const [first] = data.users.edges;
      const [last] = data.last.edges;
      for (const address of [`?before=${first.cursor}`, `?after=${last.cursor}`]) {
        await goto(address);
        await says(page.locator(".empty"), "No users on this page");
        assert.equal(await enabled(), "1000");
      }
      await page.locator(".empty").getByRole("link", { name: "First page" }).click();
      await row(0).waitFor();
    });

    it("counts the users once for each filter, up to 1,000", async (t) => {
      await goto();
      await says(status(), "The first 50 of 700 users");
      await pager("Next").click();
      await says(status(), "50 of 700 users");
      await page.getByRole("columnheader", { name: "Conversations" }).getByRole("button").click();
      await says(status(), "The first 50 of 700 users");
      assert.equal(counts.length, 1);
      const filter = { callStartedAfter: "2026-09-30T21:59:59Z" };
      const october = await list({ filter });
      await page.getByLabel("Talked from").fill("2026-10-01");
      await says(status(), `The first 50 of ${october.length} users`);
      assert.equal(counts.length, 2);
      assert.equal(counts[0].limit, 1000);

      const demo = await startService({ CORS_ORIGINS: site.origin, TRUSTED_DOCUMENTS });
      t.after(() => demo.stop());
      site.use(demo.url);
      await goto();
      await says(status(), "The first 50 of 1,000+ users");
      await pager("Last").click();
      await says(status(), "The last 50 of 1,000+ users");
    });

    it("shows the rows without a count that failed, and counts again with the next page", async () => {
      faults.rule = (params) => (params.get("page_size") === "100" ? { status: 503 } : undefined);
      await goto();
      await row(0).waitFor();
      await says(status(), /^The first 50 users$/);
      faults.rule = () => undefined;
      await pager("Next").click();
      await says(status(), "50 of 700 users");
    });
  });

  describe("faults", () => {
    const isPage = (params) => params.get("page_size") === "50"; // not the request for the agents to select

    it("counts down after a 429 of the upstream, and continues by itself", async () => {
      let refused = 0;
      faults.rule = (params) => (isPage(params) && refused++ === 0 ? { status: 429, headers: { "retry-after": "4" } } : undefined);
      await goto();
      await says(page.locator(".fault"), "Too many requests");
      await says(page.locator(".countdown"), /Trying again in [234] s/);
      await says(page.locator(".ids"), "trace-of-a-fault");
      await shot("rate limited");
      await row(0).waitFor();
      assert.equal(requests.length, 2);
    });

    it("shows a 503 of the upstream below the rows, and continues there on request", async () => {
      await goto();
      await row(0).waitFor();
      faults.rule = (params) => (isPage(params) ? { status: 503 } : undefined);
      await scrollTo(1e6);
      await says(page.locator(".fault"), "ElevenLabs is not available");
      await row(49).waitFor();
      await shot("unavailable");
      const before = requests.length;
      await page.waitForTimeout(500);
      assert.equal(requests.length, before, "it does not continue by itself");
      faults.rule = () => undefined;
      await page.getByRole("button", { name: "Try again" }).click();
      await row(50).waitFor();
      await scrollTo(0);
      assert.deepEqual(await walk(), ids(await list()));
    });

    it("recovers if the first page failed", async () => {
      faults.rule = () => ({ status: 500 });
      await goto();
      await says(page.locator(".fault"), "ElevenLabs is not available");
      faults.rule = () => undefined;
      await page.getByRole("button", { name: "Try again" }).click();
      await row(0).waitFor();
      assert.equal(await page.locator(".fault").count(), 0);
    });

    it("shows skeletons while the upstream is slow", async () => {
      faults.rule = () => ({ delay: 1500 });
      await goto();
      await page.locator(".skeleton tr").nth(11).waitFor();
      await says(status(), "Loading users…");
      assert.equal(await page.getByRole("table").getAttribute("aria-busy"), "true");
      await page.waitForTimeout(400); // until they are visible
      await shot("loading");
      await row(0).waitFor();
      assert.equal(await page.getByRole("table").getAttribute("aria-busy"), "false");
      await scrollTo(1e6);
      await page.locator("tbody.skeleton").waitFor();
      await row(50).waitFor();
      await row(60).locator("td.user a").click();
      await page.locator("main .skeleton").waitFor();
      await page.locator(".facts").waitFor();
      assert.deepEqual(complaints, []);
    });

    it("reports an upstream that does not respond in time", async () => {
      faults.rule = (params) => (isPage(params) ? { delay: 3500 } : undefined);
      await goto();
      await says(page.locator(".fault"), "No response in time");
      faults.rule = () => undefined;
      await page.getByRole("button", { name: "Try again" }).click();
      await row(0).waitFor();
    });

    it("starts over, with a notice, if a new key has invalidated the cursors", async () => {
      await goto();
      await row(0).waitFor();
      const { host } = new URL(service.url);
      await service.stop();
      service = await serve("new-key", host);
      await scrollTo(1e6);
      await says(page.locator(".notice"), "has started over from the top");
      await row(0).waitFor();
      assert.equal(await page.evaluate(() => scrollY), 0);
      await shot("started over");
      await page.getByRole("button", { name: "Dismiss" }).click();
      assert.equal(await page.locator(".notice").count(), 0);
      assert.deepEqual(await walk(), ids(await list()));
    });

    it("starts over only once", async () => {
      await page.route("**/graphql", (route) => {
        if (!route.request().postDataJSON()?.variables?.after) return route.continue();
        const errors = [{ message: "after: is not a cursor", extensions: { code: "BAD_USER_INPUT", argument: "after" } }];
        return route.fulfill({ status: 200, headers: { "access-control-allow-origin": site.origin }, json: { errors } });
      });
      await goto();
      await row(0).waitFor();
      await scrollTo(1e6);
      await says(page.locator(".notice"), "has started over from the top");
      await row(0).waitFor();
      await scrollTo(1e6);
      await says(page.locator(".fault"), "after: is not a cursor");
      await page.waitForTimeout(500);
      assert.equal(requests.length, 4);
    });

    it("reports a service that does not allow this site as unreachable", async () => {
      await page.goto(site.otherOrigin);
      await says(page.locator(".fault"), "The service cannot be reached");
      assert.equal(await page.locator("tbody bdi").count(), 0);
      assert.ok(complaints.length > 0 && complaints.every((c) => /CORS|ERR_FAILED/.test(c)), String(complaints));
      await page.goto(site.origin);
      await row(0).waitFor();
    });

    it("explains that the service has another version, if it does not know an operation", async (t) => {
      // The service was updated first, or the page: its list is another release's.
      const list = join(mkdtempSync(join(tmpdir(), "rollcall-documents-")), "documents.json");
      writeFileSync(list, JSON.stringify(Object.fromEntries(Object.entries(documents).filter(([, text]) => !text.includes("query UsersPageQuery")))));
      const other = await startService({ UPSTREAM_URL: emulator.url, ELEVENLABS_API_KEY: "new-key", AUTH: "none", CORS_ORIGINS: site.origin, TRUSTED_DOCUMENTS: list });
      t.after(async () => {
        await other.stop();
        rmSync(dirname(list), { recursive: true });
      });
      site.use(other.url);
      await goto();
      await says(page.locator(".fault"), "This page is out of date");
      await says(page.locator(".fault"), "the service is still being updated");
      await shot("another version");
      // An update of the service's list reaches the page without a restart of the service.
      writeFileSync(list, JSON.stringify(documents));
      await until(async () => {
        await page.getByRole("button", { name: "Reload the page" }).click();
        await page.locator(".fault, tbody bdi").first().waitFor();
        return (await page.locator("tbody bdi").count()) > 0;
      }, "the service has the new list");
    });

    it("has a sentence for each code, and a button if it can help", async () => {
      let code;
      await page.route("**/graphql", (route) => {
        const errors = [{ message: "the service's message", extensions: { code, requestId: "the-request" } }];
        return route.fulfill({ status: 200, headers: { "access-control-allow-origin": site.origin }, json: { errors } });
      });
      const readme = readFileSync(join(root, "README.md"), "utf8").split("## Errors")[1].split("##")[0];
      const codes = [...readme.matchAll(/^\| (`[^|]+) \|/gm)].flatMap(([, cell]) => [...cell.matchAll(/[A-Z_]{6,}/g)].map(String));
      assert.ok(codes.length >= 13);
      const seen = {};
      for (code of [...codes, "A_CODE_OF_TOMORROW"]) {
        await goto();
        const title = await page.locator(".fault h2").textContent();
        seen[code] = [title, await page.locator(".fault button").allTextContents()];
        await says(page.locator(".fault .ids"), "the-request");
      }
      const [retry, reload] = [["Try again"], ["Reload the page"]];
      assert.deepEqual(seen, {
        BAD_USER_INPUT: ["Invalid request", []],
        UNAUTHENTICATED: ["You are not signed in", reload],
        FORBIDDEN: ["No permission", []],
        UPSTREAM_CREDENTIALS: ["The service's key was refused", []],
        NOT_FOUND: ["No such agent", []], // without a filter
        RATE_LIMITED: ["Too many requests", retry],
        OVERLOADED: ["The service is busy", retry],
        UPSTREAM_TIMEOUT: ["No response in time", retry],
        UPSTREAM_UNAVAILABLE: ["ElevenLabs is not available", retry],
        UPSTREAM_BAD_RESPONSE: ["Invalid response", retry],
        OPERATION_TOO_COMPLEX: ["Too large a request", []],
        GRAPHQL_PARSE_FAILED: ["This page is out of date", reload],
        GRAPHQL_VALIDATION_FAILED: ["This page is out of date", reload],
        PERSISTED_QUERY_NOT_IN_LIST: ["This page is out of date", reload],
        PERSISTED_QUERY_NOT_FOUND: ["The service does not know this page", reload],
        PERSISTED_QUERY_NOT_SUPPORTED: ["The service does not know this page", reload],
        PERSISTED_QUERY_ID_REQUIRED: ["The service does not know this page", reload],
        QUERY_NOT_IN_SAFELIST: ["The service does not know this page", reload],
        INTERNAL_SERVER_ERROR: ["The service has failed", retry],
        A_CODE_OF_TOMORROW: ["The service has failed", retry],
      });
    });

    it("offers to sign in if the page names an address for that", async () => {
      await page.route("**/", async (route) => {
        const response = await route.fetch();
        return route.fulfill({ response, body: (await response.text()).replace('name="sign-in-url" content=""', 'name="sign-in-url" content="https://login.test/"') });
      });
      await page.route("**/graphql", (route) =>
        route.fulfill({ status: 401, headers: { "access-control-allow-origin": site.origin }, json: { errors: [{ message: "no token", extensions: { code: "UNAUTHENTICATED" } }] } }),
      );
      await goto();
      assert.equal(await page.locator(".fault").getByRole("link", { name: "Sign in" }).getAttribute("href"), "https://login.test/");
      await page.locator(".fault").getByRole("button", { name: "Reload the page" }).waitFor();
    });

    it("reports responses that are not GraphQL, and a missing response", async () => {
      let answer;
      await page.route("**/graphql", (route) => (answer ? route.fulfill({ headers: { "access-control-allow-origin": site.origin }, ...answer }) : route.abort()));
      for (const [a, title] of [
        [{ status: 502, contentType: "text/html", body: "<h1>Bad Gateway</h1>" }, "Not a response of the service"],
        [{ status: 200, json: [] }, "Not a response of the service"],
        [{ status: 200, body: "null" }, "Not a response of the service"],
        [{ status: 500, json: { errors: [{}] } }, "The service has failed"],
        [undefined, "The service cannot be reached"],
      ]) {
        answer = a;
        await goto();
        await says(page.locator(".fault"), title);
      }
      await page.context().setOffline(true);
      await page.getByRole("button", { name: "Try again" }).click();
      await says(page.locator(".fault"), "You are offline");
    });
  });

  describe("accessibility", () => {
    it("can be used without a mouse", async () => {
      await goto();
      await row(0).waitFor();
      const focus = () => page.evaluate(() => document.activeElement.getAttribute("aria-label") ?? document.activeElement.textContent);
      const press = (...keys) => keys.reduce((before, key) => before.then(() => page.keyboard.press(key)), Promise.resolve());
      const all = ids(await list());

      await press("Tab", "Tab");
      assert.equal(await focus(), "Skip to the users");
      await shot("skip");
      await press("Enter");
      assert.equal(await focus(), all[0]);
      await press("ArrowDown", "ArrowDown", "ArrowUp");
      assert.equal(await focus(), all[1]);
      // Past the pages that are loaded meanwhile.
      for (let i = 0; i < 59; i++) {
        await press("ArrowDown");
        await until(async () => (await focus()) === all[2 + i], `the focus is on row ${2 + i}`);
      }
      await shot("focus");
      await press("Enter");
      await says(page.locator("h1"), all[60]);
      await press("Shift+Tab");
      assert.match(await focus(), /Users/);
      await press("Enter");
      await row(60).waitFor();
      await until(async () => (await focus()) === all[60], "the focus is where it was");
      // The row with the focus stays rendered, however far the page is scrolled.
      await scrollTo(0);
      await row(0).waitFor();
      assert.equal(await focus(), all[60]);
      await press("ArrowDown");
      assert.equal(await focus(), all[61]);

      await page.getByLabel("User ID").focus();
      await page.keyboard.type(all[5]);
      await press("Enter");
      await says(status(), "1 user");
      await press("Tab"); // the agent
      await page.keyboard.type("Order");
      await until(() => search().get("agent"), "the agent is chosen");
      await page.getByRole("columnheader", { name: "Conversations" }).getByRole("button").focus();
      await press("Enter");
      await until(() => search().get("sort") === "conversations", "the list is sorted");
      assert.match(await focus(), /Conversations/);
      assert.deepEqual(complaints, []);
    });

    for (const colorScheme of ["light", "dark"]) {
      for (const [screen, viewport] of Object.entries({ desktop, phone })) {
        it(`has no violation that axe detects: ${colorScheme}, ${screen}`, async () => {
          await open({ viewport, colorScheme });
          const check = async (state) => {
            await shot(`${state} (${colorScheme}, ${screen})`);
            await page.evaluate(axe);
            const { violations, passes } = await page.evaluate(() => window.axe.run({ resultTypes: ["violations"] }));
            assert.deepEqual(
              violations.map((v) => `${state}: ${v.id}: ${v.nodes.map((n) => n.target + " " + n.failureSummary)}`),
              [],
            );
            assert.ok(passes.length > 20);
            const overflow = await page.evaluate(() => document.documentElement.scrollWidth - innerWidth);
            assert.ok(overflow <= 0, `${state} is ${overflow} pixels too wide`);
          };
          const [user] = await list({ sortBy: "CONVERSATION_COUNT" });
          await goto("?sort=conversations");
          await row(20).waitFor();
          await check("list");
          await goto("?page=last");
          await page.getByRole("button", { name: "Show 50 users before these" }).waitFor();
          await check("last page");
          await goto(`?id=${user.id}`);
          await page.locator(".frustrated").waitFor();
          await check("user");
          await goto("?user=nobody");
          await page.locator(".empty").waitFor();
          await check("empty");
          await goto("?agent=agent_nobody");
          await page.locator(".fault").waitFor();
          await check("fault");
          faults.rule = () => ({ delay: 1500 });
          await goto();
          await page.locator(".skeleton").first().waitFor();
          await page.waitForTimeout(400); // until it is visible
          await check("loading");
        });
      }
    }

    it("shows a table with sortable headers from 600 pixels on", async () => {
      for (const [width, isTable] of [[599, false], [600, true], [900, true]]) {
        await open({ viewport: { width, height: 800 } });
        await goto();
        await row(0).waitFor();
        const header = await page.getByRole("columnheader", { name: "Conversations" }).boundingBox();
        assert.equal(header.width > 60, isTable, `${width}`);
        assert.equal(await page.getByRole("button", { name: "Filters" }).isVisible(), !isTable);
        assert.ok((await page.evaluate(() => document.documentElement.scrollWidth - innerWidth)) <= 0);
      }
    });

    it("has no animation if reduced motion is preferred", async () => {
      await open({ reducedMotion: "reduce" });
      faults.rule = () => ({ delay: 1500 });
      await goto();
      await page.locator(".skeleton i").first().waitFor();
      assert.deepEqual(await page.evaluate(() => document.getAnimations().map((a) => a.animationName ?? a.transitionProperty)), []);
      assert.equal(await page.locator(".skeleton i").first().evaluate((i) => getComputedStyle(i).opacity), "1");
    });

    it("fits a phone's screen, and filters and sorts there", async () => {
      await open({ viewport: phone });
      await goto();
      await row(0).waitFor();
      assert.equal(await page.getByLabel("User ID").isVisible(), false);
      const filters = page.getByRole("button", { name: "Filters" });
      assert.equal(await filters.getAttribute("aria-expanded"), "false");
      await filters.click();
      await page.getByLabel("Talked from").fill("2026-10-31");
      await page.getByRole("button", { name: "Filters (1)" }).click();
      assert.equal(await page.getByLabel("Talked from").isVisible(), false);
      await page.getByRole("button", { name: "Clear filters" }).click();
      await says(status(), "The first 50 of 700 users");
      await page.getByLabel("Order").selectOption({ label: "Most frequent" });
      const want = await list({ sortBy: "CONVERSATION_COUNT" });
      await says(row(0), want[0].userId);
      assert.deepEqual(await walk(), ids(want));
    });
  });

  it("runs in development, through Vite's proxy", async () => {
    const port = await new Promise((resolve) => {
      const probe = createServer().listen(0, "127.0.0.1", () => {
        const { port } = probe.address();
        probe.close(() => resolve(port));
      });
    });
    const vite = spawn("node_modules/.bin/vite", ["--port", port, "--strictPort", "--host", "127.0.0.1"], {
      cwd: join(root, "examples/web"),
      env: { PATH: process.env.PATH, ROLLCALL: new URL(reference.url).origin },
      stdio: ["ignore", "pipe", "inherit"],
    });
    try {
      await new Promise((resolve, reject) => {
        vite.stdout.on("data", (chunk) => /Local/.test(chunk) && resolve());
        vite.once("exit", (code) => reject(new Error(`vite exited with ${code}`)));
      });
      await page.goto(`http://127.0.0.1:${port}/`);
      await row(0).waitFor({ timeout: 30_000 });
      await says(row(0), ids(await list())[0]);
      assert.deepEqual(complaints, []);
    } finally {
      vite.kill();
    }
  });
});
