// The playground in a real browser that can connect only to the service.

import assert from "node:assert/strict";
import { once } from "node:events";
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { createServer } from "node:http";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, it } from "node:test";
import { launch } from "./browser.mjs";
import { build, query, root, startEmulator, startService } from "./processes.mjs";

const assets = join(root, "internal/playground/assets");
const libraries = readFileSync(join(root, "internal/playground/libraries.txt"), "utf8")
  .split("\n")
  .filter((line) => line && !line.startsWith("#"))
  .map((line) => {
    const [, npm, file] = line.split(" ");
    return { url: `https://cdn.jsdelivr.net/npm/${npm}/${file}`, path: join(assets, file.split("/").at(-1)) };
  });

/** Opens the playground. Requests to other hosts are aborted, or handled by outside. */
async function open(browser, service, { outside, path = "/", ...options } = {}) {
  const origin = new URL(service.url).origin;
  const context = await browser.newContext({ viewport: { width: 1360, height: 860 }, ...options });
  const page = await context.newPage();
  const seen = { outside: [], complaints: [], requests: [] };
  await context.route("**", (route) => {
    const request = route.request();
    if (request.url().startsWith(`${origin}/`)) {
      if (request.method() === "POST") seen.requests.push({ headers: request.headers(), body: request.postDataJSON() });
      return route.continue();
    }
    seen.outside.push(request.url());
    return outside ? outside(route) : route.abort();
  });
  page.on("console", (message) => message.type() === "error" && seen.complaints.push(message.text()));
  page.on("pageerror", (error) => seen.complaints.push(String(error)));
  await page.exposeFunction("complain", (what) => seen.complaints.push(what));
  await page.addInitScript(() =>
    document.addEventListener("securitypolicyviolation", (e) => complain(`${e.violatedDirective} ${e.blockedURI} ${e.sample}`)),
  );
  await page.goto(origin + path);
  const editor = (selector) => ({
    get: () => page.evaluate((s) => document.querySelector(`${s} .CodeMirror`)?.CodeMirror.getValue(), selector),
    set: (text) => page.evaluate(([s, t]) => document.querySelector(`${s} .CodeMirror`).CodeMirror.setValue(t), [selector, text]),
  });
  return {
    page,
    seen,
    query: editor(".graphiql-query-editor"),
    variables: editor(".graphiql-editor-tool .graphiql-editor:nth-child(1)"),
    headers: editor(".graphiql-editor-tool .graphiql-editor:nth-child(2)"),
    ready: () => page.waitForSelector(".graphiql-execute-button"),
    tab: (name) => page.locator(".graphiql-tab", { hasText: name }).locator(".graphiql-tab-button").click(),
    tabs: () => page.locator(".graphiql-tab-button").allTextContents(),
    reply: async () => JSON.parse(await editor(".result-window").get()),
    /** Runs the open operation, or presses another button that does, and reads the response. */
    run: async (button = ".graphiql-execute-button") => {
      const operation = page.waitForResponse((r) => r.url() === service.url && !/IntrospectionQuery|Sample/.test(r.request().postDataJSON().operationName));
      await page.locator(button).click();
      await (await operation).finished();
      await page.waitForFunction(() => document.querySelector(".result-window .CodeMirror").CodeMirror.getValue().endsWith("}"));
      return JSON.parse(await editor(".result-window").get());
    },
    /** Waits until GraphiQL has stored the texts with their tab, half a second after each edit. */
    settled: () =>
      page.waitForFunction(() => {
        const { tabs, activeTabIndex } = JSON.parse(sessionStorage["graphiql:tabState"]);
        return ["query", "variables"].every((part) => (tabs[activeTabIndex][part] ?? "") === (sessionStorage[`graphiql:${part}`] ?? ""));
      }),
    /** All that the browser stores for the page. */
    kept: () => page.evaluate(() => [localStorage, sessionStorage].map((area) => ({ ...area }))),
    close: () => context.close(),
  };
}

/** The lowest contrast of each kind of text in the editors and the tabs; it runs in the page. */
function contrasts() {
  const rgba = (color) => {
    const [r, g, b, a = 1] = color.match(/[\d.]+/g).map(Number);
    return [r, g, b, a];
  };
  const over = ([r, g, b, a], below) => [r, g, b].map((v, i) => v * a + below[i] * (1 - a));
  const background = (element) => (element ? over(rgba(getComputedStyle(element).backgroundColor), background(element.parentElement)) : [255, 255, 255]);
  const luminance = (color) => {
    const [r, g, b] = color.map((v) => (v / 255 <= 0.04045 ? v / 255 / 12.92 : ((v / 255 + 0.055) / 1.055) ** 2.4));
    return 0.2126 * r + 0.7152 * g + 0.0722 * b;
  };
  const lowest = {};
  for (const element of document.querySelectorAll('.result-window [class^="cm-"], .graphiql-query-editor [class^="cm-"], .graphiql-tab-button, header p')) {
    if (!element.textContent.trim()) continue;
    const below = background(element);
    const [dark, light] = [luminance(below), luminance(over(rgba(getComputedStyle(element).color), below))].sort((a, b) => a - b);
    const name = element.className || element.tagName;
    lowest[name] = Math.min(lowest[name] ?? Infinity, (light + 0.05) / (dark + 0.05));
  }
  return lowest;
}

const ids = (users) => (users.nodes ?? users.edges.map((e) => e.node)).map((user) => user.userId);

describe("the playground", () => {
  let browser, demo;
  before(async () => {
    assert.ok(libraries.length === 4 && libraries.every(({ path }) => readdirSync(assets).includes(path.split("/").at(-1))), "run `make playground` first");
    browser = await launch();
    demo = await startService();
  });
  after(async () => {
    await browser?.close();
    await demo?.stop();
  });

  describe("in the demo, without the internet", () => {
    let view, list, end;
    before(async () => {
      view = await open(browser, demo);
      await view.ready();
      const { data } = await query(demo.url, "{ users(first: 15) { nodes { userId lastContactAt lastContactAgent { agentId } } } last: users(last: 15) { nodes { userId } } }");
      list = data.users.nodes;
      end = ids(data.last);
    });
    after(() => view.close());
    const users = (from, to) => list.slice(from, to).map((user) => user.userId);

    it("names itself, and requests only the schema", async () => {
      assert.match(await view.page.locator("header").innerText(), /Rollcall\s+Demo\s+These users are made up/);
      assert.deepEqual(view.seen.requests.map((r) => r.body.operationName), ["IntrospectionQuery"]);
    });

    it("opens with examples", async () => {
      assert.deepEqual(await view.tabs(), ["FirstPage", "NextPage", "LastPage", "Count", "ByAgent", "OneUser", "NestedAgents", "Entities"]);
      assert.match(await view.query.get(), /query FirstPage/);
    });

    it("shows a first page, and the next ones", async () => {
      assert.deepEqual(ids((await view.run()).data.users), users(0, 5));
      const next = '[aria-label="Next page"]';
      assert.deepEqual(ids((await view.run(next)).data.users), users(5, 10));
      assert.deepEqual(ids((await view.run(next)).data.users), users(10, 15));
    });

    it("shows the last page, and the previous ones", async () => {
      await view.tab("LastPage");
      assert.deepEqual(ids((await view.run()).data.users), end.slice(10));
      const previous = '[aria-label="Previous page"]';
      assert.deepEqual(ids((await view.run(previous)).data.users), end.slice(5, 10));
      assert.deepEqual(ids((await view.run(previous)).data.users), end.slice(0, 5));
      assert.ok(await view.page.locator('[aria-label="Next page: for a query with $after"]').isDisabled());
    });

    const examples = {
      Count: async ({ users: page }) => {
        const since = new Date(Date.parse(list[0].lastContactAt) - 24 * 60 * 60 * 1000).toISOString();
        const text = "query ($since: DateTime!) { users(first: 500, filter: { callStartedAfter: $since }) { nodes { userId } pageInfo { hasNextPage } } }";
        const { data } = await query(demo.url, text, { since });
        assert.equal(data.users.pageInfo.hasNextPage, false);
        assert.ok(page.totalCount > 5);
        assert.equal(page.totalCount, data.users.nodes.length);
        assert.deepEqual(ids(page), users(0, 5));
      },
      NextPage: ({ users: page }) => {
        assert.deepEqual(ids(page), users(5, 10));
        assert.equal(page.pageInfo.hasPreviousPage, true);
      },
      ByAgent: ({ users: page }) => {
        const counts = page.nodes.map((user) => user.conversationCount);
        assert.equal(counts.length, 5);
        assert.deepEqual(counts, counts.toSorted((a, b) => b - a));
      },
      OneUser: ({ user }) => {
        assert.equal(user.userId, list[0].userId);
        assert.ok(user.sentiment.overall.scoredConversationCount >= 0);
      },
      NestedAgents: ({ users: page }) => assert.deepEqual(page.nodes.map((user) => user.lastContactAgent.users.nodes.length), [3, 3, 3, 3]),
      Entities: ({ _entities }) => {
        assert.deepEqual(_entities.map((e) => e.__typename), ["User", "Agent", "User"]);
        assert.equal(_entities[0].userId, list[0].userId);
        assert.equal(_entities[1].users.nodes.length, 2);
        assert.equal(_entities[2].conversationCount, 0);
      },
    };
    for (const [name, check] of Object.entries(examples)) {
      it(`runs the example ${name} unchanged`, async () => {
        await view.tab(name);
        const { data, errors } = await view.run();
        assert.equal(errors, undefined);
        await check(data);
        const { body } = view.seen.requests.at(-1);
        assert.equal(body.operationName, name);
        // The editor shows the variables that were sent.
        assert.deepEqual(JSON.parse((await view.variables.get()) || "{}"), body.variables ?? {});
        await view.page.waitForTimeout(1200); // the editors validate half a second later
        assert.equal(await view.page.locator(".CodeMirror-lint-mark-error, .CodeMirror-lint-mark-warning").count(), 0);
      });
    }

    it("keeps variables that were edited", async () => {
      await view.tab("OneUser");
      await view.variables.set('{ "userId": "nobody" }');
      assert.deepEqual((await view.run()).data, { user: null });
      await view.tab("FirstPage");
      await view.variables.set('{ "first": 2 }');
      assert.deepEqual(ids((await view.run()).data.users), users(0, 2));
    });

    it("disables the button if there is no next page", async () => {
      await view.variables.set('{ "first": 0 }');
      await view.run();
      assert.ok(await view.page.locator('[aria-label="Next page: there is none"]').isDisabled());
      await view.tab("OneUser");
      assert.ok(await view.page.locator('[aria-label="Next page: for a query with $after"]').isDisabled());
    });

    it("shows the service's errors", async () => {
      await view.tab("FirstPage");
      await view.variables.set('{ "first": 1000 }');
      assert.equal((await view.run()).errors[0].extensions.code, "BAD_USER_INPUT");
    });

    it("shows the schema's documentation", async () => {
      await view.page.locator('[aria-label="Show Documentation Explorer"]').click();
      await view.page.locator(".graphiql-doc-explorer").getByText("UserConnection", { exact: true }).first().click();
      await view.page.getByText("The users without their edges. Clients that merge pages should use edges.").waitFor();
    });

    it("opens the dialogs and the history", async () => {
      await view.page.locator('[aria-label="Show History"]').click();
      await view.page.locator(".graphiql-history-item").first().waitFor();
      await view.page.locator('[aria-label="Open settings dialog"]').click();
      await view.page.locator(".graphiql-dialog").getByText("Dark").click();
      assert.ok(await view.page.evaluate(() => document.body.classList.contains("graphiql-dark")));
      await view.page.keyboard.press("Escape");
      await view.page.locator('[aria-label="Open short keys dialog"]').click();
      await view.page.getByRole("heading", { name: "Short Keys" }).waitFor();
      await view.page.keyboard.press("Escape");
    });

    it("restores all but the responses after a reload", async () => {
      await view.settled();
      await view.page.reload();
      await view.ready();
      assert.ok(await view.page.evaluate(() => document.body.classList.contains("graphiql-dark")));
      assert.equal((await view.tabs()).length, 8);
      const [local, session] = await view.kept();
      assert.deepEqual(Object.keys(local), ["graphiql:theme"]);
      assert.match(session["graphiql:tabState"], /query FirstPage/);
    });

    it("has not violated its content security policy, or sent a request to another host", () => {
      assert.deepEqual(view.seen.complaints, []);
      assert.deepEqual(view.seen.outside, []);
    });
  });

  describe("with AUTH=passthrough", () => {
    let emulator, service, view;
    before(async () => {
      emulator = await startEmulator("-users", "20", "-keys", "canary-key");
      service = await startService({ UPSTREAM_URL: emulator.url, AUTH: "passthrough", PLAYGROUND: "on", INTROSPECTION: "on" });
      view = await open(browser, service);
      await view.ready();
    });
    after(async () => {
      await view?.close();
      await service?.stop();
      await emulator?.stop();
    });
    const code = (reply) => reply.errors[0].extensions.code;

    it("requests a key before it sends anything", async () => {
      await view.page.getByText("Enter your key to begin.").waitFor();
      assert.equal(await view.page.locator("#secret").getAttribute("aria-invalid"), "true");
      assert.deepEqual(view.seen.requests, []);
    });

    it("sends the key, and reads the schema with it", async () => {
      await view.page.locator("#secret").fill("canary-key");
      assert.equal((await view.run()).data.users.edges.length, 5);
      assert.equal(await view.page.locator("#notice").textContent(), "");
      assert.deepEqual(new Set(view.seen.requests.map((r) => r.headers["xi-api-key"])), new Set(["canary-key"]));
      assert.ok(view.seen.requests.some((r) => r.body.operationName === "IntrospectionQuery"));
    });

    it("shows that a wrong key was refused, also for an example's own request", async () => {
      await view.page.locator("#secret").fill("canary-wrong");
      assert.equal(code(await view.run()), "UNAUTHENTICATED");
      await view.tab("OneUser");
      await view.page.locator(".graphiql-execute-button").click();
      await view.page.locator(".result-window").getByText("UNAUTHENTICATED").waitFor();
      assert.deepEqual(JSON.parse(await view.variables.get()), { userId: "" });
    });

    it("offers nothing but a key", async () => {
      assert.match(await view.page.locator("#credential").innerText(), /^xi-api-key$/);
    });

    it("prefers the headers of GraphiQL's own editor", async () => {
      await view.page.getByRole("button", { name: "Headers", exact: true }).click();
      await view.tab("NestedAgents");
      await view.headers.set('{ "xi-api-key": "canary-key" }');
      await view.page.waitForTimeout(700); // GraphiQL stores an edit half a second later, also in its history
      assert.equal((await view.run()).data.users.nodes.length, 4);
    });

    it("stores no credential", async () => {
      await view.page.waitForTimeout(700);
      const kept = JSON.stringify(await view.kept());
      for (const store of ["tabState", "queries"]) assert.match(kept, new RegExp(`graphiql:${store}.*NestedAgents`));
      assert.doesNotMatch(kept, /canary/);
      assert.deepEqual(await view.page.context().cookies(), []);
      await view.page.reload();
      await view.page.getByText("Enter your key to begin.").waitFor();
      assert.equal(await view.page.locator("#secret").inputValue(), "");
      assert.doesNotMatch(await view.page.content(), /canary/);
      assert.equal(code(await view.run()), "UNAUTHENTICATED");
    });

    it("has not violated its content security policy, or sent a request to another host", () => {
      // A browser reports a response with status 401 as an error of the page.
      assert.deepEqual(view.seen.complaints.filter((text) => !/status of 401/.test(text)), []);
      assert.deepEqual(view.seen.outside, []);
    });
  });

  it("sends a bearer token with AUTH=jwt", async () => {
    const issuer = createServer((_, response) => response.end('{"keys":[]}')).listen(0, "127.0.0.1");
    await once(issuer, "listening");
    const service = await startService({
      UPSTREAM_URL: "http://127.0.0.1:9", ELEVENLABS_API_KEY: "k", PLAYGROUND: "on", INTROSPECTION: "on",
      AUTH: "jwt", JWT_JWKS_URL: `http://127.0.0.1:${issuer.address().port}/`, JWT_ISSUER: "issuer", JWT_AUDIENCE: "rollcall",
    });
    const view = await open(browser, service);
    await view.ready();
    await view.page.getByText("Enter your token to begin.").waitFor();
    await view.page.locator("#secret").fill("Bearer canary-token");
    assert.equal((await view.run()).errors[0].extensions.code, "UNAUTHENTICATED");
    const { headers } = view.seen.requests.at(-1);
    assert.equal(headers.authorization, "Bearer canary-token");
    assert.equal(headers["xi-api-key"], undefined);
    await view.close();
    await service.stop();
    issuer.close();
  });

  it("works below a path that a proxy removes", async () => {
    const proxy = createServer(async (request, response) => {
      const target = new URL(request.url.replace(/^\/people\//, "/"), demo.url);
      const sent = { method: request.method, headers: { ...request.headers, host: target.host, origin: target.origin }, body: request.method === "POST" ? request : undefined, duplex: "half" };
      delete sent.headers.connection;
      const reply = request.url.startsWith("/people/") ? await fetch(target, sent) : new Response("", { status: 404 });
      const headers = Object.fromEntries([...reply.headers].filter(([name]) => !/^(content-(encoding|length)|connection|transfer-encoding)$/.test(name)));
      response.writeHead(reply.status, headers).end(Buffer.from(await reply.arrayBuffer()));
    }).listen(0, "127.0.0.1");
    await once(proxy, "listening");
    const url = `http://127.0.0.1:${proxy.address().port}/people/graphql`;
    const view = await open(browser, { url }, { path: "/people/" });
    await view.ready();
    assert.equal((await view.run()).data.users.edges.length, 5);
    assert.deepEqual(view.seen.complaints, []);
    await view.close();
    proxy.closeAllConnections();
    proxy.close();
  });

  for (const colorScheme of ["light", "dark"]) {
    it(`is readable and complete in the ${colorScheme} theme`, async () => {
      const view = await open(browser, demo, { colorScheme });
      await view.ready();
      const hint = () => view.page.evaluate(() => getComputedStyle(document.querySelector(".result-window"), "::before").content);
      assert.match(await hint(), /to run the query/);
      // The editor of variables, which are empty, does not take the query's room.
      await view.page.locator('[aria-label="Show editor tools"]').waitFor();
      await view.run();
      assert.doesNotMatch(await hint(), /to run/);
      const ratios = await view.page.evaluate(contrasts);
      for (const name of ["cm-string", "cm-number", "cm-property", "cm-punctuation"]) assert.ok(ratios[name] >= 4.5, `${name}: ${JSON.stringify(ratios)}`);
      assert.ok(Object.values(ratios).every((ratio) => ratio >= 4.5), JSON.stringify(ratios));
      await view.tab("OneUser");
      await view.page.locator('[aria-label="Hide editor tools"]').waitFor();
      await view.close();
    });
  }

  it("stacks its panes on a phone", async () => {
    const view = await open(browser, demo, { viewport: { width: 390, height: 844 } });
    await view.ready();
    const box = (selector) => view.page.locator(selector).boundingBox();
    const [query, response] = [await box(".graphiql-editors"), await box(".graphiql-response")];
    assert.ok(response.y >= query.y + query.height && query.width > 300 && response.width > 300, JSON.stringify([query, response]));
    assert.ok(await view.page.evaluate(() => document.documentElement.scrollWidth <= innerWidth));
    await view.close();
  });

  it("works with introspection off, and says so", async () => {
    const service = await startService({ PLAYGROUND: "on", INTROSPECTION: "off" });
    const view = await open(browser, service);
    await view.ready();
    await view.page.getByText("Introspection is off: there are no docs and no completion.").waitFor();
    assert.equal((await view.run()).data.users.edges.length, 5);
    assert.deepEqual(view.seen.requests.map((r) => r.body.operationName), ["FirstPage"]);
    await view.page.locator('[aria-label="Show Documentation Explorer"]').click();
    await view.page.getByText("This service does not show its schema").waitFor();
    assert.deepEqual(view.seen.complaints, []);
    await view.close();
    await service.stop();
  });

  it("cannot be framed by another page", async () => {
    const context = await browser.newContext();
    const page = await context.newPage();
    const refused = page.waitForEvent("console", (m) => /frame-ancestors/.test(m.text()));
    await page.setContent(`<iframe src="${new URL("/", demo.url)}"></iframe>`);
    assert.match((await refused).text(), /'none'/);
    await context.close();
  });

  it("is not served with PLAYGROUND=off", async () => {
    const [on, off] = [demo, await startService({ PLAYGROUND: "off" })];
    const page = await (await fetch(new URL("/", on.url))).text();
    const paths = ["/", ...[...page.matchAll(/(?:src|href)="([^"]+)"/g)].map((m) => m[1])];
    assert.equal(paths.length, 1 + 1 + libraries.length + 2 + 1); // two of these are the icon
    for (const path of paths) {
      assert.equal((await fetch(new URL(path, on.url))).status, 200, path);
      assert.equal((await fetch(new URL(path, off.url))).status, 404, path);
    }
    await off.stop();
  });

  describe("in a build without the assets", () => {
    let folder, service;
    before(async () => {
      // An overlay hides files from a build.
      folder = mkdtempSync(join(tmpdir(), "rollcall-overlay-"));
      writeFileSync(join(folder, "overlay.json"), JSON.stringify({ Replace: Object.fromEntries(libraries.map(({ path }) => [path, ""])) }));
      service = await startService({}, build("rollcall-cdn", ".", `-overlay=${join(folder, "overlay.json")}`));
    });
    after(async () => {
      await service?.stop();
      rmSync(folder, { recursive: true, force: true });
    });
    /** Responds instead of the CDN, with npm's files or a change of them. */
    const cdn = (change) => (route) => {
      const { path } = libraries.find(({ url }) => url === route.request().url());
      const contentType = path.endsWith(".css") ? "text/css" : "text/javascript";
      return route.fulfill({ body: change(readFileSync(path, "utf8")), contentType, headers: { "access-control-allow-origin": "*" } });
    };

    it("logs that, and the command that changes it", () => assert.match(service.output(), /make playground/));

    it("works with the CDN", async () => {
      const view = await open(browser, service, { outside: cdn((text) => text) });
      await view.ready();
      assert.equal((await view.run()).data.users.edges.length, 5);
      assert.deepEqual(view.seen.outside.sort(), libraries.map(({ url }) => url).sort());
      assert.deepEqual(view.seen.complaints, []);
      await view.close();
    });

    it("runs no file that was changed in transit", async () => {
      const view = await open(browser, service, { outside: cdn((text) => `${text}\nglobalThis.changed = true;`) });
      await view.page.getByText("The editor did not load").waitFor();
      assert.equal(await view.page.evaluate(() => globalThis.changed ?? globalThis.React), undefined);
      assert.match(view.seen.complaints.join(), /integrity/);
      await view.close();
    });

    it("shows the command to use if the CDN cannot be reached", async () => {
      const view = await open(browser, service);
      await view.page.getByText("make playground").waitFor();
      await view.close();
    });
  });
});
