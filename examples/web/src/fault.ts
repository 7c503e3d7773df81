// What can go wrong between a person and the list, and how it is said.

/** A failure with one of the service's codes (extensions.code), or one of our own where the service was not reached. */
export class Fault extends Error {
  override name = "Fault";
  constructor(
    readonly code: string,
    message: string,
    readonly details: {
      /** Seconds after which it makes sense to ask again. */
      retryAfter?: number;
      /** The argument that is to blame. */
      argument?: string;
      /** What the service's log has it under. */
      requestId?: string;
      /** What the upstream's support asks for. */
      upstreamTraceId?: string;
    } = {},
  ) {
    super(message);
  }

  /** A cursor that the service does not take (any more): its key has changed, or the cursor is another list's. */
  get isStaleCursor() {
    return this.code === "BAD_USER_INPUT" && this.details.argument === "after";
  }
}

export const toFault = (error: unknown) =>
  error instanceof Fault ? error : new Fault("BUG", error instanceof Error ? error.message : String(error));

/** What somebody can do about a fault: ask again, ask for less (without filters), or load the application anew. */
export type Remedy = "retry" | "widen" | "reload" | "none";

interface Wording {
  title: string;
  sentence: string;
  remedy: Remedy;
}

const wordings: Record<string, Wording> = {
  RATE_LIMITED: {
    title: "Too many calls at once",
    sentence: "No more calls are taken right now. This passes by itself.",
    remedy: "retry",
  },
  OVERLOADED: {
    title: "The service is busy",
    sentence: "It has no capacity for this right now. This passes by itself.",
    remedy: "retry",
  },
  UPSTREAM_TIMEOUT: {
    title: "No answer in time",
    sentence: "ElevenLabs took too long to answer.",
    remedy: "retry",
  },
  UPSTREAM_UNAVAILABLE: {
    title: "ElevenLabs is not available",
    sentence: "It is down or cannot be reached. That is usually over within a minute.",
    remedy: "retry",
  },
  UPSTREAM_BAD_RESPONSE: {
    title: "An answer that makes no sense",
    sentence: "ElevenLabs answered something that could not be understood.",
    remedy: "retry",
  },
  UPSTREAM_CREDENTIALS: {
    title: "The service's key was refused",
    sentence: "ElevenLabs does not accept the service's API key, or it has no credit. Whoever runs the service has to mend that.",
    remedy: "none",
  },
  UNAUTHENTICATED: {
    title: "You are not signed in",
    sentence: "The service does not know you, or your sign-in has expired.",
    remedy: "none",
  },
  FORBIDDEN: {
    title: "This is not for you",
    sentence: "You are signed in, but may not see this.",
    remedy: "none",
  },
  NOT_FOUND: {
    title: "No such agent",
    sentence: "ElevenLabs knows no agent with this ID.",
    remedy: "widen",
  },
  BAD_USER_INPUT: {
    title: "That cannot be asked",
    sentence: "The service did not take it:",
    remedy: "widen",
  },
  OPERATION_TOO_COMPLEX: {
    title: "Too much at once",
    sentence: "This asks for more than the service gives in one go.",
    remedy: "none",
  },
  GRAPHQL_PARSE_FAILED: {
    title: "This page is out of date",
    sentence: "It and the service do not understand each other any more.",
    remedy: "reload",
  },
  INTERNAL_SERVER_ERROR: {
    title: "Something broke inside the service",
    sentence: "That is not your doing. Its log knows more under the request ID.",
    remedy: "retry",
  },

  // Our own.
  OFFLINE: {
    title: "You are offline",
    sentence: "What has been loaded is still here.",
    remedy: "retry",
  },
  UNREACHABLE: {
    title: "The service cannot be reached",
    sentence: "It is not running at this address, or it does not let this web site in (CORS_ORIGINS).",
    remedy: "retry",
  },
  NO_ANSWER: {
    title: "No answer in time",
    sentence: "The service took too long to answer.",
    remedy: "retry",
  },
  NOT_GRAPHQL: {
    title: "Somebody else answered",
    sentence: "What answered at the service's address does not speak GraphQL.",
    remedy: "retry",
  },
  BUG: {
    title: "Something broke on this page",
    sentence: "That is not your doing.",
    remedy: "reload",
  },
};
for (const code of ["GRAPHQL_VALIDATION_FAILED", "PERSISTED_QUERY_NOT_FOUND", "PERSISTED_QUERY_NOT_SUPPORTED"]) {
  wordings[code] = wordings.GRAPHQL_PARSE_FAILED!;
}

export function wordingOf(fault: Fault): Wording {
  const wording = wordings[fault.code] ?? wordings.INTERNAL_SERVER_ERROR!;
  if (fault.code !== "BAD_USER_INPUT") return wording;
  // The service names its argument and what is wrong with it.
  return { ...wording, sentence: `${wording.sentence} ${fault.message}` };
}
