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
// is reading.
const lockRetry = 8 * time.Millisecond

// Pages are the pages that the replicas have read with one API key. A page is named
// by its place: a text for its list and cursor, which determine everything about it
// except its size. This process has a near cache of the pages that it read from
// Redis, in which a page remains until Redis reports that it is no longer valid.
// Pages is safe for concurrent use.
type Pages struct {
	store *Store
	key   string
	base  string
	ttl   time.Duration
	seal  seal
}

// ErrNoKey reports that there is no API key from which a sealing key could be
// derived. A sealing key that is derived from nothing is public.
var ErrNoKey = errors.New("without an API key, nothing but permits is kept in Redis")

// Pages returns the pages of an API key. A page is used for ttl from the
// beginning of its reading. The error is [ErrNoKey].
func (s *Store) Pages(apiKey string, ttl time.Duration) (*Pages, error) {
	if apiKey == "" {
		return nil, ErrNoKey
	}
	name := s.name("pages", apiKey)
	return &Pages{store: s, key: apiKey, base: prefix + "{" + name + "}:", ttl: ttl, seal: s.seal(name, apiKey)}, nil
}

// page is a page in Redis.
type page struct{ version, name, sealed string }

// reading is the right to read a page from the upstream. Its pages are nil while
// Redis is away.
type reading struct {
	pages *Pages
	place string
	token string
	began time.Time // by Redis' clock
}

// Get returns the value of the page at a place, if it has at least size users or
// is the last one. The value is nil if the page's version is the known one, which
// the caller has already decoded. If another replica is reading the page, Get
// waits for the outcome.
//
// If there is no such page, end is not nil: the caller has the right to read the
// page for two seconds. It must call end once, with the page's value, size and
// the place of its next page, or with nil. The version is the one that the page
// will have. While Redis is away, all results are zero, and also if the value was
// not put by a holder of the API key. The error is the cause of ctx's
// cancellation.
func (p *Pages) Get(ctx context.Context, place string, size int, known string) (value []byte, version string, end func(value []byte, size int, next string), err error) {
	page, found, reading, err := p.get(ctx, place, size)
	switch {
	case err != nil || !found && reading.pages == nil:
		return nil, "", nil, err
	case !found:
		return nil, millis(reading.began), reading.end, nil
	case page.version == known:
		return nil, known, nil, nil
	}
	value, err = p.seal.open(page.name, p.store.clock(time.Now()), page.sealed)
	if err != nil {
		return nil, "", nil, nil //nolint:nilerr // the same as without Redis
	}
	return value, page.version, nil, nil
}

// get returns the page at a place, or the right to read it.
func (p *Pages) get(ctx context.Context, place string, size int) (found page, ok bool, r reading, err error) {
	name, lock := p.names(place)
	token := randomName()
	for {
		mode, incarnation := p.store.now()
		if mode == Away {
			return page{}, false, reading{}, nil
		}
		if found, ok := p.near(incarnation, name, size); ok { //nolint:contextcheck // see read
			return found, true, reading{}, nil
		}
		t, ok := p.read(incarnation, name, lock, strconv.Itoa(size), token) //nolint:contextcheck // see read
		switch {
		case !ok:
			return page{}, false, reading{}, nil
		case len(t) == 4 && t[0] == "page":
			return page{t[1], name, t[3]}, true, reading{}, nil
		case len(t) == 2 && t[0] == "read":
			began, _ := strconv.ParseInt(t[1], 10, 64)
			return page{}, false, reading{p, place, token, time.UnixMilli(began)}, nil
		}
		timer := time.NewTimer(lockRetry)
		select {
		case <-timer.C:
		case <-ctx.Done():
			timer.Stop()
			return page{}, false, reading{}, context.Cause(ctx)
		}
	}
}

// near returns a page from the near cache, which reads it from Redis if necessary.
func (p *Pages) near(incarnation int, name string, size int) (found page, ok bool) {
	var fields []string
	err := p.store.do(incarnation, patience, func(ctx context.Context, client rueidis.Client) error {
		values, err := client.DoCache(ctx, client.B().Hmget().Key(name).Field("at", "size", "value").Cache(), p.ttl).ToArray()
		fields = texts(values)
		return err
	})
	if err != nil || len(fields) != 3 {
		return page{}, false
	}
	if n, _ := strconv.Atoi(fields[1]); n == 0 || n < size {
		return page{}, false
	}
	return page{fields[0], name, fields[2]}, true
}

// read returns the reply of the script. The reply may be a lock, so it must be
// processed even if the caller leaves.
func (p *Pages) read(incarnation int, name, lock, size, token string) (reply []string, ok bool) {
	err := p.store.do(incarnation, patience, func(ctx context.Context, client rueidis.Client) error {
		values, err := pageGetScript.Exec(ctx, client, []string{name, lock}, []string{size, token}).ToArray()
		reply = texts(values)
		return err
	})
	return reply, err == nil
}

// end stores a page that was read, and invalidates the page at its next place if
// that was read before. Without a value, it lets another replica read the page.
func (r reading) end(value []byte, size int, next string) {
	mode, incarnation := r.pages.store.now()
	if mode == Away {
		return
	}
	name, lock := r.pages.names(r.place)
	keys, args := []string{name, lock}, []string{r.token}
	if value != nil {
		expiry := r.began.Add(r.pages.ttl)
		args = append(args, millis(r.began), millis(expiry), strconv.Itoa(size), r.pages.seal.close(name, expiry, value))
		if next != "" {
			following, _ := r.pages.names(next)
			keys = append(keys, following)
		}
	}
	_ = r.pages.store.do(incarnation, patience, func(ctx context.Context, client rueidis.Client) error {
		return pagePutScript.Exec(ctx, client, keys, args).Error()
	}) // if this fails, the page is read again
}

// names returns the names of a page and of its lock.
func (p *Pages) names(place string) (page, lock string) {
	page = p.base + p.store.name("page\x00"+place, p.key)
	return page, page + ":lock"
}

func millis(t time.Time) string { return strconv.FormatInt(t.UnixMilli(), 10) }

// texts returns the texts of an array. An absent value is empty.
func texts(values []rueidis.RedisMessage) []string {
	list := make([]string, len(values))
	for i := range values {
		list[i], _ = values[i].ToString()
	}
	return list
}
