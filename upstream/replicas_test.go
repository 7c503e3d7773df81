package upstream_test

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"rollcall/upstream"
	"rollcall/upstream/shared"
	"rollcall/upstream/shared/redistest"
)

// ward is an upstream over HTTP whose users have the number of the reading as
// their number of conversations.
type ward struct {
	calls  atomic.Int64
	takes  time.Duration
	status atomic.Int64 // of all responses, unless it is 0
}

func (w *ward) ServeHTTP(rw http.ResponseWriter, r *http.Request) {
	n := w.calls.Add(1)
	<-time.After(w.takes)
	if status := w.status.Load(); status != 0 {
		rw.WriteHeader(int(status))
		return
	}
	next := map[string]string{"": "second", "second": "third"}[r.URL.Query().Get("cursor")]
	more := fmt.Sprintf(`"has_more":%v,"next_cursor":%q`, next != "", next)
	fmt.Fprintf(rw, `{"users":[%s],%s}`, reader("a"+r.URL.Query().Get("cursor"), int(n)), more)
}

// sharers are the clients of two replicas that share pages.
type sharers struct {
	t       *testing.T
	redis   *redistest.Server
	stores  []*shared.Store
	clients []*upstream.Client
	*ward
}

func newSharers(t *testing.T, callersKeys bool) sharers {
	t.Helper()
	s := sharers{t: t, redis: redistest.Start(t), ward: new(ward)}
	server := httptest.NewServer(s.ward)
	t.Cleanup(server.Close)
	base, err := url.Parse(server.URL)
	if err != nil {
		t.Fatal(err)
	}
	for range 2 {
		store, err := shared.Open(t.Context(), shared.Config{URL: s.redis.URL(), Upstream: server.URL})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(store.Close)
		client := upstream.NewClient(upstream.Config{
			BaseURL: base, CacheTTL: time.Minute, CallersKeys: callersKeys,
			NewLimiter: func(key upstream.APIKey, limit int) upstream.Limiter { return store.Limiter(key.Reveal(), limit) },
			SharedPages: func(key upstream.APIKey) upstream.SharedPages {
				pages, err := store.Pages(key.Reveal(), time.Minute)
				if err != nil {
					return nil
				}
				return pages
			},
		})
		t.Cleanup(client.Close)
		s.stores, s.clients = append(s.stores, store), append(s.clients, client)
	}
	s.await(shared.Shared)
	return s
}

func (s sharers) await(mode shared.Mode) {
	s.t.Helper()
	for began := time.Now(); s.stores[0].Stats().Mode != mode || s.stores[1].Stats().Mode != mode; <-time.After(5 * time.Millisecond) {
		if time.Since(began) > 5*time.Second {
			s.t.Fatalf("the stores are not %v", mode)
		}
	}
}

// list returns the number of the reading that a replica serves, and whether it
// made no call for it.
func (s sharers) list(replica int, key, cursor string) (reading int, cached bool) {
	s.t.Helper()
	session := s.clients[replica].As(upstream.Caller{Key: upstream.NewAPIKey(key)})
	page, err := session.ListUsers(s.t.Context(), upstream.PageQuery{Cursor: cursor, Size: 10})
	if err != nil {
		s.t.Error(err)
		return 0, false
	}
	return page.Users[0].ConversationCount, session.Usage().Cached == 1
}

func (s sharers) want(replica int, key, cursor string, reading int, cached bool) {
	s.t.Helper()
	if got, c := s.list(replica, key, cursor); got != reading || c != cached {
		s.t.Errorf("replica %d serves reading %d (cached: %v) of %q, want %d (%v)", replica, got, c, cursor, reading, cached)
	}
}

func TestSharedPages(t *testing.T) {
	t.Run("a page that one replica read serves both", func(t *testing.T) {
		s := newSharers(t, false)
		s.want(0, "k", "", 1, false)
		s.want(1, "k", "", 1, true)
		s.want(1, "k", "", 1, true)
		s.want(0, "k", "", 1, true)
		s.want(1, "another", "", 2, false)
	})
	t.Run("two replicas that miss a page make one call", func(t *testing.T) {
		s := newSharers(t, false)
		s.takes = 50 * time.Millisecond
		var wg sync.WaitGroup
		for i := range 20 {
			wg.Go(func() { s.list(i%2, "k", "") })
		}
		wg.Wait()
		if n := s.calls.Load(); n != 1 {
			t.Errorf("%d calls, want 1", n)
		}
	})
	t.Run("a walk never continues to an older page of another replica", func(t *testing.T) {
		s := newSharers(t, false)
		s.want(0, "k", "second", 1, false) // read by an earlier walk
		s.want(1, "k", "second", 1, true)
		<-time.After(5 * time.Millisecond)
		s.want(1, "k", "", 2, false)
		<-time.After(20 * time.Millisecond) // the page leaves the near cache
		s.want(0, "k", "", 2, true)
		s.want(0, "k", "second", 3, false)
		s.want(1, "k", "second", 3, true)
	})
	t.Run("after a failed call another replica makes one", func(t *testing.T) {
		s := newSharers(t, false)
		s.status.Store(http.StatusBadRequest)
		if _, err := s.clients[0].As(upstream.Caller{Key: upstream.NewAPIKey("k")}).ListUsers(t.Context(), upstream.PageQuery{Size: 10}); err == nil {
			t.Fatal("the call succeeded")
		}
		s.status.Store(0)
		began := time.Now()
		s.want(1, "k", "", 2, false)
		if took := time.Since(began); took > time.Second {
			t.Errorf("the call waited for %v", took)
		}
	})
	t.Run("a look-up is not served from a page that another replica read", func(t *testing.T) { // its age is not known
		s := newSharers(t, false)
		caller := upstream.Caller{Key: upstream.NewAPIKey("k")}
		list := func(replica int, q upstream.PageQuery, reading int) {
			t.Helper()
			page, err := s.clients[replica].As(caller).ListUsers(t.Context(), q)
			if err != nil || len(page.Users) != 1 || page.Users[0].ConversationCount != reading {
				t.Errorf("replica %d serves %+v of reading %d, err %v", replica, page, reading, err)
			}
		}
		list(0, upstream.PageQuery{Size: 10}, 1)
		list(1, upstream.PageQuery{Size: 20}, 2)
		<-time.After(20 * time.Millisecond) // the smaller page leaves the near cache
		list(0, upstream.PageQuery{Size: 20}, 2)
		list(0, lookUp("a"), 3)
	})
	t.Run("without Redis each replica uses the pages that it read itself", func(t *testing.T) {
		s := newSharers(t, false)
		s.want(0, "k", "", 1, false)
		s.want(1, "k", "", 1, true)
		s.redis.Kill()
		s.await(shared.Away)
		s.want(0, "k", "", 1, true)
		s.want(1, "k", "", 2, false)
		s.want(1, "k", "", 2, true)
	})
	t.Run("a key that is not yet accepted stores nothing in Redis", func(t *testing.T) {
		s := newSharers(t, true)
		s.status.Store(http.StatusUnauthorized)
		s.takes = 100 * time.Millisecond
		var call sync.WaitGroup
		call.Go(func() {
			_, _ = s.clients[0].As(upstream.Caller{Key: upstream.NewAPIKey("made-up")}).ListUsers(context.Background(), upstream.PageQuery{Size: 10})
		})
		for began := time.Now(); s.calls.Load() == 0; <-time.After(time.Millisecond) {
			if time.Since(began) > time.Second {
				t.Fatal("there is no call")
			}
		}
		if names := s.redis.Command("keys", "*{*"); names != "" {
			t.Errorf("Redis has %s during the call", names)
		}
		call.Wait()
		if names := s.redis.Command("keys", "*{*"); names != "" {
			t.Errorf("Redis has %s", names)
		}
		s.status.Store(0)
		s.want(0, "k", "", 2, false)
		s.want(0, "k", "third", 3, false)
		if names := s.redis.Command("keys", "*{*"); !strings.Contains(names, "{") {
			t.Error("Redis has nothing for an accepted key")
		}
	})
}
