// Writes schema.graphql, for Relay's compiler, from the service's schema. The compiler cannot read `extend schema` of
// Apollo Federation, and ignores its directives.

import { readFileSync, writeFileSync } from "node:fs";

const served = readFileSync(new URL("../../graph/schema.graphqls", import.meta.url), "utf8");
const schema = served.replace(/^extend schema\n(?:  .*\n)+/m, "");
if (schema === served) throw new Error("The service's schema no longer begins with `extend schema`; change schema.mjs.");
writeFileSync(new URL("schema.graphql", import.meta.url), schema);
