// Serves the built example application as static files.

import { createReadStream, existsSync, readFileSync } from "node:fs";
import { createServer } from "node:http";
import { extname, join } from "node:path";
import { root } from "./processes.mjs";

const dist = join(root, "examples/web/dist");
const types = { ".html": "text/html", ".js": "text/javascript", ".css": "text/css", ".svg": "image/svg+xml" };

/** Serves the application on a free port of loopback. Its page names the endpoint of the last call of use. */
export async function startSite() {
  if (!existsSync(dist)) throw new Error("The application is not built: cd examples/web && npm ci && npm run build");
  const html = readFileSync(join(dist, "index.html"), "utf8");
  const named = /(<meta name="graphql-url" content=")[^"]*/;
  if (!named.test(html)) throw new Error("The application's page names no endpoint.");

  let endpoint = "/graphql";
  const server = createServer((request, response) => {
    const { pathname } = new URL(request.url, "http://site");
    const file = join(dist, pathname);
    if (pathname === "/") {
      response.setHeader("content-type", "text/html; charset=utf-8");
      response.end(html.replace(named, (_, before) => before + endpoint));
    } else if (/^\/(assets\/)?[\w.-]+$/.test(pathname) && existsSync(file)) {
      response.setHeader("content-type", types[extname(file)]);
      createReadStream(file).pipe(response);
    } else {
      response.writeHead(404).end();
    }
  });
  await new Promise((resolve) => server.listen(0, "127.0.0.1", resolve));
  const { port } = server.address();
  return {
    origin: `http://127.0.0.1:${port}`,
    /** The same server under another name, and therefore another origin. */
    otherOrigin: `http://localhost:${port}`,
    use: (url) => (endpoint = url),
    close: () => {
      server.close();
      server.closeAllConnections();
    },
  };
}
