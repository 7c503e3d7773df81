// The service that knows accounts. It owns User.email, and joins users by userId.

import { serve } from "./subgraph.mjs";

// The demo has the first four; nobody has heard the fifth.
export const userIds = ["user_00001", "user_01001", "user_02001", "user_03001", "newcomer"];

const account = (userId, i) => ({ id: `acct_${i + 1}`, plan: i % 2 ? "team" : "solo", user: { userId } });

/** Serves accounts of the users given. */
export const start = (port = 0, ids = userIds) =>
  serve("accounts.graphql", port, {
    Query: { accounts: () => ids.map(account) },
    User: {
      // Whoever talks to an agent need not have an account: a user is there all the same.
      __resolveReference: ({ userId }) => ({ userId }),
      email: ({ userId }) => (/^\w+$/.test(userId) ? `${userId}@example.com` : null),
    },
  });
