package main

import (
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"rollcall/internal/config"
)

// gauge is an upstream without users that counts its calls and connections.
type gauge struct {
	countingUpstream

	url         *url.URL
	connections atomic.Int64
}

func newGauge(t *testing.T) *gauge {
	t.Helper()
	g := new(gauge)
	server := httptest.NewUnstartedServer(g)
	server.Config.ConnState = func(_ net.Conn, state http.ConnState) {
		switch state {
		case http.StateNew:
			g.connections.Add(1)
		case http.StateClosed, http.StateHijacked:
			g.connections.Add(-1)
		case http.StateActive, http.StateIdle:
		}
	}
	server.Start()
	t.Cleanup(server.Close)
	g.url = &url.URL{Scheme: "http", Host: server.Listener.Addr().String()}
	return g
}

func (g *gauge) config() config.Config { return inFrontOf(g.url) }

// TestSettings checks that settings which no other test of the running service
// depends on reach the packages that they are for.
func TestSettings(t *testing.T) {
	lookUps := func(first, n int) string {
		var fields strings.Builder
		for i := range n {
			fmt.Fprintf(&fields, " u%d: user(userId: \"%d\") { userId }", i, first+i)
		}
		return "{" + fields.String() + " }"
	}
	t.Run("UPSTREAM_CONCURRENCY bounds the requests in flight", func(t *testing.T) {
		g := newGauge(t)
		c := g.config()
		c.UpstreamConcurrency = 2
		post(t, start(t, c).url, lookUps(0, 10), nil)
		if highest, calls := g.reset(); calls != 10 || highest != 2 {
			t.Errorf("%d calls, %d in flight", calls, highest)
		}
	})
	t.Run("UPSTREAM_CONNECTIONS bounds the connections of all keys", func(t *testing.T) {
		g := newGauge(t)
		c := g.config()
		c.Auth, c.UpstreamConcurrency, c.UpstreamConnections = config.AuthPassthrough, 1, 2
		s := start(t, c)
		for i := range 4 {
			if status, body := post(t, s.url, lookUps(0, 1), http.Header{"Xi-Api-Key": {fmt.Sprint("key-", i)}}); status != http.StatusOK {
				t.Fatal(body)
			}
		}
		await(t, 2*time.Second, "two connections remain", func() bool { return g.connections.Load() <= 2 })
	})
	t.Run("CACHE_TTL", func(t *testing.T) {
		for ttl, calls := range map[time.Duration]int{0: 2, time.Minute: 1} {
			g := newGauge(t)
			c := g.config()
			c.CacheTTL = ttl
			s := start(t, c)
			for range 2 {
				post(t, s.url, lookUps(0, 1), nil)
			}
			if _, n := g.reset(); n != calls {
				t.Errorf("%v: %d calls, want %d", ttl, n, calls)
			}
		}
	})
	t.Run("HTTP_GET", func(t *testing.T) {
		for get, want := range map[bool]int{true: http.StatusOK, false: http.StatusMethodNotAllowed} {
			c := newGauge(t).config()
			c.HTTPGet = get
			response, err := http.Get(start(t, c).url + "/graphql?query=%7B__typename%7D")
			if err != nil {
				t.Fatal(err)
			}
			_ = response.Body.Close()
			if response.StatusCode != want {
				t.Errorf("%v: %d, want %d", get, response.StatusCode, want)
			}
		}
	})
	t.Run("INTROSPECTION", func(t *testing.T) {
		for on, want := range map[bool]string{true: `"data"`, false: `"errors"`} {
			c := newGauge(t).config()
			c.Introspection = on
			if _, body := post(t, start(t, c).url, "{ __schema { queryType { name } } }", nil); !strings.HasPrefix(body, "{"+want) {
				t.Errorf("%v: %s", on, body)
			}
		}
	})
	t.Run("AUTOMATIC_PERSISTED_QUERIES", func(t *testing.T) {
		const body = `{"extensions":{"persistedQuery":{"version":1,"sha256Hash":"7f56e67dd21ab3f30d1ff8b7bed08893f0a0db86449836189b361dd1e56ddb4b"}}}`
		for on, want := range map[bool]string{true: "PERSISTED_QUERY_NOT_FOUND", false: "PERSISTED_QUERY_NOT_SUPPORTED"} {
			c := newGauge(t).config()
			c.PersistedQueries = on
			response, err := http.Post(start(t, c).url+"/graphql", "application/json", strings.NewReader(body))
			if err != nil {
				t.Fatal(err)
			}
			text, _ := io.ReadAll(response.Body)
			_ = response.Body.Close()
			if !strings.Contains(string(text), want) {
				t.Errorf("%v: %s", on, text)
			}
		}
	})
	t.Run("LIMIT_ROOT_FIELDS", func(t *testing.T) {
		s := start(t, newGauge(t).config())
		for fields, refused := range map[int]bool{20: false, 21: true} {
			if _, body := post(t, s.url, lookUps(0, fields), nil); strings.Contains(body, `"errors"`) != refused {
				t.Errorf("%d fields: %s", fields, body)
			}
		}
	})
	t.Run("AUTH=passthrough makes callers' keys strangers", func(t *testing.T) {
		for auth, c := range map[config.Auth]struct {
			calls int64
			code  string
		}{
			config.AuthPassthrough: {1, `"UNAUTHENTICATED"`}, // the first refusal is remembered
			config.AuthNone:        {2, `"UPSTREAM_`},
		} {
			var calls atomic.Int64
			settings := inFrontOf(realUpstream(t, func(w http.ResponseWriter, _ *http.Request) {
				calls.Add(1)
				w.WriteHeader(http.StatusUnauthorized)
			}))
			settings.Auth = auth
			s := start(t, settings)
			for range 2 {
				if _, body := post(t, s.url, lookUps(0, 1), http.Header{"Xi-Api-Key": {"made-up"}}); !strings.Contains(body, c.code) {
					t.Errorf("AUTH=%s: %s", auth, body)
				}
			}
			if n := calls.Load(); n != c.calls {
				t.Errorf("AUTH=%s: %d calls, want %d", auth, n, c.calls)
			}
		}
	})
	t.Run("CORS_ORIGINS", func(t *testing.T) {
		c := newGauge(t).config()
		c.CORSOrigins = []string{"https://app.test"}
		s := start(t, c)
		for origin, want := range map[string]string{"https://app.test": "https://app.test", "https://evil.test": ""} {
			r, err := http.NewRequestWithContext(t.Context(), http.MethodOptions, s.url+"/graphql", nil)
			if err != nil {
				t.Fatal(err)
			}
			r.Header = http.Header{"Origin": {origin}, "Access-Control-Request-Method": {"POST"}, "Access-Control-Request-Headers": {"content-type"}}
			response, err := http.DefaultClient.Do(r)
			if err != nil {
				t.Fatal(err)
			}
			_ = response.Body.Close()
			if got := response.Header.Get("Access-Control-Allow-Origin"); got != want {
				t.Errorf("%s: %q", origin, got)
			}
		}
	})
	t.Run("IDLE_TIMEOUT ends a connection without a request", func(t *testing.T) {
		c := newGauge(t).config()
		c.IdleTimeout = 100 * time.Millisecond
		conn, err := net.Dial("tcp", strings.TrimPrefix(start(t, c).url, "http://"))
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close()
		_ = conn.SetDeadline(time.Now().Add(2 * time.Second))
		_, _ = io.WriteString(conn, "GET /livez HTTP/1.1\r\nHost: x\r\n\r\n")
		if answer, err := io.ReadAll(conn); err != nil || !strings.HasPrefix(string(answer), "HTTP/1.1 200") {
			t.Errorf("%q, %v", answer, err)
		}
	})
	t.Run("UPSTREAM_TIMEOUT bounds an operation", func(t *testing.T) {
		base := realUpstream(t, func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() })
		c := inFrontOf(base)
		c.UpstreamTimeout = 200 * time.Millisecond
		began := time.Now()
		if _, body := post(t, start(t, c).url, lookUps(0, 1), nil); !strings.Contains(body, "TIMEOUT") {
			t.Error(body)
		}
		if took := time.Since(began); took > time.Second {
			t.Errorf("took %v", took)
		}
	})
}
