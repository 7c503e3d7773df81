package graph_test

import (
	"bytes"
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"go.opentelemetry.io/otel/metric"
	"go.opentelemetry.io/otel/trace"

	"rollcall/graph"
	"rollcall/upstream"
	"rollcall/upstream/emulator"
)

// service is the GraphQL handler in front of an upstream, with what went
// upstream written down.
type service struct {
	t       testing.TB
	handler http.Handler
	log     *bytes.Buffer

	mu    sync.Mutex
	calls []url.Values
}

// options are what a test may want otherwise.
type options struct {
	upstream    http.Handler      // default: an emulator of 500 users
	transport   http.RoundTripper // an upstream without a network, instead
	cacheTTL    time.Duration
	passthrough bool
	timeout     time.Duration // default 5 s
	quota       *allowance
	onCall      func(upstream.Caller)
	config      func(*graph.Config)
	tracers     trace.TracerProvider
	meters      metric.MeterProvider
}

func newService(t testing.TB, o options) *service {
	t.Helper()
	if o.upstream == nil {
		o.upstream = emulator.New(emulator.Options{Users: 500})
	}
	o.timeout = cmp.Or(o.timeout, 5*time.Second)
	s := &service{t: t, log: &bytes.Buffer{}}
	base := &url.URL{Scheme: "http", Host: "upstream.test"}
	if o.transport == nil {
		server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			s.mu.Lock()
			s.calls = append(s.calls, r.URL.Query())
			s.mu.Unlock()
			o.upstream.ServeHTTP(w, r)
		}))
		t.Cleanup(server.Close)
		base.Host = server.Listener.Addr().String()
	}
	wait := func(upstream.Caller) time.Duration { return 0 }
	if o.quota != nil {
		o.onCall, wait = o.quota.Spend, o.quota.Wait
	}
	client := upstream.NewClient(upstream.Config{
		BaseURL: base, Transport: o.transport, Timeout: o.timeout, CacheTTL: o.cacheTTL, OnCall: o.onCall,
		TracerProvider: o.tracers, MeterProvider: o.meters,
	})
	t.Cleanup(client.Close)
	config := graph.Config{
		Client: client,
		Authenticate: func(r *http.Request) (upstream.Caller, error) {
			key := "service-key"
			if o.passthrough {
				if key = r.Header.Get("xi-api-key"); key == "" {
					return upstream.Caller{}, errors.New("send a key")
				}
			}
			return upstream.Caller{Key: upstream.NewAPIKey(key)}, nil
		},
		CallersKey:    o.passthrough,
		Introspection: true,
		Timeout:       o.timeout,
		Limits: graph.Limits{
			Body: 128 << 10, Tokens: 1000, Depth: 12, Aliases: 30, RootFields: 20, Fields: 1000, Directives: 20, Cost: 5000, Calls: 120,
		},
		Wait: wait,
		Log:  slog.New(slog.NewTextHandler(s.log, nil)),

		TracerProvider: o.tracers,
		MeterProvider:  o.meters,
	}
	if o.config != nil {
		o.config(&config)
	}
	s.handler = graph.NewHandler(config)
	return s
}

// post sends a request body and returns the recorded answer.
func (s *service) post(body string, headers ...string) *httptest.ResponseRecorder {
	r := httptest.NewRequest(http.MethodPost, "/graphql", strings.NewReader(body))
	r.Header.Set("Content-Type", "application/json")
	for i := 0; i < len(headers); i += 2 {
		r.Header.Set(headers[i], headers[i+1])
	}
	w := httptest.NewRecorder()
	s.handler.ServeHTTP(w, r)
	return w
}

// reply is a GraphQL response.
type reply struct {
	Data   map[string]any
	Errors []struct {
		Message    string
		Path       []any
		Locations  []any
		Extensions map[string]any
	}
}

// ask runs a query.
func (s *service) ask(query string, variables map[string]any, headers ...string) reply {
	s.t.Helper()
	body, err := json.Marshal(map[string]any{"query": query, "variables": variables})
	if err != nil {
		s.t.Fatal(err)
	}
	w := s.post(string(body), headers...)
	var r reply
	if err := json.Unmarshal(w.Body.Bytes(), &r); err != nil {
		s.t.Fatalf("%d %s: %v", w.Code, w.Body, err)
	}
	return r
}

// must runs a query that has no errors and returns its data.
func (s *service) must(query string, variables map[string]any) map[string]any {
	s.t.Helper()
	r := s.ask(query, variables)
	if len(r.Errors) > 0 {
		s.t.Fatalf("%s: %+v", query, r.Errors)
	}
	return r.Data
}

// count is how many calls went upstream since the last count.
func (s *service) count() int { return len(s.taken()) }

// taken is what went upstream since it was last taken.
func (s *service) taken() []url.Values {
	s.mu.Lock()
	defer s.mu.Unlock()
	calls := s.calls
	s.calls = nil
	return calls
}

// get follows a path of member names and indices through JSON.
func get(v any, path ...any) any {
	for _, step := range path {
		switch step := step.(type) {
		case string:
			v = v.(map[string]any)[step]
		case int:
			v = v.([]any)[step]
		}
	}
	return v
}

// refuse answers every call alike.
func refuse(status int, body string, headers ...string) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		for i := 0; i < len(headers); i += 2 {
			w.Header().Set(headers[i], headers[i+1])
		}
		w.WriteHeader(status)
		fmt.Fprint(w, body)
	})
}
