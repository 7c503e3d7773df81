package loader

import (
	"strings"
	"time"

	"github.com/maypok86/otter/v2"

	"rollcall/internal/pace"
	"rollcall/upstream"
)

// Memory is what the operations of a process remember for each other, separately
// for each API key: which cursor led to which, how long a call takes, and how
// many users a filter selects. Losing it costs calls, and changes no result.
//
// It is safe for concurrent use.
type Memory struct {
	links  *otter.Cache[linkKey, link]
	paces  *otter.Cache[upstream.APIKey, *pace.Average]
	counts *otter.Cache[countKey, count] // nil if counts are not remembered
}

const (
	// linksBytes is approximately how much memory the links may take.
	linksBytes = 16 << 20
	// linkLife is how long a link is remembered after it was last seen: long
	// enough to page back.
	linkLife = time.Hour
	// maxPaces is how many keys' paces are remembered.
	maxPaces = 1000
	// cachedPage is the longest time in which the source returns a cached page. Such
	// a time says nothing about the pace of calls.
	cachedPage = time.Millisecond
	// maxCounts is how many counts are remembered.
	maxCounts = 10_000
)

// linkKey is a cursor that a page led to.
type linkKey struct {
	key   upstream.APIKey
	query upstream.Query
	next  string
}

// link is the page that led to a cursor: the cursor at which it began, and the
// number of its users.
type link struct {
	cursor string
	users  int
}

// countKey is a list of users in any order.
type countKey struct {
	key    upstream.APIKey
	filter upstream.Filter
}

// count is how many users of a list were read.
type count struct {
	users int
	all   bool // whether the list has no more users
}

// within returns the count if it is known whether it exceeds a limit.
func (c count) within(limit int) (n int, exceeded, known bool) {
	switch {
	case c.users > limit, c.users == limit && !c.all:
		return 0, true, true
	case c.all:
		return c.users, false, true
	}
	return 0, false, false
}

// NewMemory returns a memory that remembers counts for countTTL, which is how
// long pages are cached; 0 remembers none.
func NewMemory(countTTL time.Duration) *Memory {
	m := &Memory{links: otter.Must(&otter.Options[linkKey, link]{
		MaximumWeight:    linksBytes,
		Weigher:          func(k linkKey, l link) uint32 { return uint32(256 + len(k.next) + len(l.cursor)) },
		ExpiryCalculator: otter.ExpiryAccessing[linkKey, link](linkLife),
		Executor:         func(task func()) { task() },
	}), paces: otter.Must(&otter.Options[upstream.APIKey, *pace.Average]{
		MaximumSize: maxPaces,
		Executor:    func(task func()) { task() },
	})}
	if countTTL > 0 {
		m.counts = otter.Must(&otter.Options[countKey, count]{
			MaximumSize:      maxCounts,
			ExpiryCalculator: otter.ExpiryWriting[countKey, count](countTTL),
			Executor:         func(task func()) { task() },
		})
	}
	return m
}

// Close stops the memory's background goroutines.
func (m *Memory) Close() {
	m.links.StopAllGoroutines()
	m.paces.StopAllGoroutines()
	if m.counts != nil {
		m.counts.StopAllGoroutines()
	}
}

// link remembers a page of a list by the cursor to which it led.
func (m *Memory) link(key upstream.APIKey, q upstream.Query, page link, next string) {
	k := linkKey{key, q, next}
	if known, ok := m.links.GetIfPresent(k); ok && known == page {
		return
	}
	// A page's strings share memory with the other strings of the page, which
	// would be kept alive.
	k.next, page.cursor = strings.Clone(next), strings.Clone(page.cursor)
	m.links.Set(k, page)
}

// previous returns a function that looks up links of a list.
func (m *Memory) previous(key upstream.APIKey, q upstream.Query) func(next string) (cursor string, users int, ok bool) {
	return func(next string) (string, int, bool) {
		l, ok := m.links.GetIfPresent(linkKey{key, q, next})
		return l.cursor, l.users, ok
	}
}

// observe records how long a call took.
func (m *Memory) observe(key upstream.APIKey, took time.Duration) {
	if took <= cachedPage {
		return
	}
	p, ok := m.paces.GetIfPresent(key)
	if !ok {
		p = new(pace.Average)
		m.paces.Set(key, p)
	}
	p.Observe(took)
}

// pace returns how long a call takes on average, or 0 if none was made recently.
func (m *Memory) pace(key upstream.APIKey) time.Duration {
	if p, ok := m.paces.GetIfPresent(key); ok {
		return p.Recent()
	}
	return 0
}

func (m *Memory) count(key upstream.APIKey, f upstream.Filter) count {
	if m.counts == nil {
		return count{}
	}
	known, _ := m.counts.GetIfPresent(countKey{key, f})
	return known
}

func (m *Memory) keepCount(key upstream.APIKey, f upstream.Filter, c count) {
	if m.counts != nil {
		m.counts.Set(countKey{key, f}, c)
	}
}
