// A list of users: what its address says, and what the service is asked for.

import type { ConversationUserSort, SortDirection, UsersPageQuery$variables } from "./__generated__/UsersPageQuery.graphql";

export interface List {
  /** Of exactly this user; empty for everybody. The same goes for the others. */
  user: string;
  agent: string;
  /** Local days, YYYY-MM-DD, both included. */
  from: string;
  to: string;
  sort: keyof typeof sorts;
  order: keyof typeof orders;
}

const sorts = { contact: "LAST_CONTACT", conversations: "CONVERSATION_COUNT", sentiment: "AVERAGE_SENTIMENT_SCORE" } satisfies Record<string, ConversationUserSort>;
const orders = { desc: "DESC", asc: "ASC" } satisfies Record<string, SortDirection>;

export const everybody: List = { user: "", agent: "", from: "", to: "", sort: "contact", order: "desc" };

/** The list of an address. What makes no sense there is passed over. */
export function parseList(search: string): List {
  const p = new URLSearchParams(search);
  const sort = p.get("sort") ?? "";
  const order = p.get("order") ?? "";
  return {
    user: p.get("user") ?? "",
    agent: p.get("agent") ?? "",
    from: parseDay(p.get("from")) ? p.get("from")! : "",
    to: parseDay(p.get("to")) ? p.get("to")! : "",
    sort: sort in sorts ? (sort as List["sort"]) : everybody.sort,
    order: order in orders ? (order as List["order"]) : everybody.order,
  };
}

/** The address of a list, as short as it can be. */
export function formatList(list: List): string {
  const p = new URLSearchParams();
  for (const [name, value] of Object.entries(list)) if (value !== everybody[name as keyof List]) p.set(name, value);
  return p.size ? `?${p}` : "";
}

export function isFiltered(list: List): boolean {
  return Boolean(list.user || list.agent || list.from || list.to);
}

export function variablesOf(list: List, count: number): UsersPageQuery$variables {
  return {
    count,
    filter: {
      userId: list.user || null,
      agentId: list.agent || null,
      // The one is "after this instant", the other "up to this instant", in whole seconds.
      callStartedAfter: instant(list.from, 0, -1),
      callStartedBefore: instant(list.to, 1, -1),
    },
    sortBy: sorts[list.sort],
    sortDirection: orders[list.order],
  };
}

function instant(day: string, days: number, seconds: number): string | null {
  const start = parseDay(day);
  if (!start) return null;
  start.setDate(start.getDate() + days); // a day is not always 24 hours
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
