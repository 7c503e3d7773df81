// The agents of the filter. The API has no list of agents, because the upstream has none: these are the agents of the
// latest hundred users, which costs one upstream call.

import { useEffect, useState } from "react";
import { fetchQuery, graphql, useRelayEnvironment } from "react-relay";
import type { agentsQuery } from "./__generated__/agentsQuery.graphql";

export interface Agent {
  id: string;
  name: string;
}

/** The agents, in the order of their names; none until they are known. */
export function useAgents(): Agent[] {
  const environment = useRelayEnvironment();
  const [agents, setAgents] = useState<Agent[]>([]);
  useEffect(() => {
    const query = graphql`
      query agentsQuery {
        users(first: 100) {
          edges {
            activity {
              lastContactAgentName
              lastContactAgent {
                agentId
              }
            }
          }
        }
      }
    `;
    const subscription = fetchQuery<agentsQuery>(environment, query, {}, { fetchPolicy: "store-or-network" }).subscribe({
      next: ({ users }) => {
        const names = new Map<string, string>();
        for (const { activity } of users?.edges ?? []) {
          const id = activity.lastContactAgent?.agentId;
          if (id) names.set(id, activity.lastContactAgentName ?? id);
        }
        setAgents([...names].map(([id, name]) => ({ id, name })).sort((a, b) => a.name.localeCompare(b.name)));
      },
      error: () => {}, // the filter has no agents; the list itself shows what is wrong
    });
    return () => subscription.unsubscribe();
  }, [environment]);
  return agents;
}
