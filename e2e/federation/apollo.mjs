// Apollo's gateway over a supergraph, behind Apollo's server.

import { ApolloGateway } from "@apollo/gateway";
import { ApolloServer } from "@apollo/server";
import { startStandaloneServer } from "@apollo/server/standalone";

// Else the gateway looks for a cloud around it, and reports to its vendor.
process.env.APOLLO_TELEMETRY_DISABLED = "true";

const silent = { debug() {}, info() {}, warn() {}, error() {} };

/** Resolves to { url, close }. */
export async function start(supergraphSdl) {
  const gateway = new ApolloGateway({ supergraphSdl, logger: silent });
  const server = new ApolloServer({ gateway, logger: silent });
  const { url } = await startStandaloneServer(server, { listen: { host: "127.0.0.1", port: 0 } });
  return { url, close: () => server.stop() };
}
