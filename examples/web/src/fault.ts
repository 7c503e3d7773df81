// The failures that a list or a user can have, and their wording.

/** A failure with one of the service's codes (extensions.code), or with a code of this application if the service did not respond. */
export class Fault extends Error {
  override name = "Fault";
  constructor(
    readonly code: string,
    message: string,
    readonly details: {
      /** Seconds after which a retry makes sense. */
      retryAfter?: number;
      /** The argument that is wrong. */
      argument?: string;
      /** The ID of the request in the service's log. */
      requestId?: string;
      /** The ID that the upstream's support requests. */
      upstreamTraceId?: string;
    } = {},
  ) {
    super(message);
  }

  /** Whether the service refused a cursor: its key has changed, the address is incomplete, or the cursor is another list's. */
  get isStaleCursor() {
    return this.code === "BAD_USER_INPUT" && (this.details.argument === "after" || this.details.argument === "before");
  }
}

export const toFault = (error: unknown) =>
  error instanceof Fault ? error : new Fault("BUG", error instanceof Error ? error.message : String(error));

/** What helps against a fault: a retry, the first page, signing in, or a reload of the application. */
export type Remedy = "retry" | "first page" | "sign in" | "reload" | "none";

interface Wording {
  title: string;
  sentence: string;
  remedy: Remedy;
}

const wordings: Record<string, Wording> = {
  RATE_LIMITED: {
    title: "Too many requests",
    sentence: "The service accepts no more requests at the moment.",
    remedy: "retry",
  },
  OVERLOADED: {
    title: "The service is busy",
    sentence: "It has no capacity for this request at the moment.",
    remedy: "retry",
  },
  UPSTREAM_TIMEOUT: {
    title: "No response in time",
    sentence: "ElevenLabs took too long to respond.",
    remedy: "retry",
  },
  UPSTREAM_UNAVAILABLE: {
    title: "ElevenLabs is not available",
    sentence: "It is down or cannot be reached. This usually takes less than a minute.",
    remedy: "retry",
  },
  UPSTREAM_BAD_RESPONSE: {
    title: "Invalid response",
    sentence: "The response of ElevenLabs could not be understood.",
    remedy: "retry",
  },
  UPSTREAM_CREDENTIALS: {
    title: "The service's key was refused",
    sentence: "ElevenLabs does not accept the service's API key, or the key has no credit. The operator of the service can change that.",
    remedy: "none",
  },
  UNAUTHENTICATED: {
    title: "You are not signed in",
    sentence: "The service did not accept your credentials, or they have expired. Sign in, and then reload this page.",
    remedy: "sign in",
  },
  FORBIDDEN: {
    title: "No permission",
    sentence: "You are signed in, but not permitted to see this. The operator of the service can change that.",
    remedy: "none",
  },
  NOT_FOUND: {
    title: "No such agent",
    sentence: "ElevenLabs has no agent with this ID. Choose another agent, or clear the filters.",
    remedy: "none",
  },
  BAD_USER_INPUT: {
    title: "Invalid request",
    sentence: "The service refused it:",
    remedy: "none",
  },
  OPERATION_TOO_COMPLEX: {
    title: "Too large a request",
    sentence: "It needs more calls to ElevenLabs than the service makes for one request.",
    remedy: "first page",
  },
  GRAPHQL_PARSE_FAILED: {
    title: "This page is out of date",
    sentence: "The service has a newer version than this page.",
    remedy: "reload",
  },
  PERSISTED_QUERY_NOT_IN_LIST: {
    title: "This page is out of date",
    sentence: "The service and this page have different versions. Reload the page. If that does not help, the service is still being updated: try again in a few minutes.",
    remedy: "reload",
  },
  PERSISTED_QUERY_NOT_FOUND: {
    title: "The service does not know this page",
    sentence: "This page's operations (documents.json) are not among the service's TRUSTED_DOCUMENTS. The operator of the service can change that.",
    remedy: "reload",
  },
  INTERNAL_SERVER_ERROR: {
    title: "The service has failed",
    sentence: "This is not your fault. The service's log has details under the request ID.",
    remedy: "retry",
  },

  // Codes of this application.
  OFFLINE: {
    title: "You are offline",
    sentence: "The rows that were loaded are still here.",
    remedy: "retry",
  },
  UNREACHABLE: {
    title: "The service cannot be reached",
    sentence: "It does not run at this address, or it does not allow this web site (CORS_ORIGINS).",
    remedy: "retry",
  },
  NO_RESPONSE: {
    title: "No response in time",
    sentence: "The service took too long to respond.",
    remedy: "retry",
  },
  NOT_GRAPHQL: {
    title: "Not a response of the service",
    sentence: "The program at the service's address does not respond with GraphQL.",
    remedy: "retry",
  },
  BUG: {
    title: "This page has failed",
    sentence: "This is not your fault.",
    remedy: "reload",
  },
};
wordings.GRAPHQL_VALIDATION_FAILED = wordings.GRAPHQL_PARSE_FAILED!;
// In development this page sends texts, and a build sends IDs: the service may accept only the other.
for (const code of ["PERSISTED_QUERY_NOT_SUPPORTED", "PERSISTED_QUERY_ID_REQUIRED", "QUERY_NOT_IN_SAFELIST"]) {
  wordings[code] = wordings.PERSISTED_QUERY_NOT_FOUND!;
}

export function wordingOf(fault: Fault): Wording {
  const wording = wordings[fault.code] ?? wordings.INTERNAL_SERVER_ERROR!;
  if (fault.code !== "BAD_USER_INPUT") return wording;
  // The service's message names the argument and the reason.
  return { ...wording, sentence: `${wording.sentence} ${fault.message}` };
}
