// A list of users: its address, and the variables of its query.

import type { ConversationUserFilter, ConversationUserSort, SortDirection, UsersPageQuery$variables } from "./__generated__/UsersPageQuery.graphql";

export interface List {
  /** Exactly this user; empty for all users. An empty field never restricts the list. */
  user: string;
  agent: string;
  /** Local days, YYYY-MM-DD, both included. */
  from: string;
  to: string;
  sort: keyof typeof sorts;
  order: keyof typeof orders;
}

/** The place at which a list's rows begin. The cursors are those of the list's edges. */
export type Position = { kind: "start" | "end" } | { kind: "after" | "before"; cursor: string };

const sorts = { contact: "LAST_CONTACT", conversations: "CONVERSATION_COUNT", sentiment: "AVERAGE_SENTIMENT_SCORE" } satisfies Record<string, ConversationUserSort>;
const orders = { desc: "DESC", asc: "ASC" } satisfies Record<string, SortDirection>;

export const allUsers: List = { user: "", agent: "", from: "", to: "", sort: "contact", order: "desc" };
export const start: Position = { kind: "start" };

/** The list of an address. Values that are not valid are ignored. */
export function parseList(search: string): List {
  const p = new URLSearchParams(search);
  const sort = p.get("sort") ?? "";
  const order = p.get("order") ?? "";
  return {
    user: p.get("user") ?? "",
    agent: p.get("agent") ?? "",
    from: parseDay(p.get("from")) ? p.get("from")! : "",
    to: parseDay(p.get("to")) ? p.get("to")! : "",
    sort: sort in sorts ? (sort as List["sort"]) : allUsers.sort,
    order: order in orders ? (order as List["order"]) : allUsers.order,
  };
}

/** The position of an address. */
export function parsePosition(search: string): Position {
  const p = new URLSearchParams(search);
  const after = p.get("after");
  const before = p.get("before");
  if (after) return { kind: "after", cursor: after };
  if (before) return { kind: "before", cursor: before };
  return p.get("page") === "last" ? { kind: "end" } : start;
}

/** The address of a list from a position, as short as possible. */
export function formatList(list: List, position = start): string {
  const p = new URLSearchParams();
  for (const [name, value] of Object.entries(list)) if (value !== allUsers[name as keyof List]) p.set(name, value);
  if ("cursor" in position) p.set(position.kind, position.cursor);
  else if (position.kind === "end") p.set("page", "last");
  return p.size ? `?${p}` : "";
}

export function isFiltered(list: List): boolean {
  return Boolean(list.user || list.agent || list.from || list.to);
}

/** Whether the first day is after the last one. */
export function isReversed(list: List): boolean {
  return list.from !== "" && list.to !== "" && list.from > list.to;
}

/** The variables for a number of rows from a position. */
export function variablesOf(list: List, position: Position, count: number): Omit<UsersPageQuery$variables, "place"> {
  const isForward = position.kind === "start" || position.kind === "after";
  return {
    first: isForward ? count : null,
    after: position.kind === "after" ? position.cursor : null,
    last: isForward ? null : count,
    before: position.kind === "before" ? position.cursor : null,
    filter: filterOf(list),
    sortBy: sorts[list.sort],
    sortDirection: orders[list.order],
  };
}

export function filterOf(list: List): ConversationUserFilter {
  return {
    userId: list.user || null,
    agentId: list.agent || null,
    // The first bound is exclusive and the second inclusive, in whole seconds.
    callStartedAfter: instant(list.from, 0, -1),
    callStartedBefore: instant(list.to, 1, -1),
  };
}

function instant(day: string, days: number, seconds: number): string | null {
  const start = parseDay(day);
  if (!start) return null;
  start.setDate(start.getDate() + days); // a day does not always have 24 hours
  start.setSeconds(seconds);
  return start.toISOString();
}

/** The local midnight at which a day begins. */
function parseDay(day: string | null): Date | null {
  const parts = /^(\d{4})-(\d\d)-(\d\d)$/.exec(day ?? "");
  if (!parts) return null;
  const [year, month, date] = parts.slice(1).map(Number) as [number, number, number];
  const start = new Date(year, month - 1, date);
  return year >= 1970 && year <= 2999 && start.getMonth() === month - 1 ? start : null;
}
