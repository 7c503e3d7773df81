// Composes the three subgraphs into a supergraph. Rollcall's part is its schema
// file, which it also serves as _service { sdl } if introspection is on.

import { readFileSync } from "node:fs";
import { composeServices } from "@apollo/composition";
import { parse } from "graphql";

/** The subgraphs' schema files. */
export const schemas = {
  rollcall: new URL("../../graph/schema.graphqls", import.meta.url),
  accounts: new URL("accounts.graphql", import.meta.url),
  agents: new URL("agents.graphql", import.meta.url),
};

/** Apollo's composition of parts { name, url, text }. */
export const apollo = (parts) => composeServices(parts.map(({ name, url, text }) => ({ name, url, typeDefs: parse(text) })));

/** The supergraph of the subgraphs at the URLs given, by name. Throws with every error. */
export function compose(urls) {
  const { errors, supergraphSdl } = apollo(Object.entries(schemas).map(([name, file]) => ({ name, url: urls[name], text: readFileSync(file, "utf8") })));
  if (errors?.length) throw new Error(errors.map((e) => e.message).join("\n"));
  return supergraphSdl;
}
