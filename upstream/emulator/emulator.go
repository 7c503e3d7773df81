// Package emulator serves the contract of GET /v1/convai/users over synthetic
// conversations: for a demo without an account, for tests, and for benchmarks.
//
// It is written from the vendor's reference page (List users) and from what is
// known beyond that, as another team would write it. It must not import the
// project's client: a type that both shared would hide the mistakes of both.
//
// As upstream, users are not stored. They are computed from the conversations
// that a filter selects, so that counts, contacts and sentiment are consistent
// under every filter.
package emulator

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"strconv"
	"sync/atomic"
	"time"
)

// endpoint is the only path that is served; it is that of the vendor's reference
// page.
const endpoint = "/v1/convai/users"

// Options configure a world. The zero value is the demo's world.
type Options struct {
	// Seed determines all generated data: the same seed gives the same world and
	// the same responses. Default 1.
	Seed uint64

	// Users is the number of users with a conversation in the 180 days before
	// 2026-11-01T00:00:00Z. Default 10,000. If it is negative, there are no
	// users, only agents without conversations.
	Users int

	// Latency delays each response. Default 0.
	Latency time.Duration

	// Keys are the API keys that are accepted. Default: every well-formed key.
	Keys []string

	// Maximum is sent with each response as the number of requests that a key may
	// have in flight, together with the number of requests in flight (the vendor's
	// manual). It is not enforced. Default 0: the headers are not sent.
	Maximum int
}

// Emulator is an [http.Handler] that responds as the upstream does. It is safe
// for concurrent use.
type Emulator struct {
	seed     uint64
	latency  time.Duration
	maximum  int
	current  atomic.Int64 // requests in flight, of all keys
	keys     keyring
	cursors  cursors
	ledger   *ledger
	requests atomic.Uint64 // served so far; the number becomes the trace ID
}

// New generates a world and returns an emulator that serves it.
func New(o Options) *Emulator {
	if o.Seed == 0 {
		o.Seed = 1
	}
	if o.Users == 0 {
		o.Users = 10_000
	}
	return &Emulator{
		seed:    o.Seed,
		latency: o.Latency,
		maximum: o.Maximum,
		keys:    newKeyring(o.Keys),
		cursors: newCursors(o.Seed),
		ledger:  newWorld(o.Seed, o.Users),
	}
}

// Record adds a conversation. Requests that begin after it returns see it.
func (e *Emulator) Record(c Conversation) { e.ledger.record(c) }

// ServeHTTP responds to one request. If the request is cancelled during the
// latency, the status is 503, but no client reads it.
func (e *Emulator) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	// The vendor's support requests this ID; errors repeat it as
	// detail.request_id.
	trace := fmt.Sprintf("%016x%016x", e.seed, e.requests.Add(1))
	w.Header().Set("x-trace-id", trace)
	current := e.current.Add(1)
	defer e.current.Add(-1)
	if e.maximum > 0 {
		w.Header().Set("current-concurrent-requests", strconv.FormatInt(current, 10))
		w.Header().Set("maximum-concurrent-requests", strconv.Itoa(e.maximum))
	}

	if err := wait(r.Context(), e.latency); err != nil {
		refuse(w, trace, unavailable())
		return
	}
	page, refusal := e.page(r)
	if refusal != nil {
		refuse(w, trace, refusal)
		return
	}
	write(w, http.StatusOK, page)
}

// page returns the response to a request that is valid in every respect.
//
// The checks are ordered: path, method, key, parameters, cursor, agent. The order
// is a guess, except for the first two, which any web framework checks first.
func (e *Emulator) page(r *http.Request) (page, *refusal) {
	if r.URL.Path != endpoint {
		return page{}, notFound()
	}
	if r.Method != http.MethodGet {
		return page{}, methodNotAllowed()
	}
	key := r.Header.Get("xi-api-key")
	if refusal := e.keys.check(key); refusal != nil {
		return page{}, refusal
	}
	q, faults := parseQuery(r.URL.Query())
	if len(faults) > 0 {
		return page{}, invalidParameters(faults)
	}
	var from *position
	if q.cursor != "" {
		p, err := e.cursors.open(q.cursor, q, key)
		if err != nil {
			return page{}, invalidCursor()
		}
		from = &p
	}
	response, last, err := e.ledger.page(q, from)
	if err != nil {
		return page{}, unknownAgent(q.agentID)
	}
	if response.HasMore {
		response.NextCursor = e.cursors.seal(last, q, key)
	}
	return response, nil
}

// wait returns after d, or returns an error if ctx is cancelled before.
func wait(ctx context.Context, d time.Duration) error {
	if d <= 0 {
		return nil
	}
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// write sends body as JSON. It ignores write errors: the client has disconnected.
func write(w http.ResponseWriter, status int, body any) {
	var b bytes.Buffer
	encoder := json.NewEncoder(&b)
	encoder.SetEscapeHTML(false) // the upstream does not escape & and < in user IDs either
	if err := encoder.Encode(body); err != nil {
		http.Error(w, "the response cannot be encoded: "+err.Error(), http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_, _ = w.Write(b.Bytes())
}
