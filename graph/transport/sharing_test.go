package transport_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"rollcall/graph"
	"rollcall/graph/internal/graphtest"
	"rollcall/graph/transport"
	"rollcall/upstream"
	"rollcall/upstream/emulator"
)

// inProcess is an upstream without a network, so that its tests can run in fake
// time. Each call takes a second.
type inProcess struct {
	http.Handler
	mu    sync.Mutex
	calls int
}

func (p *inProcess) RoundTrip(r *http.Request) (*http.Response, error) {
	p.mu.Lock()
	p.calls++
	p.mu.Unlock()
	time.Sleep(time.Second) //nolint:forbidigo // in fake time
	w := httptest.NewRecorder()
	p.ServeHTTP(w, r)
	response := w.Result()
	response.Request = r
	return response, nil
}

// subjects authenticates callers who share a key by a header.
func subjects(c *transport.Config) {
	c.Authenticate = func(r *http.Request) (upstream.Caller, error) {
		return upstream.Caller{Key: upstream.NewAPIKey("service-key"), Subject: r.Header.Get("Subject")}, nil
	}
}

func TestCallersOfOneKey(t *testing.T) {
	const page = `{ users(first: 30) { edges { cursor node { userId } } } }`
	t.Run("equal requests at once are one execution, and each has its own request ID", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			p := &inProcess{Handler: graphtest.Refuse(503, ``)}
			s := graphtest.New(t, graphtest.Options{RoundTripper: p, Transport: subjects})
			var wg sync.WaitGroup
			for i := range 20 {
				wg.Go(func() {
					id := fmt.Sprint("request-", i)
					r := s.Query(page, nil, "Subject", fmt.Sprint("subject-", i), "X-Request-Id", id)
					if len(r.Errors) != 1 || r.Errors[0].Extensions["requestId"] != id {
						t.Errorf("%s: %+v", id, r)
					}
				})
			}
			wg.Wait()
			if p.calls != 2 { // an attempt and its retry
				t.Errorf("%d calls", p.calls)
			}
		})
	})
	t.Run("equal pages in different requests are one call", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			p := &inProcess{Handler: emulator.New(emulator.Options{Users: 100})}
			s := graphtest.New(t, graphtest.Options{RoundTripper: p, Transport: subjects})
			var wg sync.WaitGroup
			for i := range 20 {
				wg.Go(func() {
					query := fmt.Sprintf(`query Q%d { users(first: 30) { nodes { userId } } }`, i)
					if r := s.Query(query, nil, "Subject", fmt.Sprint("subject-", i)); len(r.Errors) > 0 {
						t.Error(r.Errors)
					}
				})
			}
			wg.Wait()
			if p.calls != 1 {
				t.Errorf("%d calls", p.calls)
			}
		})
	})
	t.Run("a cursor works for another caller of the key", func(t *testing.T) {
		s := graphtest.New(t, graphtest.Options{Transport: subjects})
		r := s.Query(page, nil, "Subject", "alice")
		cursor := graphtest.Get(r.Data, "users", "edges", 3, "cursor")
		r = s.Query(`query($c: String) { users(first: 1, after: $c) { nodes { userId } } }`, map[string]any{"c": cursor}, "Subject", "bob")
		if len(r.Errors) > 0 || graphtest.Get(r.Data, "users", "nodes", 0, "userId") == nil {
			t.Errorf("got %+v", r)
		}
	})
	t.Run("a caller that is refused does not join", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			p := &inProcess{Handler: emulator.New(emulator.Options{Users: 100})}
			s := graphtest.New(t, graphtest.Options{RoundTripper: p, Transport: func(c *transport.Config) {
				subjects(c)
				c.Admit = func(r *http.Request) error { return http.NewCrossOriginProtection().Check(r) }
				c.Wait = func(caller upstream.Caller) time.Duration {
					if caller.Subject == "spent" {
						return time.Second
					}
					return 0
				}
			}})
			var wg sync.WaitGroup
			wg.Go(func() { s.Must(page, nil) })
			synctest.Wait() // the first request is in flight
			if w := s.Post(`{"query":"`+page+`"}`, "Subject", "spent"); w.Code != http.StatusTooManyRequests {
				t.Errorf("without quota: %d %s", w.Code, w.Body)
			}
			if w := s.Post(`{"query":"`+page+`"}`, "Origin", "https://other.test"); w.Code != http.StatusForbidden {
				t.Errorf("of another site: %d %s", w.Code, w.Body)
			}
			wg.Wait()
		})
	})
}

func TestCallersOfDifferentKeys(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := &inProcess{Handler: emulator.New(emulator.Options{Users: 100})}
		s := graphtest.New(t, graphtest.Options{RoundTripper: p, Passthrough: true})
		var wg sync.WaitGroup
		for i := range 5 {
			wg.Go(func() {
				r := s.Query(`{ users(first: 1) { nodes { userId } } }`, nil, "xi-api-key", fmt.Sprint("key-", i))
				if len(r.Errors) > 0 {
					t.Error(r.Errors)
				}
			})
		}
		wg.Wait()
		if p.calls != 5 {
			t.Errorf("%d calls of 5 keys", p.calls)
		}
	})
}

// large selects four times the largest list, in about 500 kB.
const large = `{ a: users(first: 500) { ...e } b: users(first: 500) { ...e } c: users(first: 500) { ...e } d: users(first: 500) { ...e } }
	fragment e on UserConnection { edges { cursor node { id userId conversationCount firstContactAt lastContactAt } } }`

func post(query string) string {
	body, _ := json.Marshal(map[string]string{"query": query})
	return string(body)
}

// disconnect serves a request whose context is cancelled, which aborts the handler.
func disconnect(handler http.Handler, r *http.Request) {
	defer func() {
		p := recover()
		if err, ok := p.(error); p != nil && (!ok || !errors.Is(err, http.ErrAbortHandler)) {
			panic(p)
		}
	}()
	handler.ServeHTTP(httptest.NewRecorder(), r)
}

// stuck is the response to a caller that reads nothing until read is closed.
type stuck struct {
	*httptest.ResponseRecorder
	read chan struct{}
}

func (s stuck) Write(b []byte) (int, error) {
	<-s.read
	return s.ResponseRecorder.Write(b)
}

func TestLargeResponsesInMemory(t *testing.T) {
	var size int // of the response
	start := func(t *testing.T) *graphtest.Service {
		world := emulator.New(emulator.Options{Users: 500})
		if size == 0 {
			size = graphtest.New(t, graphtest.Options{RoundTripper: &inProcess{Handler: world}, Timeout: 20 * time.Second}).Post(post(large)).Body.Len()
		}
		return graphtest.New(t, graphtest.Options{
			RoundTripper: &inProcess{Handler: world}, Timeout: 20 * time.Second, Passthrough: true,
			// One key may have two such responses, and two keys four.
			Graph: func(c *graph.Config) { c.Limits.Answer, c.Limits.Answers = size+size/16, 4*size+size/2 },
		})
	}
	request := func(query, key string) *http.Request {
		r := httptest.NewRequest(http.MethodPost, "/graphql", strings.NewReader(post(query)))
		r.Header.Set("Content-Type", "application/json")
		r.Header.Set("xi-api-key", key)
		return r
	}
	// hold has n callers of a key whose responses are not read until the returned
	// function is called.
	hold := func(s *graphtest.Service, n int, query func(i int) string, key string) (release func()) {
		read := make(chan struct{})
		var wg sync.WaitGroup
		for i := range n {
			wg.Go(func() { s.Handler.ServeHTTP(stuck{httptest.NewRecorder(), read}, request(query(i), key)) })
		}
		time.Sleep(10 * time.Second) //nolint:forbidigo // in fake time: until all of them are written
		return func() { close(read); wg.Wait() }
	}
	own := func(i int) string { return fmt.Sprintf("query Q%d %s", i, large) }

	for name, test := range map[string]func(*testing.T){
		"a key has at most half, and others have the rest": func(t *testing.T) {
			s := start(t)
			defer hold(s, 2, own, "a")()
			began := time.Now()
			w := s.Post(post(own(9)), "xi-api-key", "a")
			if took := time.Since(began); w.Code != http.StatusServiceUnavailable || w.Header().Get("Retry-After") == "" || took != 20*time.Second ||
				!strings.Contains(w.Body.String(), `"OVERLOADED"`) || !strings.Contains(w.Body.String(), `"retryAfter"`) || strings.Contains(w.Body.String(), `"data"`) {
				t.Errorf("after %v: %d %v %.300s", took, w.Code, w.Header(), w.Body)
			}
			if w := s.Post(post(own(9)), "xi-api-key", "b"); w.Code != http.StatusOK {
				t.Errorf("another key: %d %.300s", w.Code, w.Body)
			}
			if w := s.Post(post(`{ users(first: 30) { nodes { userId } } }`), "xi-api-key", "a"); w.Code != http.StatusOK {
				t.Errorf("a small response: %d %.300s", w.Code, w.Body)
			}
		},
		"a request waits until there is capacity": func(t *testing.T) {
			s := start(t)
			release := hold(s, 2, own, "a")
			var w *httptest.ResponseRecorder
			var wg sync.WaitGroup
			wg.Go(func() { w = s.Post(post(own(9)), "xi-api-key", "a") })
			time.Sleep(15 * time.Second) //nolint:forbidigo // in fake time
			if w != nil {
				t.Fatalf("it did not wait: %d", w.Code)
			}
			release()
			if wg.Wait(); w.Code != http.StatusOK || w.Body.Len() < size {
				t.Errorf("got %d, %d bytes", w.Code, w.Body.Len())
			}
		},
		"requests that share a response have its bytes once, until the last one has read them": func(t *testing.T) {
			s := start(t)
			same := func(int) string { return large }
			release := hold(s, 20, same, "a")
			if w := s.Post(post(own(1)), "xi-api-key", "a"); w.Code != http.StatusOK {
				t.Errorf("a second response: %d %.300s", w.Code, w.Body)
			}
			second := hold(s, 1, own, "a")
			if w := s.Post(post(own(2)), "xi-api-key", "a"); w.Code != http.StatusServiceUnavailable {
				t.Errorf("a third response: %d", w.Code)
			}
			release()
			second()
			if w := s.Post(post(own(3)), "xi-api-key", "a"); w.Code != http.StatusOK {
				t.Errorf("after all of them: %d %.300s", w.Code, w.Body)
			}
		},
		"a shared response counts while one of its callers reads it": func(t *testing.T) {
			s := start(t)
			var wg sync.WaitGroup
			wg.Go(func() { s.Post(post(large), "xi-api-key", "a") })
			synctest.Wait()                                               // it is in flight, and others join it
			release := hold(s, 1, func(int) string { return large }, "a") // the first caller has read it then
			wg.Wait()
			second := hold(s, 1, own, "a")
			if w := s.Post(post(own(2)), "xi-api-key", "a"); w.Code != http.StatusServiceUnavailable {
				t.Errorf("a third response: %d", w.Code)
			}
			release()
			if w := s.Post(post(own(3)), "xi-api-key", "a"); w.Code != http.StatusOK {
				t.Errorf("after the shared one: %d %.300s", w.Code, w.Body)
			}
			second()
		},
		"a caller that disconnects while it waits leaves nothing behind": func(t *testing.T) {
			s := start(t)
			release := hold(s, 2, own, "a")
			for i := range 5 {
				ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second) // its pages arrive after five
				disconnect(s.Handler, request(own(10+i), "a").WithContext(ctx))
				cancel()
			}
			release()
			release = hold(s, 2, own, "a")
			if w := s.Post(post(own(9)), "xi-api-key", "a"); w.Code != http.StatusServiceUnavailable {
				t.Errorf("a third response: %d", w.Code)
			}
			release()
			if w := s.Post(post(own(9)), "xi-api-key", "a"); w.Code != http.StatusOK {
				t.Errorf("after all of them: %d %.300s", w.Code, w.Body)
			}
		},
	} {
		t.Run(name, func(t *testing.T) { synctest.Test(t, test) })
	}
}
