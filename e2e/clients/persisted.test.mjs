// The recipes of docs/clients.md for persisted documents: by hash, and with the files of trusted documents that the
// clients' tools write.

import assert from "node:assert/strict";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { after, before, describe, it } from "node:test";
import { query, startService } from "../processes.mjs";
import { blocks, sh, writeWithPackages } from "./recipes.mjs";

/** The files that the recipes' tools write, and the programs that send their IDs. */
const trusted = {
  relay: { file: "relay/documents.json", programs: ["relay/trusted.sh"], free: "relay/run.sh" },
  apollo: { file: "apollo/documents.json", programs: ["apollo/trusted.sh"], free: "apollo/run.sh" },
  codegen: { file: "codegen/gql/persisted-documents.json", programs: ["codegen/trusted.sh", "codegen/trusted-urql.sh"] },
  curl: { file: "curl/documents.json", programs: ["curl/trusted.sh", "curl/trusted-get.sh"], free: "curl/run.sh" },
};

describe("persisted documents", () => {
  let built, demo, all;
  before(async () => {
    built = await writeWithPackages();
    demo = await startService();
    const text = '{ users(first: 500, filter: { callStartedAfter: "2026-10-31T12:00:00Z" }) { nodes { userId } } }';
    const { data } = await query(demo.url, text);
    all = data.users.nodes.map((user) => user.userId);
    assert.ok(all.length > 60);
  });
  after(() => demo?.stop());

  /** Runs a block of the page in its folder. */
  const run = (file, service = demo) => sh(blocks.get(file), join(built, file.split("/")[0]), { ROLLCALL_URL: service.url });
  const succeeded = ({ code, lines, stderr }) => {
    assert.equal(code, 0, stderr);
    assert.deepEqual(lines.filter((line) => all.includes(line)), all);
  };

  for (const AUTOMATIC_PERSISTED_QUERIES of ["on", "off"]) {
    describe(`with AUTOMATIC_PERSISTED_QUERIES=${AUTOMATIC_PERSISTED_QUERIES}`, () => {
      let service;
      before(async () => (service = await startService({ AUTOMATIC_PERSISTED_QUERIES })));
      after(() => service?.stop());
      for (const name of ["apollo", "urql"]) it(`${name}'s automatic.js prints all users`, async () => succeeded(await run(`${name}/automatic.sh`, service)));
    });
  }

  it("has a test for each program", () => {
    const programs = [...blocks.keys()].filter((file) => /\/(trusted[^/]*|documents)\.sh$/.test(file) && !file.endsWith("install.sh"));
    const tested = Object.entries(trusted).flatMap(([name, { programs }]) => [...programs, ...(blocks.has(`${name}/documents.sh`) ? [`${name}/documents.sh`] : [])]);
    assert.deepEqual(tested.sort(), programs.sort());
  });

  for (const [name, { file, programs, free }] of Object.entries(trusted)) {
    describe(`trusted documents of ${name}`, () => {
      let service, other;
      before(async () => {
        if (blocks.has(`${name}/documents.sh`)) {
          const { code, lines, stderr } = await run(`${name}/documents.sh`);
          assert.equal(code, 0, [...lines, stderr].join("\n"));
        }
        service = await startService({ TRUSTED_DOCUMENTS: join(built, file) });
        writeFileSync(join(built, "other.json"), JSON.stringify({ other: "{ users { nodes { userId } } }" }));
        other = await startService({ TRUSTED_DOCUMENTS: join(built, "other.json") });
      });
      after(() => Promise.all([service?.stop(), other?.stop()]));

      for (const program of programs) {
        it(`${program} prints all users`, async () => succeeded(await run(program, service)));
        it(`${program} prints no user if the service has another file`, async () => {
          const { code, lines, stderr } = await run(program, other);
          assert.equal(code, 1);
          assert.deepEqual(lines.filter((line) => all.includes(line)), []);
          assert.match(stderr, /^PERSISTED_QUERY_NOT_IN_LIST: /m);
        });
      }
      if (free && name !== "relay") {
        it("refuses texts", async () => assert.match((await run(free, service)).stderr, /^PERSISTED_QUERY_ID_REQUIRED: /m));
      }
    });
  }
});
