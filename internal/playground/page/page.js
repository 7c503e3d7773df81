// GraphiQL, with the service's examples and with a credential that is kept nowhere.
// Its libraries are global: React, ReactDOM and GraphiQL.

import { examples, nextCursor, previousCursor, sample } from "./examples.js";

const root = document.getElementById("playground");
const { endpoint, credential: required, introspection, nonce } = root.dataset;
const secret = document.getElementById("secret"); // null if the service needs no credential

/** The header of the credential in the page's first line, if there is one. */
function credential() {
  const value = secret?.value.trim();
  if (!value) return {};
  return { [required]: required === "authorization" ? `Bearer ${value.replace(/^bearer\s+/i, "")}` : value };
}

async function send(params, headers) {
  const response = await fetch(endpoint, {
    method: "POST",
    headers: { "content-type": "application/json", accept: "application/json", ...credential(), ...headers },
    body: JSON.stringify(params),
  });
  const text = await response.text();
  try {
    return JSON.parse(text);
  } catch {
    throw new Error(`The answer is no JSON, but ${response.status} ${response.statusText}: ${text.slice(0, 200)}`);
  }
}

/** The name of the operation to run. GraphiQL's is late if a tab is run as soon as it is opened. */
function operationName({ query, operationName }) {
  try {
    const names = GraphiQL.GraphQL.parse(query).definitions.flatMap(({ operation, name }) => (operation ? [name?.value] : []));
    return names.includes(operationName) || names.length !== 1 ? operationName : names[0];
  } catch {
    return operationName; // the service says what is wrong
  }
}

const isEmpty = (value) => value === undefined || value === null || value.length === 0;

/** Fills in what an example left empty, and shows it. Resolves to the reply of a request that failed instead. */
async function fill(params, headers) {
  const example = examples.find(({ name, fill }) => fill && name === params.operationName);
  if (!example || !Object.keys(example.variables).every((name) => isEmpty(params.variables?.[name]))) return;
  const reply = await send({ query: sample, operationName: "Sample" }, headers);
  if (!reply.data?.users) return reply;
  params.variables = { ...params.variables, ...example.fill(reply.data.users) };
  editors.variableEditor.setValue(JSON.stringify(params.variables, null, 2));
}

// What a person types stays in this tab of the browser, as variables and
// replies hold personal data; the theme may stay longer. Headers stay nowhere:
// GraphiQL's history would keep them.
const area = (key) => (key === "graphiql:theme" ? localStorage : sessionStorage);
const storage = {
  get length() {
    return sessionStorage.length;
  },
  getItem: (key) => area(key).getItem(key),
  removeItem: (key) => area(key).removeItem(key),
  clear() {
    sessionStorage.clear();
    localStorage.removeItem("graphiql:theme");
  },
  setItem(key, value) {
    if (key === "graphiql:headers") return;
    const lists = ["graphiql:tabState", "graphiql:queries", "graphiql:favorites"].includes(key);
    area(key).setItem(key, lists ? JSON.stringify(JSON.parse(value, (name, inner) => (name === "headers" ? null : inner))) : value);
  },
};

/** GraphiQL's editors, as of its last rendering. */
let editors;

const turns = {
  previous: { name: "Previous page", variable: "before", cursorOf: previousCursor, path: "M14 4l-5 5 5 5M8.5 4l-5 5 5 5" },
  next: { name: "Next page", variable: "after", cursorOf: nextCursor, path: "M4 4l5 5-5 5M9.5 4l5 5-5 5" },
};

/**
 * Shows the variables of the active tab if it has any. An empty editor of variables
 * would take the room of the query. A person's own choice lasts as long as the tab.
 */
function useVariables() {
  const { activeTabIndex, tabs } = editors;
  const { variables } = tabs[activeTabIndex];
  React.useEffect(() => {
    const toggle = document.querySelector(".graphiql-toggle-editor-tools");
    const shown = toggle?.getAttribute("aria-label") === "Hide editor tools";
    if (toggle && shown !== !isEmpty(variables?.trim())) toggle.click();
  }, [activeTabIndex]);
}

/** A button that runs the query again with the cursor of the previous or the next page. */
function Turn({ to }) {
  const { createElement: h } = React;
  const { ToolbarButton, useExecutionContext } = GraphiQL.React;
  const { run, isFetching } = useExecutionContext({ nonNull: true });
  const { query, response } = editors.tabs[editors.activeTabIndex];
  const { name, variable, cursorOf, path } = turns[to];

  let cursor;
  try {
    cursor = cursorOf(JSON.parse(response).data);
  } catch {} // there is no response yet, or it is not JSON
  const takesCursor = new RegExp(`\\$${variable}\\b`).test(query ?? "");
  const label = !takesCursor ? `${name}: for a query with $${variable}` : cursor ? name : response ? `${name}: there is none` : `${name}: run this one first`;
  function turn() {
    let variables = {};
    try {
      variables = JSON.parse(editors.variableEditor.getValue());
    } catch {} // the editor is empty: GraphiQL does not run variables that are not JSON
    editors.variableEditor.setValue(JSON.stringify({ ...variables, [variable]: cursor }, null, 2));
    run();
  }
  const icon = h("svg", { viewBox: "0 0 18 18", className: "graphiql-toolbar-icon", fill: "none", stroke: "currentColor", strokeWidth: 1.6, strokeLinecap: "round", strokeLinejoin: "round", "aria-hidden": true },
    h("path", { d: path }));
  return h(ToolbarButton, { label, onClick: turn, disabled: !takesCursor || !cursor || isFetching }, icon);
}

/** GraphiQL's toolbar. It follows the active tab. */
function Tools({ children }) {
  const { createElement: h, Fragment } = React;
  editors = GraphiQL.React.useEditorContext({ nonNull: true });
  useVariables();
  const { response } = editors.tabs[editors.activeTabIndex];
  React.useEffect(() => {
    root.toggleAttribute("data-empty", isEmpty(response));
  }, [response]);
  return h(Fragment, null, h(Turn, { to: "previous" }), h(Turn, { to: "next" }), children);
}

/** What replaces the documentation if the service does not show its schema. */
const undocumented = () => {
  const { createElement: h, Fragment } = React;
  return {
    title: "Documentation Explorer",
    icon: () => h("svg", { viewBox: "0 0 20 24", fill: "none", stroke: "currentColor", strokeWidth: 1.5, "aria-hidden": true },
      h("path", { d: "M1 3.5V20.5A2.5 2.5 0 0 0 3.5 23H19V1H3.5A2.5 2.5 0 0 0 1 3.5ZM5.5 1V18M1 20.5A2.5 2.5 0 0 1 3.5 18H19" })),
    content: () => h(Fragment, null,
      h("div", { className: "graphiql-doc-explorer-title" }, "Docs"),
      h("p", null, "This service does not show its schema: introspection is off. Queries work as usual."),
      h("p", null, "To read the docs here, start the service with ", h("code", null, "INTROSPECTION=on"), ", or read ", h("code", null, "graph/schema.graphqls"), ".")),
  };
};

function Playground() {
  const { createElement: h } = React;
  const [revision, setRevision] = React.useState(0); // of the credential
  React.useEffect(() => {
    const changed = () => setRevision((r) => r + 1);
    secret?.addEventListener("change", changed);
    return () => secret?.removeEventListener("change", changed);
  }, []);
  // GraphiQL reads the schema again when it gets another fetcher.
  const fetcher = React.useMemo(
    () => async (request, { headers } = {}) => {
      const params = { ...request, operationName: operationName(request) };
      return (await fill(params, headers)) ?? send(params, headers);
    },
    [revision],
  );
  const locked = secret !== null && !secret.value.trim();
  const notice = locked
    ? `Enter your ${required === "authorization" ? "token" : "key"} to begin.`
    : introspection === "false"
      ? "Introspection is off: there are no docs and no completion."
      : "";
  React.useEffect(() => {
    document.getElementById("notice").textContent = notice;
    secret?.setAttribute("aria-invalid", String(locked));
  }, [notice, locked]);

  return h(
    GraphiQL,
    {
      fetcher,
      storage,
      schema: introspection === "false" || locked ? null : undefined,
      defaultTabs: examples.map(({ query, variables }) => ({ query, variables: variables ? JSON.stringify(variables, null, 2) : null })),
      defaultEditorToolsVisibility: false,
      ...(introspection === "false" && { referencePlugin: undocumented() }),
      isHeadersEditorEnabled: true,
      shouldPersistHeaders: false,
      inputValueDeprecation: true,
    },
    h(GraphiQL.Logo, null, " "),
    h(GraphiQL.Toolbar, null, ({ prettify, copy, merge }) => h(Tools, null, prettify, copy, merge)),
  );
}

document.getElementById("credential")?.addEventListener("submit", (event) => event.preventDefault());
if (globalThis.GraphiQL) {
  globalThis.__webpack_nonce__ = nonce; // for the one style sheet that GraphiQL's dialogs make
  ReactDOM.createRoot(root).render(React.createElement(Playground));
} else {
  root.hidden = true;
  document.getElementById("failed").hidden = false;
}
