// Writes the two files that Relay's compiler needs: schema.graphql, from the service's schema, and an empty
// documents.json, to which the compiler adds each operation's text under its ID. It adds only operations whose artifacts
// are not up to date, so the artifacts are removed.

import { readFileSync, rmSync, writeFileSync } from "node:fs";

// The compiler cannot read `extend schema` of Apollo Federation, and ignores its directives.
const served = readFileSync(new URL("../../graph/schema.graphqls", import.meta.url), "utf8");
const schema = served.replace(/^extend schema\n(?:  .*\n)+/m, "");
if (schema === served) throw new Error("The service's schema no longer begins with `extend schema`; change prepare.mjs.");
writeFileSync(new URL("schema.graphql", import.meta.url), schema);
writeFileSync(new URL("documents.json", import.meta.url), "{}\n");
rmSync(new URL("src/__generated__", import.meta.url), { recursive: true, force: true });
