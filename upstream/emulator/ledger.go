package emulator

import (
	"errors"
	"slices"
	"sync"
	"time"
)

// errAgent reports that there is no such agent.
var errAgent = errors.New("no such agent")

// ledger has every conversation, by user. It is safe for concurrent use.
type ledger struct {
	mu     sync.RWMutex
	users  []*user
	byID   map[string]*user
	agents map[string]bool

	rankings rankings // of the present conversations; cleared under mu
}

// user has one user's conversations, in the order of Conversation.compare.
type user struct {
	id            string
	conversations []Conversation
}

func newLedger() *ledger {
	return &ledger{byID: make(map[string]*user), agents: make(map[string]bool)}
}

// record adds a conversation.
func (l *ledger) record(c Conversation) {
	c.AgentID = resolveAgent(c.AgentID)
	c.StartedAt = time.Unix(c.StartedAt.Unix(), 0).UTC()
	if c.Sentiment != nil {
		c.Sentiment = new(*c.Sentiment)
	}

	l.mu.Lock()
	defer l.mu.Unlock()
	if c.AgentID != "" {
		l.agents[c.AgentID] = true
	}
	if c.UserID == "" {
		return
	}
	u := l.byID[c.UserID]
	if u == nil {
		u = &user{id: c.UserID}
		l.byID[u.id] = u
		l.users = append(l.users, u)
	}
	at, _ := slices.BinarySearchFunc(u.conversations, c, Conversation.compare)
	u.conversations = slices.Insert(u.conversations, at, c)
	l.rankings.forget()
}

// page returns the users that q selects after a position, or from the start if
// from is nil, and the position of the last of them. The caller sets NextCursor.
// It returns errAgent if the agent is unknown; an unknown branch has no users.
func (l *ledger) page(q query, from *position) (p page, last position, err error) {
	l.mu.RLock()
	defer l.mu.RUnlock()
	if q.agentID != "" && !l.agents[q.agentID] {
		return page{}, position{}, errAgent
	}
	ranked, more := l.ranking(q).take(from, q.ascending, q.size)
	p = page{Users: make([]userForm, 0, len(ranked)), HasMore: more}
	for _, r := range ranked {
		p.Users = append(p.Users, newUserForm(r.userID, r.user.matching(q.filter, nil)))
		last = r.position
	}
	// The last page may omit the cursor or have null (the vendor's OpenAPI). Both
	// occur here, so that clients are tested with both.
	p.NextCursor = optional("", len(ranked) > 0)
	return p, last, nil
}

// ranking returns the users that q selects, in its order. The caller holds mu.
func (l *ledger) ranking(q query) ranking {
	if q.userID != "" {
		u := l.byID[q.userID]
		if u == nil {
			return nil
		}
		return newRanking([]*user{u}, q) // cheap, and would evict others from rankings
	}
	order := rankingKey{q.filter, q.sort}
	r, ok := l.rankings.get(order)
	if !ok {
		r = newRanking(l.users, q)
		l.rankings.put(order, r)
	}
	return r
}

// matching returns the user's conversations that f selects, in order. The slice
// shares memory with the ledger or with buffer: read it while mu is held, and
// before buffer is reused.
func (u *user) matching(f filter, buffer []Conversation) []Conversation {
	notAfter := func(second int64) int {
		n, _ := slices.BinarySearchFunc(u.conversations, second, func(c Conversation, second int64) int {
			if c.StartedAt.Unix() <= second {
				return -1
			}
			return 1
		})
		return n
	}
	low, high := notAfter(f.after), notAfter(f.before)
	if low >= high {
		return nil
	}
	within := u.conversations[low:high]
	if f.agentID == "" && f.branchID == "" {
		return within
	}
	selected := buffer[:0]
	for _, c := range within {
		if (f.agentID == "" || c.AgentID == f.agentID) && (f.branchID == "" || c.BranchID == f.branchID) {
			selected = append(selected, c)
		}
	}
	return selected
}
