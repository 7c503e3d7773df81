import { memo } from "react";
import { graphql, useFragment } from "react-relay";
import type { UserRow_user$key } from "./__generated__/UserRow_user.graphql";
import { formatNumber } from "./format";
import { Instant } from "./Instant";
import { Link } from "./Link";
import { everybody, formatList } from "./list";
import { Sentiment } from "./Sentiment";

interface Props {
  user: UserRow_user$key;
  /** From 0. */
  index: number;
  onOpen: () => void;
}

export const UserRow = memo(
  function UserRow({ user, index, onOpen }: Props) {
    const u = useFragment(
      graphql`
        fragment UserRow_user on User {
          id
          userId
          conversationCount
          lastContactAt
          lastContactAgentName
          lastContactAgent {
            agentId
          }
          sentiment {
            overall {
              ...Sentiment_summary
            }
          }
        }
      `,
      user,
    );
    return (
      <tr role="row" aria-rowindex={index + 2}>
        <td role="cell" className="user">
          <Link to={`?id=${u.id}`} onClick={onOpen} title={u.userId}>
            <bdi>{u.userId}</bdi>
          </Link>
        </td>
        <td role="cell" className="conversations">
          {formatNumber(u.conversationCount ?? 0)}
          <span className="unit"> {u.conversationCount === 1 ? "conversation" : "conversations"}</span>
        </td>
        <td role="cell" className="mood">
          <Sentiment of={u.sentiment?.overall} />
        </td>
        <td role="cell" className="agent">
          {u.lastContactAgent ? (
            <Link to={formatList({ ...everybody, agent: u.lastContactAgent.agentId })} title="Everybody who has talked to this agent">
              {u.lastContactAgentName ?? u.lastContactAgent.agentId}
            </Link>
          ) : (
            <span className="unscored">unknown</span>
          )}
        </td>
        <td role="cell" className="contact">
          <Instant at={u.lastContactAt} />
        </td>
      </tr>
    );
  },
  (a, b) => a.user === b.user && a.index === b.index, // onOpen is another function each time, and does the same
);
