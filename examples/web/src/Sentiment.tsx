import { graphql, useFragment } from "react-relay";
import type { Sentiment_summary$key } from "./__generated__/Sentiment_summary.graphql";
import { formatScore } from "./format";

/** What the bar and the score mean. */
export function Legend() {
  return (
    <p className="legend">
      Sentiment
      <span className="label positive">positive</span>
      <span className="label neutral">neutral</span>
      <span className="label negative">negative</span>
      <span>average from −1 to +1</span>
    </p>
  );
}

/** The sentiment of conversations: the shares of positive, neutral and negative ones as a bar, and the average score. */
export function Sentiment({ of }: { of: Sentiment_summary$key | null | undefined }) {
  const s = useFragment(
    graphql`
      fragment Sentiment_summary on SentimentSummary {
        scoredConversationCount
        positiveCount
        neutralCount
        negativeCount
        averageSentimentScore
      }
    `,
    of,
  );
  if (!s || s.scoredConversationCount === 0) return <span className="unscored">not scored</span>;
  const label = `${s.positiveCount} positive, ${s.neutralCount} neutral, ${s.negativeCount} negative`;
  return (
    <span className="sentiment">
      <span className="bar" role="img" aria-label={label} title={label}>
        <i className="positive" style={{ flexGrow: s.positiveCount }} />
        <i className="neutral" style={{ flexGrow: s.neutralCount }} />
        <i className="negative" style={{ flexGrow: s.negativeCount }} />
      </span>
      {typeof s.averageSentimentScore === "number" && (
        <span className="score">
          <span className="visually-hidden">average </span>
          {formatScore(s.averageSentimentScore)}
        </span>
      )}
    </span>
  );
}
