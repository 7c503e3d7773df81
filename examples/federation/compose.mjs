// Composes the three subgraphs into a supergraph. Rollcall's part is its schema
// file, which is what it serves as _service { sdl } where introspection is on.

import { readFileSync } from "node:fs";
import { composeServices } from "@apollo/composition";
import { parse } from "graphql";

/** The subgraphs' schema files. */
export const schemas = {
  rollcall: new URL("../../graph/schema.graphqls", import.meta.url),
  accounts: new URL("accounts.graphql", import.meta.url),
  agents: new URL("agents.graphql", import.meta.url),
};

/** Composes the subgraphs at the URLs given, by name. Throws with every error. */
export function compose(urls) {
  const subgraphs = Object.entries(schemas).map(([name, file]) => ({ name, url: urls[name], typeDefs: parse(readFileSync(file, "utf8")) }));
  const { errors, hints, supergraphSdl } = composeServices(subgraphs);
  if (errors?.length) throw new Error(errors.map((e) => e.message).join("\n"));
  return { supergraphSdl, hints };
}
