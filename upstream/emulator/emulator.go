// Package emulator serves the contract of GET /v1/convai/users over synthetic
// conversations: for a demo without an account, for tests, and for benchmarks.
//
// It is written from the vendor's reference page (List users) and what is known
// beyond that, as another team would write it. It must know nothing of the
// project's client: a type that both shared would hide the mistakes of both.
//
// Users do not exist by themselves. As upstream, they are what the
// conversations that a filter selects add up to, so that counts, contacts and
// sentiment agree under every filter.
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

// endpoint is the one path that is served, of the vendor's reference page.
const endpoint = "/v1/convai/users"

// Options are what a world can be given. The zero value is the demo's.
type Options struct {
	// Seed decides everything that is made up: the same seed gives the same
	// world and the same answers. Default 1.
	Seed uint64

	// Users is how many users have talked in the 180 days before
	// 2026-11-01T00:00:00Z. Default 10,000; below zero there are none, only
	// agents that nobody has talked to.
	Users int

	// Latency is how long each answer is held back. Default none.
	Latency time.Duration

	// Keys are the API keys that are accepted. With none, every well-formed key
	// is.
	Keys []string

	// Maximum is sent with each response as the number of requests that a key may
	// have in flight, with the number that are (the vendor's manual). It is not
	// enforced. Default none: the headers are not sent.
	Maximum int
}

// Emulator is an http.Handler that answers as the upstream does. It is safe for
// concurrent use.
type Emulator struct {
	seed    uint64
	latency time.Duration
	maximum int
	current atomic.Int64 // requests that are being served, of all keys
	keys    keyring
	cursors cursors
	ledger  *ledger
	answers atomic.Uint64 // how many there have been, which numbers their trace IDs
}

// New makes up a world and returns it ready to serve.
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

// ServeHTTP answers one request. Where the caller goes away while the answer is
// held back, it is a 503, which nobody reads.
func (e *Emulator) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	// Support asks for this ID, and errors repeat it as detail.request_id.
	trace := fmt.Sprintf("%016x%016x", e.seed, e.answers.Add(1))
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

// page is the answer to a request that nothing is wrong with.
//
// That the path is looked at first, then the method, the key, the parameters,
// the agent and the cursor is a guess, except for the first two: any web
// framework does so.
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
	var from *place
	if q.cursor != "" {
		p, err := e.cursors.open(q.cursor, q, key)
		if err != nil {
			return page{}, invalidCursor()
		}
		from = &p
	}
	answer, last, err := e.ledger.page(q, from)
	if err != nil {
		return page{}, unknownAgent(q.agentID)
	}
	if answer.HasMore {
		answer.NextCursor = e.cursors.seal(last, q, key)
	}
	return answer, nil
}

// wait returns after d, or with an error when ctx ends before.
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

// write sends body as JSON. A caller who has gone away is nobody's fault.
func write(w http.ResponseWriter, status int, body any) {
	var b bytes.Buffer
	encoder := json.NewEncoder(&b)
	encoder.SetEscapeHTML(false) // upstream, user IDs with & and < come as they are
	if err := encoder.Encode(body); err != nil {
		http.Error(w, "the answer is no JSON: "+err.Error(), http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_, _ = w.Write(b.Bytes())
}
