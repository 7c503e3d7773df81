// A gateway over a supergraph: Hive Gateway, and GraphiQL with a tab for each of queries.graphql.

import { readFileSync } from "node:fs";
import { createGatewayRuntime } from "@graphql-hive/gateway";
import { renderGraphiQL } from "@graphql-yoga/render-graphiql";
import { listen } from "./subgraph.mjs";

// A query of the file begins with its comment.
const queries = readFileSync(new URL("queries.graphql", import.meta.url), "utf8").trim().split(/\n\n(?=#)/);

/** Passes the headers named in forward on to the subgraphs. Resolves to { url, close }. */
export async function start(supergraphSdl, port = 0, forward = []) {
  const gateway = createGatewayRuntime({
    supergraph: supergraphSdl,
    logging: false,
    propagateHeaders: {
      fromClientToSubgraphs: ({ request }) => Object.fromEntries(forward.filter((name) => request.headers.has(name)).map((name) => [name, request.headers.get(name)])),
    },
    renderGraphiQL, // the page without a CDN
    graphiql: { title: "Rollcall, accounts and agents", defaultTabs: queries.map((query) => ({ query })) },
  });
  const server = await listen(gateway, port);
  return {
    url: server.url,
    close: async () => {
      await server.close();
      await gateway[Symbol.asyncDispose]();
    },
  };
}
