package main

import (
	"fmt"
	"io"
	"net/http"
	"os"
	"regexp"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"rollcall/upstream/emulator"
)

// countedCalls is an upstream without users that counts its calls.
type countedCalls struct{ calls atomic.Int64 }

func (c *countedCalls) ServeHTTP(w http.ResponseWriter, _ *http.Request) {
	c.calls.Add(1)
	_, _ = io.WriteString(w, `{"users":[],"has_more":false}`)
}

func (c *countedCalls) n() int64 { return c.calls.Load() }

// oneKeyUpstream is an upstream that accepts one key. Each call takes 150 ms.
type oneKeyUpstream struct {
	users *emulator.Emulator

	mu       sync.Mutex
	refused  map[string]int // calls with each made-up key
	inFlight int            // with a made-up key
	highest  int
}

const goodKey = "accepted"

func (u *oneKeyUpstream) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	key := r.Header.Get("xi-api-key")
	if key == goodKey {
		u.users.ServeHTTP(w, r)
		return
	}
	u.mu.Lock()
	u.refused[key]++
	u.inFlight++
	u.highest = max(u.highest, u.inFlight)
	u.mu.Unlock()
	<-time.After(150 * time.Millisecond)
	u.mu.Lock()
	u.inFlight--
	u.mu.Unlock()
	w.WriteHeader(http.StatusUnauthorized)
	_, _ = io.WriteString(w, `{"detail":{"status":"invalid_api_key"}}`)
}

// TestSoakMadeUpKeys has 1,500 callers in flight, each with a different made-up
// key for each request, while eight callers with an accepted key read page after
// page.
func TestSoakMadeUpKeys(t *testing.T) {
	if os.Getenv("SOAK") == "" { //nolint:forbidigo // a test's own setting
		t.Skip("compares times: make soak")
	}
	const strangers, callers, pages = 1500, 8, 10
	u := &oneKeyUpstream{users: emulator.New(emulator.Options{Users: 2000, Latency: 150 * time.Millisecond}), refused: make(map[string]int)}
	base := realUpstream(t, u.ServeHTTP)
	address, _ := startBinary(t, buildBinary(t), "UPSTREAM_URL="+base.String(), "AUTH=passthrough", "UPSTREAM_CONCURRENCY=8")
	cursor := regexp.MustCompile(`"endCursor":"([^"]+)"`)
	round := 0
	walks := func() time.Duration { // returns the time that the pages take
		round++
		var wg sync.WaitGroup
		began := time.Now()
		for caller := range callers {
			wg.Go(func() {
				after := ""
				for range pages {
					query := fmt.Sprintf(`{ users(first: %d, filter: {callStartedAfter: "2020-01-01T00:00:%02dZ"}%s) { nodes { userId } pageInfo { endCursor } } }`, 20+caller, round, after)
					status, body := post(t, address, query, http.Header{"Xi-Api-Key": {goodKey}})
					end := cursor.FindStringSubmatch(body)
					if status != http.StatusOK || end == nil {
						t.Errorf("%d %.300s", status, body)
						return
					}
					after = fmt.Sprintf(`, after: %q`, end[1])
				}
			})
		}
		wg.Wait()
		return time.Since(began)
	}
	walks() // from here on the key is accepted

	var next, overloaded atomic.Int64
	transport := &http.Transport{MaxIdleConnsPerHost: strangers}
	defer transport.CloseIdleConnections()
	client := &http.Client{Transport: transport}
	flood := func() (end func()) {
		stop := make(chan struct{})
		var wg sync.WaitGroup
		for range strangers {
			wg.Go(func() {
				for {
					select {
					case <-stop:
						return
					default:
					}
					r, err := http.NewRequest(http.MethodPost, address+"/graphql", strings.NewReader(`{"query":"{ users { nodes { userId } } }"}`))
					if err != nil {
						t.Error(err)
						return
					}
					r.Header = http.Header{"Content-Type": {"application/json"}, "Xi-Api-Key": {fmt.Sprint("made-up-", next.Add(1))}}
					response, err := client.Do(r)
					if err != nil {
						t.Error(err)
						return
					}
					body, _ := io.ReadAll(response.Body)
					_ = response.Body.Close()
					switch {
					case strings.Contains(string(body), `"UNAUTHENTICATED"`):
					case strings.Contains(string(body), `"OVERLOADED"`):
						overloaded.Add(1)
						select { // waits as long as retryAfter requires
						case <-time.After(time.Second):
						case <-stop:
						}
					default:
						t.Errorf("a stranger gets %.200s", body)
					}
				}
			})
		}
		return func() { close(stop); wg.Wait() }
	}
	least := 100.0
	for range 4 { // the machine may be busy in some of them
		alone := walks()
		end := flood()
		<-time.After(500 * time.Millisecond)
		among := walks()
		end()
		ratio := among.Seconds() / alone.Seconds()
		t.Logf("%d pages take %v alone, and %v among strangers: %.2f times as long", callers*pages, alone, among, ratio)
		if least = min(least, ratio); least < 1.25 {
			break
		}
	}
	if least >= 1.25 {
		t.Errorf("pages take %.2f times as long among strangers", least)
	}
	u.mu.Lock()
	defer u.mu.Unlock()
	calls, most := 0, 0
	for _, n := range u.refused {
		calls += n
		most = max(most, n)
	}
	t.Logf("%d made-up keys: %d upstream calls, at most %d in flight; %d requests OVERLOADED", next.Load(), calls, u.highest, overloaded.Load())
	if u.highest > 64 || most > 1 || calls == 0 {
		t.Errorf("with made-up keys %d calls, %d in flight, %d with one key; want at most 64 and 1", calls, u.highest, most)
	}
}

// TestQuotaWithMadeUpKeys has more requests with made-up keys than there are
// buckets. These requests make no upstream call, so they must not have a bucket.
func TestQuotaWithMadeUpKeys(t *testing.T) {
	var calls countedCalls
	c := inFrontOf(realUpstream(t, calls.ServeHTTP))
	c.Auth, c.RateLimit = "passthrough", 0.01 // one call, and the next after 100 s
	s := start(t, c)
	for i, want := range []string{`"data"`, `"RATE_LIMITED"`} {
		if _, body := post(t, s.url, fmt.Sprintf(`{ user(userId: "%d") { userId } }`, i), http.Header{"Xi-Api-Key": {goodKey}}); !strings.Contains(body, want) {
			t.Fatalf("request %d: %s", i, body)
		}
	}
	const connections, each = 16, 640 // 10,240 in all
	transport := &http.Transport{MaxIdleConnsPerHost: connections}
	defer transport.CloseIdleConnections()
	client := &http.Client{Transport: transport}
	var wg sync.WaitGroup
	for connection := range connections {
		wg.Go(func() {
			for i := range each {
				r, err := http.NewRequest(http.MethodPost, s.url+"/graphql", strings.NewReader(`{"query":"{ __typename }"}`))
				if err != nil {
					t.Error(err)
					return
				}
				r.Header = http.Header{"Content-Type": {"application/json"}, "Xi-Api-Key": {fmt.Sprintf("made-up-%d-%d", connection, i)}}
				response, err := client.Do(r)
				if err != nil {
					t.Error(err)
					return
				}
				_, _ = io.Copy(io.Discard, response.Body)
				_ = response.Body.Close()
				if response.StatusCode != http.StatusOK {
					t.Errorf("an empty request gets %d", response.StatusCode)
					return
				}
			}
		})
	}
	wg.Wait()
	if _, body := post(t, s.url, `{ user(userId: "3") { userId } }`, http.Header{"Xi-Api-Key": {goodKey}}); !strings.Contains(body, `"RATE_LIMITED"`) {
		t.Errorf("the caller has got around its quota: %s", body)
	}
	if calls.n() != 1 {
		t.Errorf("%d upstream calls, want 1", calls.n())
	}
}
