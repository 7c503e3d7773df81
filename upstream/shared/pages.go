package shared

import (
	"context"
	_ "embed"
	"errors"
	"strconv"
	"time"

	"github.com/redis/rueidis"
)

//go:embed scripts/page_get.lua
var pageGetLua string

//go:embed scripts/page_put.lua
var pagePutLua string

var (
	pageGetScript = rueidis.NewLuaScript(pageGetLua)
	pagePutScript = rueidis.NewLuaScript(pagePutLua)
)

// lockRetry is the time between two attempts to get a page that another replica
// reads.
const lockRetry = 8 * time.Millisecond

// Pages is what the replicas have read with one API key. Each page has a place,
// which is all that it depends on except its size. Pages that were read from Redis
// are kept near as well, until Redis reports that they are no longer valid. It is
// safe for concurrent use.
type Pages struct {
	store *Store
	key   string
	base  string
	ttl   time.Duration
	seal  seal
}

// ErrNoKey reports that there is no API key to derive a sealing key from: one that
// is derived from nothing is public.
var ErrNoKey = errors.New("without an API key, nothing but permits is kept in Redis")

// Pages returns the pages of an API key, each of which is used for ttl after its
// reading began. The error is [ErrNoKey].
func (s *Store) Pages(apiKey string, ttl time.Duration) (*Pages, error) {
	if apiKey == "" {
		return nil, ErrNoKey
	}
	return &Pages{store: s, key: apiKey, base: prefix + "{" + s.name("pages", apiKey) + "}:", ttl: ttl, seal: s.seal(apiKey)}, nil
}

// Page is a page in Redis.
type Page struct {
	// Version is the same only for the same value: a caller that has decoded it
	// before need not do so again.
	Version string

	pages  *Pages
	name   string
	sealed string
}

// Value returns what was put. The error reports that it was not put by a holder of
// the API key, or has expired; the caller then reads the page from the upstream, as
// without Redis.
func (p Page) Value() ([]byte, error) {
	return p.pages.seal.open(p.name, p.pages.store.clock(time.Now()), p.sealed)
}

// Reading is the right to read a page from the upstream, for two seconds; other
// replicas wait for its outcome. Either Put or Abandon ends it. Its zero value is
// a reading that no other replica knows of, as while Redis is away.
type Reading struct {
	pages *Pages
	place string
	token string
	began time.Time // by Redis' clock
}

// Get returns the page at a place, if it has at least size users or is the last
// one, and otherwise a reading of it. If another replica reads it, Get waits for the
// outcome. The error is the cause of ctx's cancellation.
func (p *Pages) Get(ctx context.Context, place string, size int) (page Page, found bool, reading Reading, err error) {
	name, lock := p.names(place)
	token := randomName()
	for {
		mode, incarnation := p.store.now()
		if mode == Away {
			return Page{}, false, Reading{}, nil
		}
		if page, found = p.near(incarnation, name, size); found { //nolint:contextcheck // see read
			return page, true, Reading{}, nil
		}
		t, ok := p.read(incarnation, name, lock, strconv.Itoa(size), token) //nolint:contextcheck // see read
		if !ok {
			return Page{}, false, Reading{}, nil
		}
		switch {
		case len(t) == 4 && t[0] == "page":
			return Page{Version: t[1] + "/" + t[2], pages: p, name: name, sealed: t[3]}, true, Reading{}, nil
		case len(t) == 2 && t[0] == "read":
			began, _ := strconv.ParseInt(t[1], 10, 64)
			return Page{}, false, Reading{pages: p, place: place, token: token, began: time.UnixMilli(began)}, nil
		}
		timer := time.NewTimer(lockRetry)
		select {
		case <-timer.C:
		case <-ctx.Done():
			timer.Stop()
			return Page{}, false, Reading{}, context.Cause(ctx)
		}
	}
}

// near returns a page that this process has got before and that is still valid,
// and otherwise reads it from Redis to keep it.
func (p *Pages) near(incarnation int, name string, size int) (Page, bool) {
	var fields []string
	err := p.store.do(incarnation, patience, func(ctx context.Context, client rueidis.Client) error {
		values, err := client.DoCache(ctx, client.B().Hmget().Key(name).Field("at", "size", "value").Cache(), p.ttl).ToArray()
		fields = texts(values)
		return err
	})
	if err != nil || len(fields) != 3 {
		return Page{}, false
	}
	if n, _ := strconv.Atoi(fields[1]); n == 0 || n < size {
		return Page{}, false
	}
	return Page{Version: fields[0] + "/" + fields[1], pages: p, name: name, sealed: fields[2]}, true
}

// read returns the reply of the script, which may be a lock: it has to be known
// even if the caller leaves.
func (p *Pages) read(incarnation int, name, lock, size, token string) (reply []string, ok bool) {
	err := p.store.do(incarnation, patience, func(ctx context.Context, client rueidis.Client) error {
		values, err := pageGetScript.Exec(ctx, client, []string{name, lock}, []string{size, token}).ToArray()
		reply = texts(values)
		return err
	})
	return reply, err == nil
}

// Put keeps a page that was read, and ends what is kept at the place of its next
// cursor, if that was read before. The size is how many users were requested, or
// [LastPage]; next is empty if there is no next page.
func (r Reading) Put(value []byte, size int, next string) {
	if r.pages == nil {
		return
	}
	name, lock := r.pages.names(r.place)
	expiry := r.began.Add(r.pages.ttl)
	keys := []string{name, lock}
	if next != "" {
		following, _ := r.pages.names(next)
		keys = append(keys, following)
	}
	r.end(keys, r.token, millis(r.began), millis(expiry), strconv.Itoa(size), r.pages.seal.close(name, expiry, value))
}

// LastPage is the size of a page that has no next one: it has all the users that
// any size would.
const LastPage = 1 << 20

// Abandon lets another replica read the page.
func (r Reading) Abandon() {
	if r.pages != nil {
		name, lock := r.pages.names(r.place)
		r.end([]string{name, lock}, r.token)
	}
}

func (r Reading) end(keys []string, args ...string) {
	mode, incarnation := r.pages.store.now()
	if mode == Away {
		return
	}
	_ = r.pages.store.do(incarnation, patience, func(ctx context.Context, client rueidis.Client) error {
		return pagePutScript.Exec(ctx, client, keys, args).Error()
	}) // the page is read again
}

// names returns the names of a page and of its lock.
func (p *Pages) names(place string) (page, lock string) {
	page = p.base + p.store.name("page\x00"+place, p.key)
	return page, page + ":lock"
}

func millis(t time.Time) string { return strconv.FormatInt(t.UnixMilli(), 10) }

// texts returns the texts of an array; an absent value is empty.
func texts(values []rueidis.RedisMessage) []string {
	list := make([]string, len(values))
	for i := range values {
		list[i], _ = values[i].ToString()
	}
	return list
}
