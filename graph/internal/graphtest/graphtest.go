// Package graphtest runs the GraphQL handler in front of an upstream, for the
// tests of graph and of graph/transport. Nothing else imports it.
package graphtest

import (
	"bytes"
	"cmp"
	"context"
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
	"rollcall/graph/transport"
	"rollcall/upstream"
	"rollcall/upstream/emulator"
)

// Service is the GraphQL handler in front of an upstream whose calls are recorded.
type Service struct {
	Handler  http.Handler
	Executor *graph.Executor
	Log      *bytes.Buffer

	t     testing.TB
	mu    sync.Mutex
	calls []url.Values
}

// Options change a service for a test.
type Options struct {
	Upstream     http.Handler      // default: an emulator of 500 users
	RoundTripper http.RoundTripper // replaces Upstream, without a network; its calls are not recorded
	CacheTTL     time.Duration
	Passthrough  bool          // callers send their own key; otherwise the key is "service-key"
	CallersKeys  bool          // a key that the upstream has not accepted is a stranger's
	Timeout      time.Duration // default 5 s
	OnCall       func(upstream.Caller)
	Tracers      trace.TracerProvider
	Meters       metric.MeterProvider
	// Graph and Transport change the configuration before it is used.
	Graph     func(*graph.Config)
	Transport func(*transport.Config)
}

// New starts a service that ends with the test.
func New(t testing.TB, o Options) *Service {
	t.Helper()
	if o.Upstream == nil {
		o.Upstream = emulator.New(emulator.Options{Users: 500})
	}
	o.Timeout = cmp.Or(o.Timeout, 5*time.Second)
	s := &Service{t: t, Log: &bytes.Buffer{}}
	base := &url.URL{Scheme: "http", Host: "upstream.test"}
	if o.RoundTripper == nil {
		server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			s.mu.Lock()
			s.calls = append(s.calls, r.URL.Query())
			s.mu.Unlock()
			o.Upstream.ServeHTTP(w, r)
		}))
		t.Cleanup(server.Close)
		base.Host = server.Listener.Addr().String()
	}
	client := upstream.NewClient(upstream.Config{
		BaseURL: base, Transport: o.RoundTripper, Timeout: o.Timeout, CacheTTL: o.CacheTTL, OnCall: o.OnCall, CallersKeys: o.CallersKeys,
		TracerProvider: o.Tracers, MeterProvider: o.Meters,
	})
	t.Cleanup(client.Close)
	log := slog.New(slog.NewTextHandler(s.Log, nil))
	config := graph.Config{
		Client:        client,
		CallersKey:    o.Passthrough,
		Introspection: true,
		Timeout:       o.Timeout,
		CacheTTL:      o.CacheTTL,
		Limits: graph.Limits{
			Tokens: 1000, Depth: 12, Aliases: 30, RootFields: 20, Fields: 1000, Directives: 20, Cost: 5000, Calls: 120,
			Answer: 8 << 20, Answers: 32 << 20,
		},
		Log: log,
	}
	if o.Graph != nil {
		o.Graph(&config)
	}
	executor := graph.NewExecutor(config)
	t.Cleanup(executor.Close)
	s.Executor = executor
	handler := transport.Config{
		Executor: executor,
		Authenticate: func(r *http.Request) (upstream.Caller, error) {
			key := "service-key"
			if o.Passthrough {
				if key = r.Header.Get("xi-api-key"); key == "" {
					return upstream.Caller{}, errors.New("send a key")
				}
			}
			return upstream.Caller{Key: upstream.NewAPIKey(key)}, nil
		},
		MaxBody:        128 << 10,
		Log:            log,
		TracerProvider: o.Tracers,
		MeterProvider:  o.Meters,
	}
	if o.Transport != nil {
		o.Transport(&handler)
	}
	s.Handler = transport.NewHandler(handler)
	return s
}

// Post sends a request body and returns the recorded response. Headers are pairs
// of names and values.
func (s *Service) Post(body string, headers ...string) *httptest.ResponseRecorder {
	r := httptest.NewRequestWithContext(context.Background(), http.MethodPost, "/graphql", strings.NewReader(body))
	r.Header.Set("Content-Type", "application/json")
	for i := 0; i < len(headers); i += 2 {
		r.Header.Set(headers[i], headers[i+1])
	}
	w := httptest.NewRecorder()
	s.Handler.ServeHTTP(w, r)
	return w
}

// Reply is a GraphQL response.
type Reply struct {
	Data   map[string]any
	Errors []struct {
		Message    string
		Path       []any
		Locations  []any
		Extensions map[string]any
	}
}

// Query executes a query.
func (s *Service) Query(query string, variables map[string]any, headers ...string) Reply {
	s.t.Helper()
	body, err := json.Marshal(map[string]any{"query": query, "variables": variables})
	if err != nil {
		s.t.Fatal(err)
	}
	w := s.Post(string(body), headers...)
	var r Reply
	if err := json.Unmarshal(w.Body.Bytes(), &r); err != nil {
		s.t.Fatalf("%d %s: %v", w.Code, w.Body, err)
	}
	return r
}

// Must executes a query, fails the test if it has errors, and returns its data.
func (s *Service) Must(query string, variables map[string]any) map[string]any {
	s.t.Helper()
	r := s.Query(query, variables)
	if len(r.Errors) > 0 {
		s.t.Fatalf("%s: %+v", query, r.Errors)
	}
	return r.Data
}

// Count returns the number of upstream calls since the last Count or Calls.
func (s *Service) Count() int { return len(s.Calls()) }

// Calls returns the queries of the upstream calls since the last Count or Calls.
func (s *Service) Calls() []url.Values {
	s.mu.Lock()
	defer s.mu.Unlock()
	calls := s.calls
	s.calls = nil
	return calls
}

// Get follows a path of member names and indices through JSON.
func Get(v any, path ...any) any {
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

// Refuse returns an upstream that sends the same response to every call. Headers
// are pairs of names and values.
func Refuse(status int, body string, headers ...string) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		for i := 0; i < len(headers); i += 2 {
			w.Header().Set(headers[i], headers[i+1])
		}
		w.WriteHeader(status)
		fmt.Fprint(w, body)
	})
}
