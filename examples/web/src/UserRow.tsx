import { memo } from "react";
import { graphql, useFragment } from "react-relay";
import type { UserRow_edge$key } from "./__generated__/UserRow_edge.graphql";
import { formatNumber } from "./format";
import { Instant } from "./Instant";
import { Link } from "./Link";
import { allUsers, formatList } from "./list";
import { Sentiment } from "./Sentiment";

interface Props {
  edge: UserRow_edge$key;
  /** From 0. */
  index: number;
  onOpen: () => void;
}

export const UserRow = memo(
  function UserRow({ edge, index, onOpen }: Props) {
    // The numbers are those of the list. A user's own fields are one record in Relay's store for all lists: each list
    // would show the numbers of the list that was fetched last.
    const { node, activity } = useFragment(
      graphql`
        fragment UserRow_edge on UserEdge {
          node {
            id
            userId
          }
          activity {
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
        }
      `,
      edge,
    );
    if (!node) return null;
    return (
      <tr role="row" aria-rowindex={index + 2}>
        <td role="cell" className="user">
          <Link to={`?id=${node.id}`} onClick={onOpen} title={node.userId}>
            <bdi>{node.userId}</bdi>
          </Link>
        </td>
        <td role="cell" className="conversations">
          {formatNumber(activity.conversationCount)}
          <span className="unit"> {activity.conversationCount === 1 ? "conversation" : "conversations"}</span>
        </td>
        <td role="cell" className="mood">
          <Sentiment of={activity.sentiment?.overall} />
        </td>
        <td role="cell" className="agent">
          {activity.lastContactAgent ? (
            <Link to={formatList({ ...allUsers, agent: activity.lastContactAgent.agentId })} title={`${activity.lastContactAgentName ?? activity.lastContactAgent.agentId}: all users who have talked to this agent`}>
              {activity.lastContactAgentName ?? activity.lastContactAgent.agentId}
            </Link>
          ) : (
            <span className="unscored">unknown</span>
          )}
        </td>
        <td role="cell" className="contact">
          <Instant at={activity.lastContactAt} />
        </td>
      </tr>
    );
  },
  (a, b) => a.edge === b.edge && a.index === b.index, // onOpen differs each time, but does the same for the same index
);
