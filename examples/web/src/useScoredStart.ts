import { useEffect, useState } from "react";
import { fetchQuery, graphql, useRelayEnvironment } from "react-relay";
import type { useScoredStartQuery } from "./__generated__/useScoredStartQuery.graphql";
import { formatList, variablesOf, type List, type Position } from "./list";
import { useNavigation, type Place } from "./navigation";

const pageSize = 500;
/** If so many users at the start of a list have no score, the list begins there. Each hundred costs an upstream call. */
const maxPages = 4;

/**
 * Moves the start of the list "worst sentiment first" to the first user with a score: the upstream sorts users without
 * one below every score. They remain on the pages before. Reports whether the search is over.
 */
export function useScoredStart(list: List, position: Position, place: Place): boolean {
  const environment = useRelayEnvironment();
  const navigation = useNavigation();
  const isAffected = list.sort === "sentiment" && list.order === "asc" && position.kind === "start";
  const [searched, setSearched] = useState(""); // the key of the place
  useEffect(() => {
    if (!isAffected) return;
    const query = graphql`
      query useScoredStartQuery($first: Int, $after: String, $filter: ConversationUserFilter, $sortBy: ConversationUserSort, $sortDirection: SortDirection) {
        users(first: $first, after: $after, filter: $filter, sortBy: $sortBy, sortDirection: $sortDirection) {
          edges {
            cursor
            activity {
              sentiment {
                overall {
                  averageSentimentScore
                }
              }
            }
          }
          pageInfo {
            hasNextPage
          }
        }
      }
    `;
    let isOver = false;
    const search = async () => {
      let after: string | null = null;
      for (let page = 0; page < maxPages; page++) {
        const { filter, sortBy, sortDirection } = variablesOf(list, position, pageSize);
        const data = await fetchQuery<useScoredStartQuery>(environment, query, { first: pageSize, after, filter, sortBy, sortDirection }).toPromise();
        for (const { cursor, activity } of data?.users?.edges ?? []) {
          if (typeof activity.sentiment?.overall.averageSentimentScore === "number") return after;
          after = cursor;
        }
        if (!data?.users?.pageInfo.hasNextPage) return null;
      }
      return null;
    };
    search()
      .catch(() => null) // the list itself shows what is wrong
      .then((after) => {
        if (isOver) return;
        if (after) navigation.replace(formatList(list, { kind: "after", cursor: after }));
        else setSearched(place.key);
      });
    return () => {
      isOver = true;
    };
  }, [isAffected, place.key]); // eslint-disable-line react-hooks/exhaustive-deps
  return !isAffected || searched === place.key;
}
