package upstream

import (
	"strings"
	"time"
	"unsafe"

	"github.com/maypok86/otter/v2"
)

// The cache keeps pages for as long as the operator lets them be old, each for
// the caller that it was fetched for. A user that a page brought is known for
// as long as the page is.
//
// A walk must not go from a fresh page on to one that was read before it: where
// somebody has called in between, users have moved from one page to the other,
// and one who has not moved could be missed by both. So a page that arrives
// puts an end to whatever is kept from its own next cursor on. The other way
// around, from an old page on to a fresh one, is what every slow reader does,
// and what cursors are made for.

const (
	// cachedBytes is about how much memory the kept pages may take.
	cachedBytes = 64 << 20
	// cachedUsers is for how many users it is known which page has them.
	cachedUsers = 100_000
)

// cache is nil where nothing is kept.
type cache struct {
	ttl   time.Duration
	pages *otter.Cache[spot, kept]
	users *otter.Cache[known, spot]
}

// spot is where a page begins, for a caller.
type spot struct {
	caller Caller
	query  Query
	cursor string
}

// kept is a page with when it was asked for, or only the word that pages which
// were asked for before that are not to be kept.
type kept struct {
	at   time.Time
	size int // that was asked for; 0 where there is no page
	page Page
}

// known is a user as a caller sees them over all conversations.
type known struct {
	caller Caller
	userID string
}

// newCache returns nil for a ttl of 0.
func newCache(ttl time.Duration) *cache {
	if ttl <= 0 {
		return nil
	}
	return &cache{
		ttl: ttl,
		pages: otter.Must(&otter.Options[spot, kept]{
			MaximumWeight:    cachedBytes,
			Weigher:          func(s spot, k kept) uint32 { return uint32(512 + len(s.cursor) + k.page.bytes()) },
			ExpiryCalculator: otter.ExpiryWriting[spot, kept](ttl),
		}),
		users: otter.Must(&otter.Options[known, spot]{
			MaximumSize:      cachedUsers,
			ExpiryCalculator: otter.ExpiryWriting[known, spot](ttl),
		}),
	}
}

// close ends what the cache does in the background.
func (c *cache) close() {
	if c != nil {
		c.pages.StopAllGoroutines()
		c.users.StopAllGoroutines()
	}
}

// get returns a page that may be served in place of q's: one of that size, or a
// larger one, or a user that another page brought.
func (c *cache) get(caller Caller, q PageQuery) (Page, bool) {
	if c == nil {
		return Page{}, false
	}
	k, ok := c.pages.GetIfPresent(spot{caller, q.Query, q.Cursor})
	ok = ok && c.fresh(k.at) && k.size > 0 && (k.size >= q.Size || k.page.Next == "")
	if user, at, known := c.user(caller, q); known && (!ok || at.After(k.at)) {
		return Page{Users: []User{user}}, true
	}
	return k.page, ok
}

// user returns the user that q looks up, if a page brought them.
func (c *cache) user(caller Caller, q PageQuery) (u User, at time.Time, ok bool) {
	userID := q.Filter.UserID
	if userID == "" || q.Query != (Query{Filter: Filter{UserID: userID}}) || q.Cursor != "" {
		return User{}, time.Time{}, false
	}
	where, ok := c.users.GetIfPresent(known{caller, userID})
	if !ok {
		return User{}, time.Time{}, false
	}
	k, ok := c.pages.GetIfPresent(where)
	if !ok || !c.fresh(k.at) {
		return User{}, time.Time{}, false
	}
	for _, u := range k.page.Users {
		if u.ID == userID {
			return u, k.at, true
		}
	}
	return User{}, time.Time{}, false
}

func (c *cache) fresh(at time.Time) bool { return time.Since(at) < c.ttl }

// put keeps the page that q brought, having been asked for at an instant.
func (c *cache) put(caller Caller, q PageQuery, page Page, at time.Time) {
	if c == nil {
		return
	}
	here := spot{caller, q.Query, strings.Clone(q.Cursor)}
	c.pages.Compute(here, func(old kept, found bool) (kept, otter.ComputeOp) {
		if found && old.at.After(at) {
			return old, otter.CancelOp
		}
		return kept{at, q.Size, page}, otter.WriteOp
	})
	if page.Next != "" {
		c.pages.Compute(spot{caller, q.Query, strings.Clone(page.Next)}, func(old kept, found bool) (kept, otter.ComputeOp) {
			if found && !old.at.Before(at) {
				return old, otter.CancelOp
			}
			return kept{at: at}, otter.WriteOp
		})
	}
	if q.Filter == (Filter{}) { // else their numbers are of some conversations alone
		for _, u := range page.Users {
			c.users.Set(known{caller, strings.Clone(u.ID)}, here)
		}
	}
}

// bytes is about how much memory a page takes, with the body that its strings
// are parts of.
func (p Page) bytes() int {
	n := p.body + cap(p.Users)*int(unsafe.Sizeof(User{}))
	for i := range p.Users {
		u := &p.Users[i]
		if u.Sentiment != nil {
			n += int(unsafe.Sizeof(*u.Sentiment))
		}
		n += cap(u.MostFrustrated) * int(unsafe.Sizeof(FrustratedConversation{}))
		for j := range u.MostFrustrated {
			if u.MostFrustrated[j].StartedAt != nil {
				n += int(unsafe.Sizeof(int64(0)))
			}
		}
	}
	return n
}
