// The tabs that the playground opens with: the one file of the page that knows the API.
//
// Variables that are still empty when an example is run are filled in from the
// first page of the list, so that every example works as it is, in the demo and
// in front of real users.

/** What the examples' variables are filled in from. */
export const sample = `query Sample {
  users(first: 5) {
    nodes { userId lastContactAgent { agentId } }
    pageInfo { endCursor }
  }
}`;

const aUser = (page) => page.nodes.find((user) => user)?.userId;
const anAgent = (page) => page.nodes.find((user) => user?.lastContactAgent)?.lastContactAgent.agentId;

export const examples = [
  {
    name: "FirstPage",
    query: `# Who has talked to your agents, the latest first.
# Run it, then turn pages with the » below.

query FirstPage($first: Int = 5, $after: String) {
  users(first: $first, after: $after) {
    edges {
      cursor
      node {
        userId
        conversationCount
        lastContactAt
        lastContactAgentName
      }
    }
    pageInfo {
      hasNextPage
      endCursor
    }
  }
}
`,
  },
  {
    name: "NextPage",
    query: `# Who follows a cursor: any edge's, with any "first".
# Run it: the empty "after" becomes the end of
# the first page.

query NextPage($after: String) {
  users(first: 5, after: $after) {
    edges {
      cursor
      node {
        userId
        lastContactAt
      }
    }
    pageInfo {
      hasPreviousPage
      hasNextPage
      endCursor
    }
  }
}
`,
    variables: { after: "" },
    fill: (page) => ({ after: page.pageInfo.endCursor }),
  },
  {
    name: "ByAgent",
    query: `# Who has talked to one agent most.
# Run it: the empty "agentId" becomes an agent of
# the first page.

query ByAgent($agentId: ID!, $after: String) {
  users(
    first: 5
    after: $after
    filter: { agentId: $agentId }
    sortBy: CONVERSATION_COUNT
  ) {
    nodes {
      userId
      conversationCount
      firstContactAt
      lastContactAt
    }
    pageInfo {
      hasNextPage
      endCursor
    }
  }
}
`,
    variables: { agentId: "" },
    fill: (page) => ({ agentId: anAgent(page) }),
  },
  {
    name: "OneUser",
    query: `# All that is known of somebody; null where there
# is nobody. Run it: the empty "userId" becomes the
# first of the list.

query OneUser($userId: ID!) {
  user(userId: $userId) {
    id
    userId
    conversationCount
    firstContactAt
    lastContactAt
    lastContactAgentName
    lastContactConversation {
      conversationId
    }
    sentiment {
      overall {
        ...summary
      }
      recent {
        ...summary
      }
    }
    mostFrustratedConversations {
      startedAt
      label
      frustrationScore
      conversation {
        conversationId
      }
    }
  }
}

fragment summary on SentimentSummary {
  scoredConversationCount
  positiveCount
  neutralCount
  negativeCount
  averageSentimentScore
}
`,
    variables: { userId: "" },
    fill: (page) => ({ userId: aUser(page) }),
  },
  {
    name: "NestedAgents",
    query: `# Each user's latest agent, and who else talks to it:
# one upstream call for the list, and one for each
# different agent.

query NestedAgents {
  users(first: 4) {
    nodes {
      userId
      lastContactAgentName
      lastContactAgent {
        agentId
        users(first: 3, sortBy: CONVERSATION_COUNT) {
          nodes {
            userId
            conversationCount
          }
        }
      }
    }
  }
}
`,
  },
  {
    name: "Entities",
    query: `# What a federation router asks: the fields of
# objects that other services name. Run it: the empty
# IDs become a user and an agent of the first page.

query Entities($userId: ID!, $agentId: ID!) {
  _entities(
    representations: [
      { __typename: "User", userId: $userId }
      { __typename: "Agent", agentId: $agentId }
      { __typename: "User", userId: "a stranger" }
    ]
  ) {
    __typename
    ... on User {
      userId
      conversationCount
      lastContactAt
    }
    ... on Agent {
      agentId
      users(first: 2) {
        nodes {
          userId
        }
      }
    }
  }
}
`,
    variables: { userId: "", agentId: "" },
    fill: (page) => ({ userId: aUser(page), agentId: anAgent(page) }),
  },
];

/** The cursor after the outermost list of a reply that has more, or undefined. */
export function nextCursor(data) {
  for (let level = [data]; level.length; ) {
    const objects = level.filter((value) => value && typeof value === "object");
    const list = objects.find((value) => value.pageInfo?.endCursor);
    if (list) return list.pageInfo.hasNextPage === false ? undefined : list.pageInfo.endCursor;
    level = objects.flatMap(Object.values);
  }
}
