// A gateway over a supergraph: Hive Gateway with the planner of Hive Router, which takes about half the processor time
// of its own, and GraphiQL with a tab for each query of queries.graphql.

import { readFileSync } from "node:fs";
import { createGatewayRuntime } from "@graphql-hive/gateway";
import { unifiedGraphHandler } from "@graphql-hive/router-runtime";
import { renderGraphiQL } from "@graphql-yoga/render-graphiql";
import { listen } from "./subgraph.mjs";

// In the file, a comment precedes each query.
const queries = readFileSync(new URL("queries.graphql", import.meta.url), "utf8").trim().split(/\n\n(?=#)/);

/** Forwards the named headers to the subgraphs. An empty planner is Hive Gateway's own. Resolves to { url, close }. */
export async function start(supergraphSdl, port = 0, forward = [], planner = { unifiedGraphHandler }) {
  const gateway = createGatewayRuntime({
    supergraph: supergraphSdl,
    logging: false,
    ...planner,
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
