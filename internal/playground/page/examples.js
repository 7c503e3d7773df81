// The tabs that the playground opens with: the one file of the page that knows the API.
//
// Variables that are still empty when an example is run are filled in from the
// first page of the list, so that every example works as it is, in the demo and
// in front of real users.

/** What the examples' variables are filled in from. */
export const sample = `query Sample {
  users(first: 5) {
    nodes { userId lastContactAt lastContactAgent { agentId } }
    pageInfo { endCursor }
  }
}`;

/** The instant one day before the latest contact. */
const aDayAgo = (page) => {
  const latest = page.nodes.find((user) => user?.lastContactAt)?.lastContactAt;
  return latest && new Date(Date.parse(latest) - 24 * 60 * 60 * 1000).toISOString();
};
const aUser = (page) => page.nodes.find((user) => user)?.userId;
const anAgent = (page) => page.nodes.find((user) => user?.lastContactAgent)?.lastContactAgent.agentId;

export const examples = [
  {
    name: "FirstPage",
    query: `# Who has talked to your agents, the latest first.
# Run it, then turn pages with the » button.

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
    name: "LastPage",
    query: `# The last page of the list, in the list's order.
# Run it, then go back with the « button.

query LastPage($last: Int = 5, $before: String) {
  users(last: $last, before: $before) {
    edges {
      cursor
      node {
        userId
        lastContactAt
      }
    }
    pageInfo {
      hasPreviousPage
      startCursor
    }
  }
}
`,
  },
  {
    name: "Count",
    query: `# How many users have called since an instant; null
# if they exceed the limit. Counting costs one
# upstream call per hundred users. Run it: the empty
# "since" becomes the day before the latest contact.

query Count($since: DateTime!, $limit: Int = 1000) {
  users(first: 5, filter: { callStartedAfter: $since }) {
    totalCount(limit: $limit)
    edges {
      node {
        userId
      }
      # The numbers of these conversations alone.
      activity {
        conversationCount
      }
    }
  }
}
`,
    variables: { since: "" },
    fill: (page) => ({ since: aDayAgo(page) }),
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
    query: `# All data of one user, or null if there is no such
# user. Run it: the empty "userId" becomes the first
# of the list.

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

/** The pageInfo of the outermost list of a reply that has the cursor, if there is one. */
function outermost(data, cursor) {
  for (let level = [data]; level.length; ) {
    const objects = level.filter((value) => value && typeof value === "object");
    const list = objects.find((value) => value.pageInfo?.[cursor]);
    if (list) return list.pageInfo;
    level = objects.flatMap(Object.values);
  }
}

/** The cursor of the next page of a reply's outermost list, or undefined. */
export function nextCursor(data) {
  const info = outermost(data, "endCursor");
  return info?.hasNextPage === false ? undefined : info?.endCursor;
}

/** The cursor of the previous page of a reply's outermost list, or undefined. */
export function previousCursor(data) {
  const info = outermost(data, "startCursor");
  return info?.hasPreviousPage === false ? undefined : info?.startCursor;
}
