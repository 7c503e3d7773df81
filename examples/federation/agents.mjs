// The service that knows agents and conversations. It owns Agent.name, and joins agents by agentId.

import { serve } from "./subgraph.mjs";

// The demo has agents with these IDs.
export const names = {
  agent_7k612acbx9hx0zmrvzc83de18e9b: "Order desk, first line",
  agent_7k38atyn651x9jptm065hh70mdjq: "Support, all languages",
};

export const start = (port = 0) =>
  serve("agents.graphql", port, {
    Query: { agents: () => Object.keys(names).map((agentId) => ({ agentId })) },
    Agent: {
      __resolveReference: ({ agentId }) => ({ agentId }),
      name: ({ agentId }) => names[agentId] ?? null,
    },
    Conversation: {
      __resolveReference: ({ conversationId }) => ({ conversationId }),
      transcriptUrl: ({ conversationId }) => `https://transcripts.example.com/${encodeURIComponent(conversationId)}`,
    },
  });
