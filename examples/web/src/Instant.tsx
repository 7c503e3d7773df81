import { formatDate, formatInstant, formatTime } from "./format";

/** A day, with the time of day beside it. */
export function Instant({ at }: { at: string | null | undefined }) {
  if (!at) return <span className="unscored">never</span>;
  return (
    <time dateTime={at} title={formatInstant(at)}>
      {formatDate(at)} <small>{formatTime(at)}</small>
    </time>
  );
}
