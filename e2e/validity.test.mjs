// graphql-js determines which requests are valid: random documents and variables
// are sent to the built service and to graphql-js, over the service's schema.
//
// If graphql-js refuses a request, the service must refuse it as the caller's
// error, without data. If graphql-js accepts it, the service must execute it, and
// the data must have the same keys in the same order. The exceptions are the
// service's own rules: see ownRules.
//
// VALIDITY_SECONDS and VALIDITY_SEED set how long the test runs, and where the
// sequence starts.

import assert from "node:assert/strict";
import { after, before, it } from "node:test";
import { buildClientSchema, execute, getIntrospectionQuery, getNamedType, getNullableType, isAbstractType, isLeafType, isListType, parse, validate } from "graphql";
import { query, startEmulator, startService } from "./processes.mjs";
import { Generator } from "./validity.mjs";

const seconds = Number(process.env.VALIDITY_SECONDS ?? 15);
const seed = Number(process.env.VALIDITY_SEED ?? 1);

// Why the service may refuse what graphql-js accepts, by the text of the error.
const ownRules = {
  "limits: tokens, depth, aliases, fields, cost, calls": (e) => e.extensions.code === "OPERATION_TOO_COMPLEX",
  "@defer": (e) => e.message === "@defer is not supported.",
  "a DateTime is a string in RFC 3339": (e) => /^\S*(callStarted(After|Before)|\$\w+)\S*: must be (an instant|a string)/.test(e.message),
  "a representation is an object": (e) => /^\S+: must be an object/.test(e.message) && e.extensions.code !== "INTERNAL_SERVER_ERROR",
  // graphql-js does not compare the type of __typename with the type of a field that has the same response key.
  "__typename and another type under one key": (e) => /conflict because they return conflicting types ("String!" and|"[^"]+" and "String!")/.test(e.message),
  // graphql-js reports this when it executes the field, and not at all if it does
  // not execute it.
  "null instead of a variable's default": (e) => /^\$\w+: cannot be null in the argument \w+\.$/.test(e.message),
};
// Why a single field may fail: bounds of arguments, cursors and IDs; unknown
// agents and types of entities.
const fieldCodes = new Set(["BAD_USER_INPUT", "NOT_FOUND"]);
const refusals = new Set(["GRAPHQL_PARSE_FAILED", "GRAPHQL_VALIDATION_FAILED", "BAD_USER_INPUT", "OPERATION_TOO_COMPLEX"]);

/** An object, or a list with one, in place of data: with it, everything that is selected is executed. */
function invented(schema, type) {
  const named = getNamedType(type);
  if (isLeafType(named)) return undefined;
  const object = { __typename: isAbstractType(named) ? schema.getPossibleTypes(named)[0].name : named.name };
  return isListType(getNullableType(type)) ? [object] : object;
}

/** What graphql-js makes of a request. Data comes from the service's response: only its form is of interest. */
async function reference(schema, { document, variables, operationName }, data) {
  let parsed;
  try {
    parsed = parse(document);
  } catch (e) {
    return { refused: e.message };
  }
  const errors = validate(schema, parsed);
  if (errors.length) return { refused: errors[0].message };
  let comparable = true;
  const result = await execute({
    schema,
    document: parsed,
    variableValues: JSON.parse(variables),
    operationName,
    rootValue: data ?? {},
    fieldResolver: (source, _args, _context, info) => (data ? (source ?? {})[info.path.key] : invented(schema, info.returnType)),
    typeResolver: (value) => {
      comparable &&= value.__typename !== undefined;
      return value.__typename ?? "User";
    },
  });
  if (!("data" in result)) return { refused: result.errors[0].message };
  // An argument's value that turns out to be wrong only when its field is
  // executed.
  const late = (result.errors ?? []).find((e) => /must not be null|has invalid value|was not provided|not configured to execute/.test(e.message));
  return { late: late?.message, data: result.data, comparable };
}

let emulator, service, schema;
before(async () => {
  emulator = await startEmulator("-users", "60");
  service = await startService({ UPSTREAM_URL: emulator.url, ELEVENLABS_API_KEY: "key", AUTH: "none", INTROSPECTION: "on", UPSTREAM_CONCURRENCY: "16", CACHE_TTL: "60s" });
  schema = buildClientSchema((await query(service.url, getIntrospectionQuery())).data);
});
after(async () => {
  await service.stop();
  await emulator.stop();
});

it("accepts what graphql-js accepts, and refuses what it refuses", { timeout: 1000 * (seconds + 60) }, async (t) => {
  const generator = new Generator(schema, seed);
  const counts = { requests: 0, refused: 0, executed: 0, compared: 0, "with field errors": 0 };
  const own = {};
  const failures = [];
  const until = Date.now() + 1000 * seconds;

  async function check(request) {
    const body = `{"query": ${JSON.stringify(request.document)}, "variables": ${request.variables}, "operationName": ${JSON.stringify(request.operationName)}}`;
    const response = await fetch(service.url, { method: "POST", headers: { "content-type": "application/json" }, body });
    const text = await response.text();
    const { data, errors = [] } = JSON.parse(text);
    const expected = await reference(schema, request, data);
    const fail = (why) => failures.push(`${why}\n  graphql-js: ${expected.refused ?? expected.late ?? "accepted"}\n  service: ${text.slice(0, 600)}\n  request: ${body}`);
    counts.requests++;
    if (response.status >= 500 || errors.some((e) => e.extensions.code === "INTERNAL_SERVER_ERROR")) return fail("the service failed");
    if (expected.refused !== undefined || (expected.late !== undefined && data === undefined)) {
      counts.refused++;
      if (data !== undefined || !errors.length || !errors.every((e) => refusals.has(e.extensions.code))) fail("it has to be refused");
      return;
    }
    if (data === undefined) {
      const rule = errors.length && Object.keys(ownRules).find((name) => errors.every(ownRules[name]));
      if (!rule) return fail("it has to be accepted");
      own[rule] = (own[rule] ?? 0) + 1;
      return;
    }
    counts.executed++;
    if (expected.late !== undefined) return fail("a value is wrong, and is not reported");
    if (errors.length) counts["with field errors"]++;
    if (!errors.every((e) => fieldCodes.has(e.extensions.code))) return fail("a field failed for another reason than its arguments");
    if (!expected.comparable) return;
    counts.compared++;
    if (JSON.stringify(data) !== JSON.stringify(expected.data)) fail(`the data differ: ${JSON.stringify(expected.data).slice(0, 600)}`);
  }

  while (Date.now() < until && failures.length < 5) {
    await Promise.all(Array.from({ length: 8 }, () => check(generator.request())));
  }
  t.diagnostic(`seed ${seed}: ${JSON.stringify(counts)}; by the service's own rules ${JSON.stringify(own)}`);
  assert.equal(failures.join("\n\n"), "");
  assert.ok(counts.refused > 100 && counts.compared > 100, "too little was generated");
});
