import { useEffect, useLayoutEffect, useState } from "react";
import { loadQuery, useRelayEnvironment, type PreloadedQuery } from "react-relay";
import type { GraphQLTaggedNode, OperationType } from "relay-runtime";
import type { Place } from "./navigation";

interface Loaded<Q extends OperationType> {
  place: string;
  /** Tells one load from the next, for the keys of boundaries. */
  attempt: number;
  reference: PreloadedQuery<Q>;
}

/**
 * Loads a query for a place, once for each visit: whoever comes back finds what was there, everybody else asks anew.
 * There is no reference while none has been loaded for this place.
 */
export function useLoaded<Q extends OperationType>(query: GraphQLTaggedNode, variables: Q["variables"], place: Place) {
  const environment = useRelayEnvironment();
  const [loaded, setLoaded] = useState<Loaded<Q> | null>(null);

  const ask = (fetchPolicy: "store-or-network" | "network-only") => {
    const reference = loadQuery<Q>(environment, query, variables, { fetchPolicy });
    setLoaded((last) => ({ place: place.key, attempt: (last?.attempt ?? 0) + 1, reference }));
  };
  // Before anything is painted: what Relay's store has is there at once.
  useLayoutEffect(() => ask(place.isFresh ? "network-only" : "store-or-network"), [place.key]); // eslint-disable-line react-hooks/exhaustive-deps
  // Relay may forget what nobody holds; see the environment for when it does.
  useEffect(() => () => loaded?.reference.dispose(), [loaded]);

  const isHere = loaded?.place === place.key;
  return {
    reference: isHere ? loaded.reference : null,
    attempt: isHere ? `${place.key} ${loaded.attempt}` : place.key,
    again: () => ask("network-only"),
  };
}
