// Makes schema.graphql, which Relay's compiler reads, of the service's schema. The compiler knows nothing of federation:
// it cannot read `extend schema`, and passes over directives.

import { readFileSync, writeFileSync } from "node:fs";

const served = readFileSync(new URL("../../graph/schema.graphqls", import.meta.url), "utf8");
const schema = served.replace(/^extend schema\n(?:  .*\n)+/m, "");
if (schema === served) throw new Error("The service's schema does not begin with `extend schema` any more; see schema.mjs.");
writeFileSync(new URL("schema.graphql", import.meta.url), schema);
