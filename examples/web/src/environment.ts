// Relay's way to the service.

import { Environment, Network, Observable, RecordSource, Store, type GraphQLResponse, type Variables } from "relay-runtime";
import { Fault } from "./fault";

/** How long an answer may take, in milliseconds. The service itself gives up on its upstream after ten seconds. */
const patience = 30_000;

export function createEnvironment(endpoint: string): Environment {
  return new Environment({
    network: Network.create((request, variables) =>
      Observable.create((sink) => {
        const leave = new AbortController();
        ask(endpoint, request.text ?? "", variables, leave.signal).then(
          (response) => {
            sink.next(response);
            sink.complete();
          },
          (error: unknown) => {
            if (!leave.signal.aborted) sink.error(error as Error); // or nobody listens any more
          },
        );
        return () => leave.abort();
      }),
    ),
    // Lists and users that were left are kept for whoever comes back: so many of them.
    store: new Store(RecordSource.create(), { gcReleaseBufferSize: 50 }),
    // What is known of a user (how many conversations, the last contact) is counted over the conversations that the
    // list's filter selects. A user in two lists is therefore two records: under one, each list would show the numbers
    // of the list that was fetched last. Without an ID Relay keeps a record where it was found.
    getDataID: (record, type) => (type === "User" ? null : record.id),
  });
}

/** Asks the service. Whatever goes wrong becomes a Fault: one that is in the answer, too, as no operation here has two root fields. */
async function ask(endpoint: string, query: string, variables: Variables, leave: AbortSignal): Promise<GraphQLResponse> {
  const late = AbortSignal.timeout(patience);
  let response: Response;
  let body: unknown;
  try {
    response = await fetch(endpoint, {
      method: "POST",
      // The place for your users' credentials: `authorization: Bearer …` with AUTH=jwt, `xi-api-key` with AUTH=passthrough.
      headers: { "content-type": "application/json", accept: "application/json" },
      body: JSON.stringify({ query, variables }),
      signal: AbortSignal.any([leave, late]),
    });
    body = await response.json();
  } catch (error) {
    if (late.aborted) throw new Fault("NO_ANSWER", "no answer");
    if (error instanceof SyntaxError) throw new Fault("NOT_GRAPHQL", "no JSON");
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
