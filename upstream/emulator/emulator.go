// Package emulator serves the contract of the upstream's List users over
// made-up conversations: for the demo, for tests and for benchmarks.
//
// It is written from the vendor's reference page (List users) and shares no
// type with the client, so that a mistake in one does not hide in the other.
// What is not on that page says where it comes from, or that it is a guess.
package emulator

import (
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

// Options are what an emulator is made with. The zero value is the demo's.
type Options struct {
	// Seed chooses the world: the same seed gives the same users. Default 1.
	Seed uint64
	// Users is how many users there are. Default 10,000; none if negative.
	Users int
	// Latency is how long each answer waits.
	Latency time.Duration
	// Keys are the API keys that are accepted; if there are none, any
	// well-formed key is.
	Keys []string
}

// Emulator is an [http.Handler]. It is safe for concurrent use.
type Emulator struct {
	options  Options
	requests atomic.Uint64

	mu            sync.RWMutex
	conversations []Conversation
	agents        map[string]bool
	lists         map[listKey][]user // what has been aggregated since the last Record
}

// New makes a world and returns an emulator that is ready to serve it.
func New(o Options) *Emulator {
	if o.Seed == 0 {
		o.Seed = 1
	}
	if o.Users == 0 {
		o.Users = 10_000
	}
	e := &Emulator{options: o, conversations: newWorld(o.Seed, o.Users), agents: make(map[string]bool), lists: make(map[listKey][]user)}
	for _, a := range agents {
		e.agents[a.id] = true
	}
	return e
}

// Record adds a conversation. Lists that are asked for from now on have it.
func (e *Emulator) Record(c Conversation) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.conversations = append(e.conversations, c)
	e.agents[c.AgentID] = true
	clear(e.lists)
}

// ServeHTTP answers GET /v1/convai/users, and refuses all else as the upstream
// does.
func (e *Emulator) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	trace := fmt.Sprintf("%016x%016x", e.options.Seed, e.requests.Add(1))
	w.Header().Set("x-trace-id", trace)
	if e.options.Latency > 0 {
		select {
		case <-time.After(e.options.Latency):
		case <-r.Context().Done():
			return
		}
	}
	page, no := e.answer(r)
	if no != nil {
		no.write(w, trace)
		return
	}
	writeJSON(w, http.StatusOK, page)
}

func (e *Emulator) answer(r *http.Request) (*pageForm, *refusal) {
	if r.URL.Path != "/v1/convai/users" {
		return nil, notFound
	}
	if r.Method != http.MethodGet {
		return nil, methodNotAllowed
	}
	key := r.Header.Get("xi-api-key")
	if no := e.checkKey(key); no != nil {
		return nil, no
	}
	q, no := parseQuery(r.URL.Query())
	if no != nil {
		return nil, no
	}
	q.list.agentID = strings.Replace(q.list.agentID, "seng_", "agent_", 1)
	list, known := e.list(q.list)
	if !known {
		return nil, unknownAgent
	}
	from := 0
	if q.cursor != "" {
		last, ok := openCursor(q.cursor, q.list, key)
		if !ok {
			return nil, invalidCursor
		}
		from, _ = slices.BinarySearchFunc(list, last, func(u, last user) int {
			if q.list.compare(u, last) <= 0 {
				return -1
			}
			return 1
		})
	}
	to := min(from+q.size, len(list))
	page := &pageForm{Users: make([]userForm, 0, to-from), HasMore: to < len(list)}
	for _, u := range list[from:to] {
		page.Users = append(page.Users, newUserForm(u))
	}
	if page.HasMore {
		cursor := sealCursor(list[to-1], q.list, key)
		page.NextCursor = &cursor
	}
	return page, nil
}

func (e *Emulator) checkKey(key string) *refusal {
	switch {
	case key == "":
		return needsAuthorization
	case len(key) > 256 || strings.ContainsFunc(key, func(r rune) bool { return r <= ' ' || r > '~' }):
		return malformedKey
	case len(e.options.Keys) > 0 && !slices.Contains(e.options.Keys, key):
		return invalidKey
	}
	return nil
}

// maxLists bounds how many aggregated lists are kept.
const maxLists = 64

// list returns the users of a list in its order. It reports false for an agent
// that nobody has.
func (e *Emulator) list(key listKey) (list []user, known bool) {
	e.mu.RLock()
	list, cached := e.lists[key]
	known = key.agentID == "" || e.agents[key.agentID]
	e.mu.RUnlock()
	if cached || !known {
		return list, known
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	list = aggregate(e.conversations, key)
	if len(e.lists) >= maxLists {
		clear(e.lists)
	}
	e.lists[key] = list
	return list, true
}
