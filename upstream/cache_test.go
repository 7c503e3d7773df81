package upstream_test

import (
	"fmt"
	"io"
	"net/http"
	"net/url"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"rollcall/upstream"
)

const ttl = time.Minute

// library is an upstream whose users have the number of the reading (the call
// that read them) as their number of conversations.
type library struct {
	takes time.Duration

	mu    sync.Mutex
	calls []url.Values
}

func (l *library) RoundTrip(r *http.Request) (*http.Response, error) {
	q := r.URL.Query()
	l.mu.Lock()
	l.calls = append(l.calls, q)
	n := len(l.calls)
	l.mu.Unlock()
	var body string
	switch {
	case q.Get("search") == "unknown":
		body = `{"users":[],"has_more":false}`
	case q.Get("search") != "":
		body = fmt.Sprintf(`{"users":[%s],"has_more":false}`, reader(q.Get("search"), n))
	case q.Get("cursor") == "third":
		body = fmt.Sprintf(`{"users":[%s],"has_more":false}`, reader("z", n))
	default:
		next := map[string]string{"": "second", "second": "third"}[q.Get("cursor")]
		body = fmt.Sprintf(`{"users":[%s,%s],"has_more":true,"next_cursor":%q}`, reader(q.Get("cursor")+"a", n), reader(q.Get("cursor")+"b", n), next)
	}
	time.Sleep(l.takes) //nolint:forbidigo // in fake time
	return &http.Response{StatusCode: http.StatusOK, Header: http.Header{}, Body: io.NopCloser(strings.NewReader(body)), Request: r}, nil
}

func reader(id string, read int) string {
	return fmt.Sprintf(`{"user_id":%q,"last_contact_unix_secs":2,"first_contact_unix_secs":1,"conversation_count":%d,"last_contact_conversation_id":"c"}`, id, read)
}

// visit is a client with a cache, and the library that it reads.
type visit struct {
	t      *testing.T
	client *upstream.Client
	*library
}

func visiting(t *testing.T, test func(v visit)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		l := &library{}
		client := upstream.NewClient(upstream.Config{BaseURL: &url.URL{Scheme: "https", Host: "upstream.test"}, Transport: l, CacheTTL: ttl})
		defer client.Close()
		test(visit{t, client, l})
	})
}

// list returns the number of the reading that a caller is served; 0 for an empty
// page.
func (v visit) list(caller upstream.Caller, q upstream.PageQuery) (reading int) {
	v.t.Helper()
	page, err := v.client.As(caller).ListUsers(v.t.Context(), q)
	if err != nil {
		v.t.Fatal(err)
	}
	if len(page.Users) == 0 {
		return 0
	}
	return page.Users[0].ConversationCount
}

func (v visit) want(what string, got, reading int) {
	v.t.Helper()
	if got != reading {
		v.t.Errorf("%s is of reading %d, want %d", what, got, reading)
	}
}

func wait(d time.Duration) { time.Sleep(d) } //nolint:forbidigo // in fake time

func lookUp(id string) upstream.PageQuery {
	return upstream.PageQuery{Query: upstream.Query{Filter: upstream.Filter{UserID: id}}, Size: 1}
}

func TestCacheTTL(t *testing.T) {
	visiting(t, func(v visit) {
		v.want("the page", v.list(alice, page), 1)
		v.want("the page again", v.list(alice, page), 1)
		v.want("the page, for another caller with the same key", v.list(bob, page), 1)
		v.want("another key's page", v.list(other, page), 2)
		v.want("another list's page", v.list(alice, upstream.PageQuery{Query: upstream.Query{Ascending: true}, Size: 30}), 3)
		wait(ttl - 1)
		v.want("the page, nearly too old", v.list(alice, page), 1)
		wait(1)
		v.want("the page, too old", v.list(alice, page), 4)
		s := v.client.As(alice)
		if _, err := s.ListUsers(v.t.Context(), page); err != nil || s.Usage() != (upstream.Usage{Cached: 1}) {
			t.Errorf("%v %+v", err, s.Usage())
		}
	})
}

func TestCachePageSizes(t *testing.T) {
	sized := func(cursor string, size int) upstream.PageQuery {
		return upstream.PageQuery{Cursor: cursor, Size: size}
	}
	visiting(t, func(v visit) {
		v.want("a page", v.list(alice, sized("", 20)), 1)
		v.want("a smaller one", v.list(alice, sized("", 10)), 1)
		v.want("a larger one", v.list(alice, sized("", 30)), 2)
		v.want("the last page", v.list(alice, sized("third", 5)), 3)
		v.want("the last page, larger", v.list(alice, sized("third", 50)), 3)
	})
}

func TestCacheLookUps(t *testing.T) {
	visiting(t, func(v visit) {
		v.want("the page", v.list(alice, page), 1)
		v.want("a user of it", v.list(alice, lookUp("b")), 1)
		v.want("a user of it, for another caller with the same key", v.list(bob, lookUp("b")), 1)
		v.want("a user of it, for another key", v.list(other, lookUp("b")), 2)
		v.want("a user who is on no cached page", v.list(alice, lookUp("c")), 3)
		v.want("an unknown user", v.list(alice, lookUp("unknown")), 0)
		v.want("a page of a filtered list", v.list(alice, upstream.PageQuery{Query: upstream.Query{Filter: upstream.Filter{AgentID: "x"}}, Cursor: "second", Size: 2}), 5)
		v.want("a user of it, in the list without a filter", v.list(alice, lookUp("seconda")), 6)
		wait(ttl / 2)
		v.want("a larger page", v.list(alice, upstream.PageQuery{Size: 31}), 7)
		v.want("a user of it", v.list(alice, lookUp("b")), 7)
		wait(ttl / 2)
		v.want("a user of it, after the first page's time", v.list(alice, lookUp("b")), 7)
		wait(ttl / 2)
		v.want("a user of it, too old", v.list(alice, lookUp("b")), 8)
	})
}

// TestCacheFilteredLookUps looks up a user of a cached page in other ways than by
// the ID alone.
func TestCacheFilteredLookUps(t *testing.T) {
	for name, change := range map[string]func(*upstream.PageQuery){
		"with one agent's conversations": func(q *upstream.PageQuery) { q.Filter.AgentID = "agent" },
		"with one branch's":              func(q *upstream.PageQuery) { q.Filter.BranchID = "branch" },
		"with those after an instant":    func(q *upstream.PageQuery) { q.Filter.StartedAfter = upstream.At(1) },
		"with those before an instant":   func(q *upstream.PageQuery) { q.Filter.StartedBefore = upstream.At(1) },
		"from a cursor on":               func(q *upstream.PageQuery) { q.Cursor = "c" },
	} {
		t.Run(name, func(t *testing.T) {
			visiting(t, func(v visit) {
				v.want("the page", v.list(alice, page), 1)
				q := lookUp("a")
				change(&q)
				v.want("the look-up", v.list(alice, q), 2)
			})
		})
	}
}

func TestCacheNewestLookUp(t *testing.T) {
	visiting(t, func(v visit) {
		v.want("a look-up", v.list(alice, lookUp("a")), 1)
		wait(time.Second)
		v.want("a page with that user", v.list(alice, page), 2)
		v.want("the look-up again", v.list(alice, lookUp("a")), 2)
	})
}

func TestCacheInvalidatesOlderPages(t *testing.T) {
	at := func(cursor string) upstream.PageQuery { return upstream.PageQuery{Cursor: cursor, Size: 2} }
	visiting(t, func(v visit) {
		v.want("the first page", v.list(alice, at("")), 1)
		wait(ttl / 2)
		v.want("the second", v.list(alice, at("second")), 2)
		v.want("the third", v.list(alice, at("third")), 3)
		wait(ttl / 2)
		v.want("the first, read again", v.list(alice, at("")), 4)
		v.want("the second, which was older", v.list(alice, at("second")), 5)
		v.want("the third, which was older than that", v.list(alice, at("third")), 6)
		v.want("the second again", v.list(alice, at("second")), 5)
	})
}

func TestCacheInvalidatesPagesInFlight(t *testing.T) {
	visiting(t, func(v visit) {
		v.takes = time.Second
		var wg sync.WaitGroup
		wg.Go(func() { v.list(alice, upstream.PageQuery{Cursor: "second", Size: 2}) })
		wait(time.Second / 2)
		wg.Go(func() { v.list(alice, upstream.PageQuery{Size: 2}) }) // the other call reads its next page
		wg.Wait()
		v.want("the second page", v.list(alice, upstream.PageQuery{Cursor: "second", Size: 2}), 3)
	})
}

func TestCacheSize(t *testing.T) {
	if testing.Short() {
		t.Skip("it fills the cache")
	}
	users := make([]string, 100)
	for i := range users {
		users[i] = reader(strings.Repeat("x", 200)+strconv.Itoa(i), 1)
	}
	for name, body := range map[string]string{
		"many users":                 `{"users":[` + strings.Join(users, ",") + `],"has_more":false}`,
		"fields that are never read": `{"users":[` + users[0] + `],"has_more":false,"novel":"` + strings.Repeat("x", 100_000) + `"}`,
	} {
		t.Run(name, func(t *testing.T) {
			client := upstream.NewClient(upstream.Config{
				BaseURL: &url.URL{Scheme: "https", Host: "upstream.test"}, CacheTTL: time.Hour,
				Transport: doer(func(r *http.Request) (*http.Response, error) {
					return &http.Response{StatusCode: http.StatusOK, Header: http.Header{}, Body: io.NopCloser(strings.NewReader(body)), Request: r}, nil
				}),
			})
			defer client.Close()
			s := client.As(alice)
			for i := range 2000 { // about 150 to 200 MiB
				if _, err := s.ListUsers(t.Context(), upstream.PageQuery{Cursor: strconv.Itoa(i), Size: 100}); err != nil {
					t.Fatal(err)
				}
			}
			runtime.GC()
			var m runtime.MemStats
			runtime.ReadMemStats(&m)
			if m.HeapAlloc > 110<<20 {
				t.Errorf("the cache has grown to %d MiB", m.HeapAlloc>>20)
			}
			t.Logf("%d MiB", m.HeapAlloc>>20)
		})
	}
}
