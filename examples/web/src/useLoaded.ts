import { useEffect, useLayoutEffect, useState } from "react";
import { loadQuery, useRelayEnvironment, type PreloadedQuery } from "react-relay";
import type { GraphQLTaggedNode, OperationType } from "relay-runtime";
import type { Place } from "./navigation";

interface Loaded<Q extends OperationType> {
  place: string;
  /** Distinguishes loads, for the keys of boundaries. */
  attempt: number;
  reference: PreloadedQuery<Q>;
}

/**
 * Loads a query for a place, once for each visit: from Relay's store if the person came back, otherwise from the
 * network. There is no reference until a load for this place has begun, when it is ready.
 */
export function useLoaded<Q extends OperationType>(query: GraphQLTaggedNode, variables: Q["variables"], place: Place, isReady = true) {
  const environment = useRelayEnvironment();
  const [loaded, setLoaded] = useState<Loaded<Q> | null>(null);

  const load = (fetchPolicy: "store-or-network" | "network-only") => {
    const reference = loadQuery<Q>(environment, query, variables, { fetchPolicy });
    setLoaded((last) => ({ place: place.key, attempt: (last?.attempt ?? 0) + 1, reference }));
  };
  // Before the browser paints: what Relay's store has appears at once.
  useLayoutEffect(() => {
    if (isReady) load(place.isFresh ? "network-only" : "store-or-network");
  }, [place.key, isReady]); // eslint-disable-line react-hooks/exhaustive-deps
  // Relay may remove what no reference holds; the environment sets when.
  useEffect(() => () => loaded?.reference.dispose(), [loaded]);

  const isHere = loaded?.place === place.key;
  return {
    reference: isHere ? loaded.reference : null,
    attempt: isHere ? `${place.key} ${loaded.attempt}` : place.key,
    again: () => load("network-only"),
  };
}
