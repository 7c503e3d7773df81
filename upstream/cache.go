package upstream

import (
	"strings"
	"time"
	"unsafe"

	"github.com/maypok86/otter/v2"
)

// The cache keeps pages for as long as the operator allows, each for the API key
// that it was fetched with. The upstream's response depends on the key and the
// query alone, so all callers of one key may share its pages, and no other key's
// callers may. A look-up of one user may be served from any cached page that has
// the user.
//
// A walk must not continue from a fresh page to a page that was read before it.
// If users call between the two reads, others are pushed from one page to the other,
// and a user who has not called could be missing from both. Therefore a page that
// arrives invalidates the older pages from its own next cursor on. The other
// direction, from an old page to a fresh one, is what every slow reader does, and
// what cursors are made for.

const (
	// cachedBytes is approximately how much memory the cached pages may take.
	cachedBytes = 64 << 20
	// cachedUsers is for how many users the cache remembers a page that has them.
	cachedUsers = 100_000
)

// cache is nil if pages are not cached.
type cache struct {
	ttl   time.Duration
	pages *otter.Cache[pageKey, entry]
	users *otter.Cache[userKey, pageKey]
}

// pageKey identifies a page: the API key, the list, and the cursor at which the
// page begins.
type pageKey struct {
	key    APIKey
	query  Query
	cursor string
}

// entry is a page with the time of its request. An entry without a page is a
// mark: pages that were requested before that time must not be cached.
type entry struct {
	at      time.Time
	size    int // the size that was requested; 0 if there is no page
	page    Page
	version string // the page's version in the pages that replicas share; empty if they share none
	foreign bool   // whether another replica read the page
}

// userKey identifies a user over all conversations, for an API key.
type userKey struct {
	key    APIKey
	userID string
}

// newCache returns nil, which caches nothing, if ttl is 0.
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

// close stops the cache's background goroutines.
func (c *cache) close() {
	if c != nil {
		c.pages.StopAllGoroutines()
		c.users.StopAllGoroutines()
	}
}

// get returns a page that may be served for q: the page itself, if it was
// requested with at least that size or is the last one, or a page of one user
// whom another page has.
func (c *cache) get(key APIKey, q *PageQuery) (Page, bool) {
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

// user returns the user that q looks up, if a cached page has that user.
func (c *cache) user(key APIKey, q *PageQuery) (u User, at time.Time, ok bool) {
	userID := q.Filter.UserID
	if userID == "" || q.Query != (Query{Filter: Filter{UserID: userID}}) || q.Cursor != "" {
		return User{}, time.Time{}, false
	}
	page, ok := c.users.GetIfPresent(userKey{key, userID})
	if !ok {
		return User{}, time.Time{}, false
	}
	k, ok := c.pages.GetIfPresent(page)
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

// put caches the page that q returned. The instant is that of the request.
func (c *cache) put(key APIKey, q *PageQuery, page Page, at time.Time, version string) {
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
	if q.Filter == (Filter{}) { // otherwise their numbers cover only some of their conversations
		for _, u := range page.Users {
			c.users.Set(userKey{key, strings.Clone(u.ID)}, here)
		}
	}
}

// version returns the cached page for q, with its version in the pages that
// replicas share.
func (c *cache) version(key APIKey, q *PageQuery) (page Page, version string) {
	e, ok := c.pages.GetIfPresent(pageKey{key, q.Query, q.Cursor})
	if !ok || e.size == 0 {
		return Page{}, ""
	}
	return e.page, e.version
}

// keep caches a page that another replica read. The page is used only while its
// version is the shared one, so its age does not matter.
func (c *cache) keep(key APIKey, q *PageQuery, page Page, version string) {
	c.pages.Set(pageKey{key, q.Query, strings.Clone(q.Cursor)}, entry{at: time.Now(), size: q.Size, page: page, version: version, foreign: true})
}

// bytes returns approximately how much memory a page takes.
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
