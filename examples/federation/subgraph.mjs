// Serves a subgraph on loopback: @apollo/subgraph builds the schema, graphql-http serves it.

import { readFileSync } from "node:fs";
import { createServer } from "node:http";
import { buildSubgraphSchema } from "@apollo/subgraph";
import { parse } from "graphql";
import { createHandler } from "graphql-http/lib/use/http";

/** Serves a schema file of this folder. Resolves to { url, close }. */
export function serve(file, port, resolvers) {
  const typeDefs = parse(readFileSync(new URL(file, import.meta.url), "utf8"));
  return listen(createHandler({ schema: buildSubgraphSchema({ typeDefs, resolvers }) }), port);
}

/** Serves requests on loopback; port 0 takes a free port. Resolves to { url, close }. */
export function listen(handler, port) {
  const server = createServer(handler);
  return new Promise((resolve, reject) => {
    server.once("error", reject);
    server.listen(port, "127.0.0.1", () =>
      resolve({
        url: `http://127.0.0.1:${server.address().port}/graphql`,
        close: () => new Promise((closed) => server.close(closed).closeAllConnections()),
      }),
    );
  });
}
