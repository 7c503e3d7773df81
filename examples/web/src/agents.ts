// Which agents there are to choose from. The API has no list of them, as the upstream has none; those whom the latest
// hundred callers talked to are one page, and that is one call.

import { useEffect, useState } from "react";
import { fetchQuery, graphql, useRelayEnvironment } from "react-relay";
import type { agentsQuery } from "./__generated__/agentsQuery.graphql";

export interface Agent {
  id: string;
  name: string;
}

/** The agents, in the order of their names; none while they are not known. */
export function useAgents(): Agent[] {
  const environment = useRelayEnvironment();
  const [agents, setAgents] = useState<Agent[]>([]);
  useEffect(() => {
    const query = graphql`
      query agentsQuery {
        users(first: 100) {
          nodes {
            lastContactAgentName
            lastContactAgent {
              agentId
            }
          }
        }
      }
    `;
    const subscription = fetchQuery<agentsQuery>(environment, query, {}, { fetchPolicy: "store-or-network" }).subscribe({
      next: ({ users }) => {
        const names = new Map<string, string>();
        for (const user of users?.nodes ?? []) {
          const id = user?.lastContactAgent?.agentId;
          if (id) names.set(id, user.lastContactAgentName ?? id);
        }
        setAgents([...names].map(([id, name]) => ({ id, name })).sort((a, b) => a.name.localeCompare(b.name)));
      },
      error: () => {}, // then there are none to choose from; the list itself says what is wrong
    });
    return () => subscription.unsubscribe();
  }, [environment]);
  return agents;
}
