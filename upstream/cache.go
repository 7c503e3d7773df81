package upstream

import (
	"strings"
	"time"
	"unsafe"

	"github.com/maypok86/otter/v2"
)

// The cache keeps pages for as long as the operator allows, each for the API key
// that it was fetched with: the upstream's response depends on nothing else, so
// all callers of one key may share it, and no other. A user of a cached page can
// be looked up for as long as the page is cached.
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
	pages *otter.Cache[pageKey, entry]
	users *otter.Cache[userKey, pageKey]
}

// pageKey is where a page begins, for an API key.
type pageKey struct {
	key    APIKey
	query  Query
	cursor string
}

// entry is a page with the time of its request. Without a page, it only says that
// pages which were requested before that time are not to be cached.
type entry struct {
	at      time.Time
	size    int // that was requested; 0 if there is no page
	page    Page
	version string // among those that the replicas share; empty if they do not
	foreign bool   // whether another replica has read it
}

// userKey is a user over all conversations, for an API key.
type userKey struct {
	key    APIKey
	userID string
}

// newCache returns nil for a ttl of 0.
func newCache(ttl time.Duration) *cache {
	if ttl <= 0 {
		return nil
	}
	return &cache{
		ttl: ttl,
		pages: otter.Must(&otter.Options[pageKey, entry]{
			MaximumWeight:    cachedBytes,
			Weigher:          func(k pageKey, e entry) uint32 { return uint32(512 + len(k.cursor) + e.page.bytes()) },
			ExpiryCalculator: otter.ExpiryWriting[pageKey, entry](ttl),
		}),
		users: otter.Must(&otter.Options[userKey, pageKey]{
			MaximumSize:      cachedUsers,
			ExpiryCalculator: otter.ExpiryWriting[userKey, pageKey](ttl),
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
func (c *cache) get(key APIKey, q PageQuery) (Page, bool) {
	if c == nil {
		return Page{}, false
	}
	k, ok := c.pages.GetIfPresent(pageKey{key, q.Query, q.Cursor})
	ok = ok && c.fresh(k.at) && !k.foreign && k.size > 0 && (k.size >= q.Size || k.page.Next == "")
	if user, at, known := c.user(key, q); known && (!ok || at.After(k.at)) {
		return Page{Users: []User{user}}, true
	}
	return k.page, ok
}

// user returns the user that q looks up, if a page brought them.
func (c *cache) user(key APIKey, q PageQuery) (u User, at time.Time, ok bool) {
	userID := q.Filter.UserID
	if userID == "" || q.Query != (Query{Filter: Filter{UserID: userID}}) || q.Cursor != "" {
		return User{}, time.Time{}, false
	}
	where, ok := c.users.GetIfPresent(userKey{key, userID})
	if !ok {
		return User{}, time.Time{}, false
	}
	k, ok := c.pages.GetIfPresent(where)
	if !ok || !c.fresh(k.at) || k.foreign {
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
func (c *cache) put(key APIKey, q PageQuery, page Page, at time.Time, version string) {
	if c == nil {
		return
	}
	here := pageKey{key, q.Query, strings.Clone(q.Cursor)}
	c.pages.Compute(here, func(old entry, found bool) (entry, otter.ComputeOp) {
		if found && old.at.After(at) {
			return old, otter.CancelOp
		}
		return entry{at: at, size: q.Size, page: page, version: version}, otter.WriteOp
	})
	if page.Next != "" {
		c.pages.Compute(pageKey{key, q.Query, strings.Clone(page.Next)}, func(old entry, found bool) (entry, otter.ComputeOp) {
			if found && !old.at.Before(at) {
				return old, otter.CancelOp
			}
			return entry{at: at}, otter.WriteOp
		})
	}
	if q.Filter == (Filter{}) { // else their numbers are of some conversations alone
		for _, u := range page.Users {
			c.users.Set(userKey{key, strings.Clone(u.ID)}, here)
		}
	}
}

// version returns the page that was kept at q's place, with its version among those
// that the replicas share.
func (c *cache) version(key APIKey, q PageQuery) (page Page, version string) {
	e, ok := c.pages.GetIfPresent(pageKey{key, q.Query, q.Cursor})
	if !ok || e.size == 0 {
		return Page{}, ""
	}
	return e.page, e.version
}

// keep keeps a page that another replica has read. It is not used without its
// version, so that its age does not matter.
func (c *cache) keep(key APIKey, q PageQuery, page Page, version string) {
	c.pages.Set(pageKey{key, q.Query, strings.Clone(q.Cursor)}, entry{at: time.Now(), size: q.Size, page: page, version: version, foreign: true})
}

// bytes returns about how much memory a page takes.
func (p Page) bytes() int {
	n := p.text + cap(p.Users)*int(unsafe.Sizeof(User{}))
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
