import { Suspense, useEffect, useRef } from "react";
import { graphql, usePreloadedQuery, type PreloadedQuery } from "react-relay";
import type { UserPageQuery } from "./__generated__/UserPageQuery.graphql";
import { FaultBoundary, FaultView } from "./FaultView";
import { formatNumber, formatScore } from "./format";
import { Instant } from "./Instant";
import { Link } from "./Link";
import { allUsers, formatList } from "./list";
import { useNavigation, type Place } from "./navigation";
import { Legend, Sentiment } from "./Sentiment";
import { useLoaded } from "./useLoaded";

const query = graphql`
  query UserPageQuery($id: ID!) {
    node(id: $id) {
      __typename
      ... on User {
        userId
        conversationCount
        firstContactAt
        lastContactAt
        lastContactAgentName
        lastContactAgent {
          agentId
        }
        lastContactConversation {
          conversationId
        }
        sentiment {
          overall {
            ...Sentiment_summary
            scoredConversationCount
            averageFrustrationScore
          }
          recent {
            ...Sentiment_summary
            scoredConversationCount
            averageFrustrationScore
          }
        }
        mostFrustratedConversations {
          conversation {
            conversationId
          }
          startedAt
          label
          sentimentScore
          frustrationScore
        }
      }
    }
  }
`;

/** All data of one user, over all conversations. */
export function UserPage({ id, place }: { id: string; place: Place }) {
  const navigation = useNavigation();
  const { reference, attempt, again } = useLoaded<UserPageQuery>(query, { id }, place);
  return (
    <main className="one">
      <button className="quiet back" onClick={() => navigation.back("")}>
        <svg viewBox="0 0 12 12" aria-hidden="true">
          <path d="M7.5 3 4.5 6 7.5 9" />
        </svg>
        Users
      </button>
      <FaultBoundary key={attempt} fallback={(fault) => <FaultView fault={fault} onRetry={again} />}>
        <Suspense fallback={<Loading />}>{reference ? <Loaded reference={reference} /> : <Loading />}</Suspense>
      </FaultBoundary>
    </main>
  );
}

function Loading() {
  return (
    <div className="skeleton" role="status">
      <span className="visually-hidden">Loading the user…</span>
      <i className="line" />
      <i className="block" />
      <i className="block" />
    </div>
  );
}

function Loaded({ reference }: { reference: PreloadedQuery<UserPageQuery> }) {
  const { node } = usePreloadedQuery<UserPageQuery>(query, reference);
  const title = node?.__typename === "User" ? node.userId : "No such user";
  const heading = useRef<HTMLHeadingElement>(null);
  useEffect(() => {
    document.title = `${title} – Rollcall`;
    heading.current?.focus({ preventScroll: true }); // reading a new page begins at its heading
  }, [title]);

  if (node?.__typename !== "User") {
    return (
      <div className="empty">
        <h1 ref={heading} tabIndex={-1}>
          No such user
        </h1>
        <p>No user with this ID has talked to your agents.</p>
      </div>
    );
  }
  const { lastContactAgent: agent, lastContactConversation: conversation, sentiment } = node;
  const frustrated = node.mostFrustratedConversations ?? [];
  return (
    <>
      <h1 ref={heading} tabIndex={-1}>
        <bdi>{node.userId}</bdi>
      </h1>
      <dl className="facts">
        <div>
          <dt>Conversations</dt>
          <dd>{formatNumber(node.conversationCount ?? 0)}</dd>
        </div>
        <div>
          <dt>First contact</dt>
          <dd>
            <Instant at={node.firstContactAt} />
          </dd>
        </div>
        <div>
          <dt>Last contact</dt>
          <dd>
            <Instant at={node.lastContactAt} />
          </dd>
        </div>
        <div>
          <dt>Last agent</dt>
          <dd>
            {agent ? (
              <Link to={formatList({ ...allUsers, agent: agent.agentId })} title="All users who have talked to this agent">
                {node.lastContactAgentName ?? agent.agentId}
              </Link>
            ) : (
              <span className="unscored">unknown</span>
            )}
          </dd>
        </div>
      </dl>

      <h2>Sentiment</h2>
      {sentiment ? (
        <dl className="moods">
          {([["All conversations", sentiment.overall], ["Latest conversations", sentiment.recent]] as const).map(([name, s]) => (
            <div key={name}>
              <dt>{name}</dt>
              <dd>
                <Sentiment of={s} />
                <small>
                  {formatNumber(s.scoredConversationCount)} scored
                  {typeof s.averageFrustrationScore === "number" && ` · frustration ${s.averageFrustrationScore.toFixed(2)}`}
                </small>
              </dd>
            </div>
          ))}
        </dl>
      ) : (
        <p className="unscored">not scored</p>
      )}
      {sentiment && (
        <>
          <Legend />
          <p className="explanation">
            The latest conversations are the latest ones with a score; ElevenLabs does not document how many. Frustration is an average from 0 (none) to 1 (most).
          </p>
        </>
      )}

      <h2 id="frustrated">Most frustrating conversations</h2>
      {frustrated.length > 0 ? (
        <table className="frustrated" aria-labelledby="frustrated">
          <thead>
            <tr>
              <th>Conversation</th>
              <th>Began</th>
              <th>Mood</th>
              <th className="number">Score</th>
              <th className="number">Frustration</th>
            </tr>
          </thead>
          <tbody>
            {frustrated.map((c) => (
              <tr key={c.conversation.conversationId}>
                <td>
                  <code>{c.conversation.conversationId}</code>
                </td>
                <td>
                  <Instant at={c.startedAt} />
                </td>
                <td>{c.label ? <span className={`label ${c.label.toLowerCase()}`}>{c.label.toLowerCase()}</span> : "–"}</td>
                <td className="number" data-name="score">{typeof c.sentimentScore === "number" ? formatScore(c.sentimentScore) : "–"}</td>
                <td className="number" data-name="frustration">{typeof c.frustrationScore === "number" ? c.frustrationScore.toFixed(2) : "–"}</td>
              </tr>
            ))}
          </tbody>
        </table>
      ) : (
        <p className="unscored">none</p>
      )}

      {conversation && (
        <p className="ids">
          Latest conversation <code>{conversation.conversationId}</code>
        </p>
      )}
    </>
  );
}
