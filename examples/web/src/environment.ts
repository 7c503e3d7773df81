// Relay's connection to the service.

import { Environment, Network, Observable, RecordSource, Store, type GraphQLResponse, type Variables } from "relay-runtime";
import { Fault } from "./fault";

/**
 * In development the operations' texts by ID, so that every service accepts them. A build has only IDs: the service
 * then needs documents.json as one of its TRUSTED_DOCUMENTS.
 */
const texts: Record<string, string> = import.meta.env.DEV ? (await import("../documents.json")).default : {};

/** How long a response may take, in milliseconds. The service waits ten seconds for its upstream. */
const timeout = 30_000;

export function createEnvironment(endpoint: string): Environment {
  return new Environment({
    network: Network.create((request, variables) =>
      Observable.create((sink) => {
        const cancelled = new AbortController();
        // The place is a key of Relay's store, and no variable of the service's.
        const { place: _, ...sent } = variables;
        send(endpoint, request.id ?? "", sent, cancelled.signal).then(
          (response) => {
            sink.next(response);
            sink.complete();
          },
          (error: unknown) => {
            if (!cancelled.signal.aborted) sink.error(error as Error);
          },
        );
        return () => cancelled.abort();
      }),
    ),
    // The lists and users of the latest 50 places are kept for the back button.
    store: new Store(RecordSource.create(), { gcReleaseBufferSize: 50 }),
    // An edge is identified by its cursor, which belongs to one user of one list. By default Relay identifies it by its
    // place in the response, and if the same list is fetched again in another order, the numbers of the edges that an
    // earlier place shows would become those of other users.
    getDataID: (record, type) => (type === "UserEdge" ? record.cursor : record.id),
  });
}

/** Sends an operation. Every failure becomes a Fault, also an error in the response: no operation here has two root fields. */
async function send(endpoint: string, id: string, variables: Variables, cancelled: AbortSignal): Promise<GraphQLResponse> {
  const late = AbortSignal.timeout(timeout);
  let response: Response;
  let body: unknown;
  try {
    response = await fetch(endpoint, {
      method: "POST",
      // Add your users' credentials here: `authorization: Bearer …` with AUTH=jwt, `xi-api-key` with AUTH=passthrough.
      headers: { "content-type": "application/json", accept: "application/json" },
      body: JSON.stringify({ ...(texts[id] ? { query: texts[id] } : { documentId: id }), variables }),
      signal: AbortSignal.any([cancelled, late]),
    });
    body = await response.json();
  } catch (error) {
    if (late.aborted) throw new Fault("NO_RESPONSE", "no response");
    if (error instanceof SyntaxError) throw new Fault("NOT_GRAPHQL", "not JSON");
    throw new Fault(navigator.onLine ? "UNREACHABLE" : "OFFLINE", String(error));
  }
  const { data, errors } = (body ?? {}) as { data?: unknown; errors?: ServiceError[] };
  const first = errors?.[0];
  if (first) throw new Fault(first.extensions?.code ?? "INTERNAL_SERVER_ERROR", first.message ?? "", first.extensions);
  if (!data) throw new Fault("NOT_GRAPHQL", `HTTP ${response.status}`);
  return { data } as GraphQLResponse;
}

interface ServiceError {
  message?: string;
  extensions?: { code?: string; retryAfter?: number; argument?: string; requestId?: string; upstreamTraceId?: string };
}
