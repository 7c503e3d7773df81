package emulator

import (
	"errors"
	"slices"
	"sync"
	"time"
)

// errAgent says that no such agent exists.
var errAgent = errors.New("no such agent")

// ledger is every conversation, by user. It is safe for concurrent use.
type ledger struct {
	mu     sync.RWMutex
	users  []*user
	byID   map[string]*user
	agents map[string]bool

	rankings rankings // of what is in the ledger now; emptied under mu
}

// user is one user's conversations, in the order of Conversation.compare.
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

// page returns the users that q selects after from, or from the start where that
// is nil, and the place of the last of them. NextCursor is left to the caller.
// Of an agent that is unknown it returns errAgent; an unknown branch has nobody.
func (l *ledger) page(q query, from *place) (p page, last place, err error) {
	l.mu.RLock()
	defer l.mu.RUnlock()
	if q.agentID != "" && !l.agents[q.agentID] {
		return page{}, place{}, errAgent
	}
	ranked, more := l.ranking(q).take(from, q.ascending, q.size)
	p = page{Users: make([]userForm, 0, len(ranked)), HasMore: more}
	for _, r := range ranked {
		p.Users = append(p.Users, newUserForm(r.userID, r.user.matching(q.filter, nil)))
		last = r.place
	}
	// The last page may leave the cursor out or say null (the vendor's OpenAPI):
	// readers shall meet both.
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
		return newRanking([]*user{u}, q) // cheap, and would crowd others out
	}
	order := rankingKey{q.filter, q.sort}
	r, ok := l.rankings.get(order)
	if !ok {
		r = newRanking(l.users, q)
		l.rankings.put(order, r)
	}
	return r
}

// matching returns the user's conversations that f selects, in their order. What
// it returns is the ledger's or buffer's memory: read it while mu is held, and
// before buffer is used again.
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
