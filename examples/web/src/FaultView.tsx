import { Component, useEffect, useState, type ReactNode } from "react";
import { toFault, wordingOf, type Fault } from "./fault";

interface ViewProps {
  fault: Fault;
  onRetry: () => void;
  /** Goes to the first page of the list, if this is another one. */
  onFirstPage?: (() => void) | undefined;
}

/** A fault as a sentence, with a button if one can help. */
export function FaultView({ fault, onRetry, onFirstPage }: ViewProps) {
  const { title, sentence, remedy } = wordingOf(fault);
  const { retryAfter, requestId, upstreamTraceId } = fault.details;
  return (
    <div className="fault">
      <div role="alert">
        <h2>{title}</h2>
        <p>{sentence}</p>
      </div>
      {remedy === "retry" && (retryAfter ? <Countdown seconds={retryAfter} onEnd={onRetry} /> : <button onClick={onRetry}>Try again</button>)}
      {remedy === "sign in" && signInURL() && (
        <a className="button" href={signInURL()}>
          Sign in
        </a>
      )}
      {(remedy === "reload" || remedy === "sign in") && (
        <button className={remedy === "sign in" && signInURL() ? "quiet" : undefined} onClick={() => location.reload()}>
          Reload the page
        </button>
      )}
      {remedy === "first page" && onFirstPage && <button onClick={onFirstPage}>Go to the first page</button>}
      {requestId && (
        <p className="ids">
          <span>
            Request <code>{requestId}</code>
          </span>
          {upstreamTraceId && (
            <span>
              ElevenLabs trace <code>{upstreamTraceId}</code>
            </span>
          )}
        </p>
      )}
    </div>
  );
}

/** The address at which people sign in, if the page names one. */
const signInURL = () => document.querySelector<HTMLMetaElement>("meta[name=sign-in-url]")?.content;

/** Counts down and then tries again. Screen readers announce it once, and not each second. */
function Countdown({ seconds, onEnd }: { seconds: number; onEnd: () => void }) {
  const [end] = useState(() => Date.now() + seconds * 1000);
  const [left, setLeft] = useState(seconds);
  useEffect(() => {
    const timer = setInterval(() => setLeft(Math.ceil((end - Date.now()) / 1000)), 250);
    return () => clearInterval(timer);
  }, [end]);
  useEffect(() => {
    if (left <= 0) onEnd();
  }, [left <= 0]); // eslint-disable-line react-hooks/exhaustive-deps
  return (
    <p className="countdown">
      <span className="visually-hidden">The page tries again in {seconds} seconds.</span>
      <span aria-hidden="true" role="timer">
        Trying again in {Math.max(left, 0)} s
      </span>
      <span className="ring" style={{ animationDuration: `${seconds}s` }} aria-hidden="true" />
    </p>
  );
}

interface BoundaryProps {
  /** Each attempt needs a new boundary: give it a key. */
  children: ReactNode;
  fallback: (fault: Fault) => ReactNode;
}

/** Shows a fault instead of the children that threw it. */
export class FaultBoundary extends Component<BoundaryProps, { fault: Fault | null }> {
  override state = { fault: null };
  static getDerivedStateFromError(error: unknown) {
    return { fault: toFault(error) };
  }
  override render() {
    return this.state.fault ? this.props.fallback(this.state.fault) : this.props.children;
  }
}
