// Apollo's gateway over a supergraph, in Apollo's server.

import { ApolloGateway, RemoteGraphQLDataSource } from "@apollo/gateway";
import { ApolloServer } from "@apollo/server";
import { startStandaloneServer } from "@apollo/server/standalone";

// By default the gateway looks for a cloud around it, and reports to its vendor.
process.env.APOLLO_TELEMETRY_DISABLED = "true";

const silent = { debug() {}, info() {}, warn() {}, error() {} };

/** Forwards the named headers to the subgraphs, and sends hashes of documents if apq is true. Resolves to { url, close }. */
export async function start(supergraphSdl, port = 0, forward = [], apq = false) {
  const willSendRequest = ({ request, context }) => {
    for (const name of forward) if (context.headers?.[name]) request.http.headers.set(name, context.headers[name]);
  };
  const gateway = new ApolloGateway({ supergraphSdl, logger: silent, buildService: ({ url }) => new RemoteGraphQLDataSource({ url, apq, willSendRequest }) });
  const server = new ApolloServer({ gateway, logger: silent });
  const { url } = await startStandaloneServer(server, { listen: { host: "127.0.0.1", port }, context: async ({ req }) => ({ headers: req.headers }) });
  return { url, close: () => server.stop() };
}
