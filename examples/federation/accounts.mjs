// The service that knows accounts. It owns User.email, and joins users by userId.

import { serve } from "./subgraph.mjs";

// The demo has conversations with the first four; the fifth user never talked.
export const userIds = ["user_00001", "user_01001", "user_02001", "user_03001", "newcomer"];

const account = (userId, i) => ({ id: `acct_${i + 1}`, plan: i % 2 ? "team" : "solo", user: { userId } });

/** Serves accounts of these users. */
export const start = (port = 0, ids = userIds) =>
  serve("accounts.graphql", port, {
    Query: { accounts: () => ids.map(account) },
    User: {
      // A user who talks to an agent may have no account, and is still a user.
      __resolveReference: ({ userId }) => ({ userId }),
      email: ({ userId }) => (/^\w+$/.test(userId) ? `${userId}@example.com` : null),
    },
  });
