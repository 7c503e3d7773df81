import { useEffect, useRef, useState } from "react";
import { fetchQuery, graphql, useRelayEnvironment } from "react-relay";
import type { useTotalQuery } from "./__generated__/useTotalQuery.graphql";
import { filterOf, type List } from "./list";
import type { Place } from "./navigation";

/** The largest number that is counted. Counting costs one upstream call per hundred users, so it is done apart from the rows. */
export const countLimit = 1000;

/** How many users a list has, "more" if they exceed countLimit, and null while that is not known. */
export type Total = number | "more" | null;

/**
 * Counts the users of a list, once for each filter: the count does not depend on the order or on the page. A count that
 * failed is repeated with the list's next attempt.
 */
export function useTotal(list: List, place: Place, attempt: string): Total {
  const environment = useRelayEnvironment();
  const filter = JSON.stringify(filterOf(list));
  const [counted, setCounted] = useState<{ filter: string; total: Total } | null>(null);
  const [round, setRound] = useState(0);
  const hasFailed = useRef(false);
  useEffect(() => {
    if (hasFailed.current) setRound((r) => r + 1);
  }, [attempt]);
  useEffect(() => {
    const query = graphql`
      query useTotalQuery($filter: ConversationUserFilter, $limit: Int) {
        users(filter: $filter) {
          totalCount(limit: $limit)
        }
      }
    `;
    hasFailed.current = false;
    const variables = { filter: filterOf(list), limit: countLimit };
    const fetchPolicy = place.isFresh ? "network-only" : "store-or-network";
    const subscription = fetchQuery<useTotalQuery>(environment, query, variables, { fetchPolicy }).subscribe({
      next: ({ users }) => setCounted({ filter, total: users ? (users.totalCount ?? "more") : null }),
      error: () => (hasFailed.current = true), // the list itself shows what is wrong
    });
    return () => subscription.unsubscribe();
  }, [environment, filter, round]); // eslint-disable-line react-hooks/exhaustive-deps
  return counted?.filter === filter ? counted.total : null;
}
