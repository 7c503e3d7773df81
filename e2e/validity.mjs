// Generates documents and variables for a schema, most of them valid or nearly
// valid. A seed always gives the same sequence.

import { isAbstractType, isCompositeType, isEnumType, isInputObjectType, isLeafType, isListType, isNonNullType, getNamedType } from "graphql";

/** A generator of numbers from 0 to 1, by a seed (mulberry32). */
function numbers(seed) {
  return () => {
    seed = (seed + 0x6d2b79f5) | 0;
    let t = Math.imul(seed ^ (seed >>> 15), 1 | seed);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 4294967296;
  };
}

const literals = ["null", "true", "false", "0", "1", "-1", "2", "-0", "1.5", "2.0", "1e3", "1e999", "2147483647", "2147483648", "12345678901234567890", '""', '"x"', '"2"', '"""\n  block\n  """', '"\\u00e9\\n"', "asc", "ASC", "LAST_CONTACT", "{}", "[]", "[[1]]", "[null]", '{userId: "x"}', '[{__typename: "User"}]'];
const values = ["null", "true", "0", "1", "-1", "2.0", "2e0", "1.5", "1e400", "2147483647", "2147483648", "12345678901234567890", '""', '"x"', '"2"', '"asc"', '"ASC"', '"LAST_CONTACT"', "{}", "[]", "[[1]]", "[null]", '{"userId": 1}', '[{"__typename": "User"}]'];
const tokens = ["{", "}", "(", ")", "[", "]", ":", "$", "$a", "!", "@", "@skip(if: true)", "@include(if: false)", "@deprecated", "@defer", "...", "|", "&", "=", '"x"', '"""y"""', '"', "1", "-1", "01", "1.", ".5", "1e", "0x1", "1a", "on", "fragment", "query", "mutation", "subscription", "null", "true", "id", "__typename", "__schema", ",", "# comment\n", "\n", "\ufeff", "\u0000", "\u007f", "é", "?", "%"];

export class Generator {
  constructor(schema, seed) {
    this.schema = schema;
    this.random = numbers(seed);
    this.types = Object.values(schema.getTypeMap()).filter((t) => isCompositeType(t) && !t.name.startsWith("__"));
    this.inputs = Object.values(schema.getTypeMap()).filter((t) => (isLeafType(t) || isInputObjectType(t)) && !t.name.startsWith("__") && t.name !== "FieldSet" && !t.name.includes("__"));
  }

  chance(p) {
    return this.random() < p;
  }
  below(n) {
    return Math.floor(this.random() * n);
  }
  one(list) {
    return list[this.below(list.length)];
  }

  /** A request: a document, its variables as JSON, and perhaps the name of an operation. */
  request() {
    this.wrong = this.one([0, 0, 0.02, 0.06]); // how often something is invalid
    this.fragments = new Map();
    this.declared = [];
    this.budget = 40;
    this.fields = 0;
    const names = this.chance(0.9) ? [this.one(["", "", "A"])] : this.chance(0.9) ? ["A", "B"] : [this.one(["A", "B", ""]), this.one(["B", ""])];
    let document = "";
    let variables = [];
    for (const name of names) {
      this.variables = new Map();
      this.reached = new Set();
      const body = this.selection(this.schema.getQueryType(), 0);
      for (const f of this.reached) for (const v of f.variables) this.variables.set(v.name, v);
      const definitions = [...this.variables.values()].filter(() => !this.chance(this.wrong / 4));
      if (this.chance(this.wrong / 2)) definitions.push({ name: "unused", type: "Int", value: "1" });
      const list = definitions.map((v) => `$${v.name}: ${v.type}${v.default === undefined ? "" : ` = ${v.default}`}${this.chance(0.002) ? " @skip(if: true)" : ""}`).join(", ");
      const keyword = this.chance(this.wrong / 4) ? this.one(["mutation", "subscription", "Query"]) : "query";
      document += (name === "" && list === "" && keyword === "query" && this.chance(0.7) ? "" : `${keyword} ${name}${list && `(${list})`} `) + body + "\n";
      variables = variables.concat([...this.variables.values()]);
    }
    for (const f of this.fragments.values()) document += `fragment ${f.name} on ${f.type} ${f.body}\n`;
    if (this.chance(0.08)) document = this.mangled(document);
    const seen = new Set();
    const given = variables.filter((v) => v.value !== undefined && !seen.has(v.name) && seen.add(v.name)).map((v) => `${JSON.stringify(v.name)}: ${v.value}`);
    if (this.chance(0.03)) given.push('"other": 1');
    const operationName = this.chance(0.02) ? this.one(["A", "B", "Z"]) : names.length > 1 ? names[0] || null : null;
    return { document, variables: `{${given.join(", ")}}`, operationName };
  }

  /** A document with a token too many, too few, or another one. */
  mangled(document) {
    const parts = document.split(/(\s+|[{}()[\]:!=,])/);
    const i = this.below(parts.length);
    switch (this.below(4)) {
      case 0:
        parts.splice(i, 1);
        break;
      case 1:
        parts.splice(i, 0, this.one(tokens));
        break;
      case 2:
        parts[i] = this.one(tokens);
        break;
      default:
        parts.splice(i, 0, parts[this.below(parts.length)]);
    }
    return parts.join("");
  }

  selection(type, depth) {
    const parts = isAbstractType(type) ? ["__typename"] : [];
    for (let n = 1 + this.below(4); n > 0; n--) parts.push(this.part(type, depth));
    return `{ ${parts.join(" ")} }`;
  }

  part(type, depth) {
    this.budget--;
    const deep = depth > 6 || this.budget < 0;
    if (this.chance(0.1) || (deep && !type.getFields)) return this.alias() + "__typename" + this.directives();
    if (this.chance(0.15) && !deep) return `...${this.condition(type)}${this.directives()} ${this.inside(type, depth)}`;
    if (this.chance(0.12) && !deep) return this.spread(type, depth);
    if (!type.getFields) return "__typename";
    if (this.chance(this.wrong / 2)) return this.one(["nope", "userID", "__schema { queryType { name } }", '__type(name: "User") { name kind }', "_service { sdl }"]);
    let fields = Object.values(type.getFields());
    if (deep) fields = fields.filter((f) => isLeafType(getNamedType(f.type)) && f.args.length === 0);
    const field = this.one(fields);
    if (!field || field.name === "_service") return "__typename";
    const result = getNamedType(field.type);
    let text = this.alias(field) + field.name + this.args(field.args) + this.directives();
    if (isCompositeType(result) !== this.chance(this.wrong / 3)) text += " " + (isCompositeType(result) ? this.selection(result, depth + 1) : "{ id }");
    return text;
  }

  // The type to which the inline fragment's condition narrows.
  condition(type) {
    this.narrowed = type;
    if (this.chance(0.4)) return "";
    const possible = isAbstractType(type) ? this.schema.getPossibleTypes(type) : [type, ...type.getInterfaces()];
    this.narrowed = this.chance(this.wrong) ? this.one(this.types) : this.one([type, ...possible]);
    return ` on ${this.chance(this.wrong / 4) ? this.one(["Nope", "String", "ConversationUserFilter"]) : this.narrowed.name}`;
  }

  inside(type, depth) {
    const narrowed = this.narrowed ?? type;
    this.narrowed = undefined;
    return this.selection(narrowed, depth + 1);
  }

  spread(type, depth) {
    if (this.chance(this.wrong / 4)) return "...nope";
    const known = [...this.fragments.values()].filter((f) => f.type === type.name && f.done);
    let fragment = this.chance(0.5) ? this.one(known) : undefined;
    if (!fragment) {
      const name = `f${this.fragments.size}`;
      const outer = this.variables;
      fragment = { name, type: type.name, done: false, variables: [] };
      this.fragments.set(name, fragment);
      this.variables = new Map(outer);
      fragment.body = this.selection(type, depth + 1);
      fragment.variables = [...this.variables.values()];
      this.variables = outer;
      fragment.done = true;
    }
    this.reached.add(fragment);
    return `...${fragment.name}${this.directives()}`;
  }

  // Fields that share a response key must be the same field with the same
  // arguments.
  alias(field) {
    if (this.chance(0.05)) return this.one(["a: ", "b: ", "id: ", "users: "]);
    if (field?.args.length) return this.chance(0.9) ? `a${this.fields++}: ` : "";
    return this.chance(0.15) ? `${field?.name ?? "type"}_: ` : "";
  }

  directives() {
    if (this.chance(0.88)) return "";
    let text = "";
    for (const name of this.one([["skip"], ["include"], ["skip", "include"], ["include", "skip"]])) {
      text += ` @${name}${this.args(this.schema.getDirective(name).args)}`;
    }
    if (this.chance(this.wrong / 2)) text += this.one([" @nope", " @deprecated", " @skip", " @include(if: true, unless: 1)", " @defer"]);
    return text;
  }

  args(definitions) {
    const args = [];
    for (const a of definitions) {
      if (isNonNullType(a.type) && a.defaultValue === undefined ? this.chance(this.wrong / 2) : this.chance(0.65)) continue;
      args.push(`${a.name}: ${this.value(a.type, a.name)}`);
    }
    if (this.chance(this.wrong / 4)) args.push("nope: 1");
    if (args.length && this.chance(this.wrong / 6)) args.push(args[0]);
    return args.length ? `(${args.join(", ")})` : "";
  }

  /** A value of an input type: a variable or a literal. */
  value(type, name) {
    if (this.chance(0.3)) return this.variable(type, name);
    return this.literal(type, name, true);
  }

  variable(type, name) {
    let declared = type.toString();
    let wanted = type;
    const nullable = isNonNullType(type) ? type.ofType : type;
    let fallback;
    const r = this.random();
    if (r < 0.25) {
      wanted = nullable;
      declared = nullable.toString(); // with a default, valid in a position that is not nullable
      if (declared !== type.toString() || this.chance(0.5)) fallback = this.literal(nullable, name, false);
    } else if (r < 0.4) {
      declared = nullable.toString() + "!";
    } else if (this.chance(this.wrong)) {
      wanted = this.one(this.inputs);
      declared = this.one([wanted.toString(), `[${wanted}]`, `[${wanted}!]!`, `${wanted}!`, "Nope", "User"]);
    }
    if (fallback === undefined && this.chance(0.1)) fallback = this.literal(wanted, name, false);
    const variable = { name: this.chance(0.8) ? `v${this.variables.size}` : "v", type: declared, default: fallback };
    const known = this.variables.get(variable.name);
    if (known && !(known.type === declared && known.default === fallback)) variable.name = `w${this.variables.size}${this.below(1000)}`;
    const required = declared.endsWith("!");
    if (!this.chance(required ? this.wrong : 0.15)) variable.value = !required && this.chance(0.12) ? "null" : this.json(wanted, name);
    this.variables.set(variable.name, variable);
    return `$${variable.name}`;
  }

  literal(type, name, inside) {
    if (this.chance(this.wrong)) return this.one(literals);
    const required = isNonNullType(type);
    if (required) type = type.ofType;
    if (!required && this.chance(0.04)) return "null";
    if (inside && !required && this.chance(0.05)) return this.variable(type, name);
    if (isListType(type)) {
      if (this.chance(0.2)) return this.literal(type.ofType, name, inside);
      return `[${Array.from({ length: this.below(4) }, () => this.literal(type.ofType, name, inside)).join(", ")}]`;
    }
    if (isEnumType(type)) return this.one(type.getValues()).name;
    if (isInputObjectType(type)) {
      const fields = Object.values(type.getFields()).filter(() => this.chance(0.3));
      const parts = fields.map((f) => `${f.name}: ${this.literal(f.type, f.name, inside)}`);
      if (this.chance(this.wrong / 2)) parts.push(this.one(["nope: 1", "__typename: 1", parts[0] ?? "x: 1"]));
      return `{${parts.join(", ")}}`;
    }
    switch (type.name) {
      case "Int":
        return this.one(["0", "1", "2", "3", "30", "501", "-1", "-0", "2147483647"]);
      case "Float":
        return this.one(["0", "1.5", "-1e10", "1e999", "12345678901234567890"]);
      case "Boolean":
        return this.one(["true", "false"]);
      case "DateTime":
        return this.one(['"2026-01-31T12:00:00Z"', '"2026-01-31T12:00:00.5+01:00"', '"yesterday"', '"""2026-01-31T12:00:00Z"""']);
      case "_Any":
        return this.one(['{__typename: "User", userId: "user_00001"}', '{__typename: "Agent", agentId: "agent_x"}', '{__typename: "User", userId: 12345678901234567890}', '{__typename: "User", userId: 1e999}', '{__typename: "Nope"}', "{}", '{__typename: "User", userId: [1, {a: null}]}']);
      case "ID":
        if (name === "id" || name === "ids") return this.one(['"VXNlcjp1c2VyXzAwMDAx"', '"QWdlbnQ6YWdlbnRfeA"', '"?"', '""', "7", "12345678901234567890"]);
        return this.one(['"user_00001"', '"x"', '""', '"王"', '"\\u738b"', '"""block"""', "7", "-7", "12345678901234567890", '"a\\u0000"']);
      default:
        return this.one(['""', '"made up"', '"\\"quoted\\""', '"""\n a\n  b\n"""']);
    }
  }

  json(type, name) {
    if (this.chance(this.wrong * 1.5)) return this.one(values);
    const required = isNonNullType(type);
    if (required) type = type.ofType;
    if (!required && this.chance(0.03)) return "null";
    if (isListType(type)) {
      if (this.chance(0.2)) return this.json(type.ofType, name);
      return `[${Array.from({ length: this.below(4) }, () => this.json(type.ofType, name)).join(", ")}]`;
    }
    if (isEnumType(type)) return JSON.stringify(this.one(type.getValues()).name);
    if (isInputObjectType(type)) {
      const fields = Object.values(type.getFields()).filter(() => this.chance(0.3));
      const parts = fields.map((f) => `${JSON.stringify(f.name)}: ${this.json(f.type, f.name)}`);
      if (this.chance(this.wrong / 2)) parts.push(this.one(['"nope": 1', '"__typename": "x"']));
      return `{${parts.join(", ")}}`;
    }
    switch (type.name) {
      case "Int":
        return this.one(["0", "1", "2", "3.0", "3e0", "501", "-1", "2147483647"]);
      case "Float":
        return this.one(["0", "1.5", "1e308"]);
      case "Boolean":
        return this.one(["true", "false"]);
      case "DateTime":
        return this.one(['"2026-01-31T12:00:00Z"', '"yesterday"']);
      case "_Any":
        return this.one(['{"__typename": "User", "userId": "user_00001"}', '{"__typename": "Agent", "agentId": 5}', '{"__typename": "User", "userId": 12345678901234567890}', '{"__typename": 7}', "{}", '"x"']);
      case "ID":
        if (name === "id" || name === "ids") return this.one(['"VXNlcjp1c2VyXzAwMDAx"', '"QWdlbnQ6YWdlbnRfeA"', '"?"', "7", "12345678901234567890"]);
        return this.one(['"user_00001"', '"x"', '""', "7", "2.0", "12345678901234567890"]);
      default:
        return this.one(['""', '"made up"']);
    }
  }
}
