package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"rollcall/internal/config"
	"rollcall/upstream/emulator"
)

// started is a running service.
type started struct {
	url  string
	stop func() error
}

func start(t *testing.T, c config.Config) started {
	t.Helper()
	return startOn(t, "127.0.0.1:0", c)
}

// startOn starts a service on an address, which replaces the one in c.
func startOn(t *testing.T, addr string, c config.Config) started {
	t.Helper()
	c.MaxBody = 128 << 10
	c.Limits = config.Limits{Tokens: 1000, Depth: 12, Aliases: 30, RootFields: 20, Fields: 1000, Directives: 20, Cost: 5000, Calls: 120, Answer: 8 << 20, Answers: 32 << 20}
	listener, err := net.Listen("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- serve(ctx, c, listener, nil, slog.New(slog.DiscardHandler)) }()
	stop := func() error {
		cancel()
		err := <-done
		done <- err
		return err
	}
	t.Cleanup(func() { _ = stop() })
	return started{"http://" + listener.Addr().String(), stop}
}

func post(t *testing.T, url, query string, header http.Header) (int, string) {
	t.Helper()
	body, _ := json.Marshal(map[string]string{"query": query})
	r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, url+"/graphql", strings.NewReader(string(body)))
	if err != nil {
		t.Fatal(err)
	}
	r.Header = header.Clone()
	if r.Header == nil {
		r.Header = http.Header{}
	}
	r.Header.Set("Content-Type", "application/json")
	response, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	text, err := io.ReadAll(response.Body)
	if err != nil {
		t.Fatal(err)
	}
	return response.StatusCode, string(text)
}

func TestDemo(t *testing.T) {
	began := time.Now()
	s := start(t, config.Config{Demo: true, Introspection: true, Playground: true, UpstreamTimeout: 10 * time.Second})
	status, body := post(t, s.url, `{ users(first: 2) { nodes { userId } pageInfo { hasNextPage } } }`, nil)
	if status != 200 || !strings.Contains(body, `"hasNextPage":true`) {
		t.Errorf("%d %s", status, body)
	}
	if took := time.Since(began); took > 5*time.Second {
		t.Errorf("the first response took %v", took)
	}
	response, err := http.Get(s.url + "/")
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	if page, _ := io.ReadAll(response.Body); response.StatusCode != http.StatusOK || !strings.Contains(string(page), "/graphql") {
		t.Errorf("%d %s", response.StatusCode, page)
	}
}

func TestPlaygroundOff(t *testing.T) {
	s := start(t, config.Config{Demo: true, UpstreamTimeout: time.Second})
	response, err := http.Get(s.url + "/")
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	if response.StatusCode != http.StatusNotFound {
		t.Errorf("got %d", response.StatusCode)
	}
}

// TestPrivateResponses requests URLs with a GraphQL request, of which some have a
// wrong path.
func TestPrivateResponses(t *testing.T) {
	s := start(t, config.Config{Demo: true, Playground: true, HTTPGet: true, UpstreamTimeout: time.Second})
	client := &http.Client{CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	for path, status := range map[string]int{
		"/graphql": 200, "//graphql": 307, "/x/../graphql": 307, "/graphql/": 404, "/api/graphql": 404, "/": 200, "/livez": 200,
	} {
		response, err := client.Get(s.url + path + "?query=%7B__typename%7D")
		if err != nil {
			t.Fatal(err)
		}
		_ = response.Body.Close()
		h := response.Header
		if response.StatusCode != status || !strings.Contains(h.Get("Cache-Control"), "no-store") ||
			h.Get("Referrer-Policy") != "no-referrer" || h.Get("X-Content-Type-Options") != "nosniff" {
			t.Errorf("%s: %d, want %d, with %v", path, response.StatusCode, status, h)
		}
	}
}

// realUpstream starts a server in place of the vendor's.
func realUpstream(t *testing.T, answer http.HandlerFunc) *url.URL {
	t.Helper()
	server := httptest.NewServer(answer)
	t.Cleanup(server.Close)
	base, err := url.Parse(server.URL)
	if err != nil {
		t.Fatal(err)
	}
	return base
}

func TestUpstreamKey(t *testing.T) {
	var key atomic.Value
	base := realUpstream(t, func(w http.ResponseWriter, r *http.Request) {
		key.Store(r.Header.Get("xi-api-key"))
		_, _ = io.WriteString(w, `{"users":[],"has_more":false}`)
	})
	for name, c := range map[string]struct {
		auth   config.Auth
		header http.Header
		status int
		key    string
	}{
		"the service's": {config.AuthNone, nil, 200, "service"},
		"the service's, although a caller sends one": {config.AuthNone, http.Header{"Xi-Api-Key": {"mine"}}, 200, "service"},
		"the caller's": {config.AuthPassthrough, http.Header{"Xi-Api-Key": {"mine"}}, 200, "mine"},
		"none":         {config.AuthPassthrough, nil, 401, ""},
	} {
		t.Run(name, func(t *testing.T) {
			key.Store("")
			s := start(t, config.Config{Upstream: base, APIKey: "service", Auth: c.auth, UpstreamTimeout: time.Second})
			status, body := post(t, s.url, `{ users { nodes { userId } } }`, c.header)
			if status != c.status || key.Load() != c.key {
				t.Errorf("status %d, key %v: %s", status, key.Load(), body)
			}
			if status == 401 && !strings.Contains(body, `"UNAUTHENTICATED"`) {
				t.Errorf("got %s", body)
			}
		})
	}
}

// TestHost sends requests of pages whose own host resolves to the service.
func TestHost(t *testing.T) {
	base := realUpstream(t, func(w http.ResponseWriter, _ *http.Request) {
		_, _ = io.WriteString(w, `{"users":[],"has_more":false}`)
	})
	const loopback = "127.0.0.1:0"
	for name, c := range map[string]struct {
		config config.Config
		host   string
		status int
	}{
		"its address, with no credentials":                         {config.Config{Auth: config.AuthNone, ListenAddr: loopback}, "127.0.0.1:8080", 200},
		"another name, with no credentials":                        {config.Config{Auth: config.AuthNone, ListenAddr: loopback}, "evil.test:8080", 403},
		"another name, of the demo":                                {config.Config{Demo: true, ListenAddr: loopback}, "evil.test:8080", 403},
		"an allowed site's own name, with no credentials":          {config.Config{Auth: config.AuthNone, ListenAddr: loopback, CORSOrigins: []string{"http://app.test"}}, "app.test", 200},
		"another name, with the caller's key":                      {config.Config{Auth: config.AuthPassthrough, ListenAddr: loopback}, "api.test", 200},
		"another name, with no credentials but on all addresses":   {config.Config{Auth: config.AuthNone, ListenAddr: ":8080"}, "api.test", 200},
		"another name, with no credentials and a name of loopback": {config.Config{Auth: config.AuthNone, ListenAddr: "service.test:8080"}, "evil.test:8080", 403},
	} {
		t.Run(name, func(t *testing.T) {
			c.config.UpstreamTimeout = time.Second
			if !c.config.Demo {
				c.config.Upstream, c.config.APIKey = base, "service"
			}
			bound := loopback
			if c.config.ListenAddr == ":8080" {
				bound = "0.0.0.0:0"
			}
			s := startOn(t, bound, c.config)
			r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, s.url+"/graphql", strings.NewReader(`{"query":"{ users { nodes { userId } } }"}`))
			if err != nil {
				t.Fatal(err)
			}
			r.Host = c.host
			r.Header = http.Header{"Content-Type": {"application/json"}, "Xi-Api-Key": {"mine"}, "Origin": {"http://" + c.host}, "Sec-Fetch-Site": {"same-origin"}}
			response, err := http.DefaultClient.Do(r)
			if err != nil {
				t.Fatal(err)
			}
			defer response.Body.Close()
			body, _ := io.ReadAll(response.Body)
			if response.StatusCode != c.status || (c.status == http.StatusForbidden) != strings.Contains(string(body), `"code":"FORBIDDEN"`) {
				t.Errorf("%d %s", response.StatusCode, body)
			}
		})
	}
}

func TestReadinessNeedsIssuerKeys(t *testing.T) {
	var up atomic.Bool
	issuer := realUpstream(t, func(w http.ResponseWriter, _ *http.Request) {
		if !up.Load() {
			w.WriteHeader(http.StatusInternalServerError)
			return
		}
		_, _ = io.WriteString(w, `{"keys":[{"kty":"OKP","kid":"a","crv":"Ed25519","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}]}`)
	})
	admin, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	public, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(t.Context())
	done := make(chan error, 1)
	c := inFrontOf(issuer)
	c.Auth, c.JWT = config.AuthJWT, config.JWT{JWKSURL: issuer.String(), Issuer: "i", Audience: "a"}
	go func() { done <- serve(ctx, c, public, admin, slog.New(slog.DiscardHandler)) }()
	ready := func() int {
		response, err := http.Get("http://" + admin.Addr().String() + "/readyz")
		if err != nil {
			t.Fatal(err)
		}
		defer response.Body.Close()
		return response.StatusCode
	}
	if status := ready(); status != http.StatusServiceUnavailable {
		t.Errorf("without keys /readyz is %d", status)
	}
	response, err := http.Post("http://"+public.Addr().String()+"/graphql", "application/json", strings.NewReader(`{"query":"{ __typename }"}`))
	if err != nil {
		t.Fatal(err)
	}
	_ = response.Body.Close()
	if response.StatusCode != http.StatusUnauthorized || response.Header.Get("WWW-Authenticate") != "Bearer" {
		t.Errorf("got %d, %v", response.StatusCode, response.Header)
	}
	up.Store(true)
	for range 300 {
		if ready() == http.StatusOK {
			break
		}
		time.Sleep(10 * time.Millisecond) //nolint:forbidigo // real sockets
	}
	if status := ready(); status != http.StatusOK {
		t.Errorf("with keys /readyz is %d", status)
	}
	stop()
	if err := <-done; err != nil {
		t.Error(err)
	}
}

func TestCursorsOfReplicasWithoutKey(t *testing.T) {
	users := emulator.New(emulator.Options{Users: 20})
	keyed := func(w http.ResponseWriter, r *http.Request) { // a proxy that adds a key
		r.Header.Set("xi-api-key", "k")
		users.ServeHTTP(w, r)
	}
	base, other := realUpstream(t, keyed), realUpstream(t, keyed)
	replica := func(upstream *url.URL) started {
		return start(t, config.Config{Upstream: upstream, Auth: config.AuthNone, UpstreamTimeout: time.Second})
	}
	_, body := post(t, replica(base).url, `{ users(first: 2) { pageInfo { endCursor } } }`, nil)
	cursor := regexp.MustCompile(`"endCursor":"([^"]+)"`).FindStringSubmatch(body)
	if cursor == nil {
		t.Fatal(body)
	}
	next := fmt.Sprintf(`{ users(first: 2, after: %q) { nodes { userId } } }`, cursor[1])
	if _, body := post(t, replica(base).url, next, nil); !strings.Contains(body, `"userId"`) {
		t.Errorf("another replica: %s", body)
	}
	if _, body := post(t, replica(other).url, next, nil); !strings.Contains(body, `"BAD_USER_INPUT"`) {
		t.Errorf("in front of another upstream: %s", body)
	}
}

// TestKeyRotation continues a walk after a restart with another key.
func TestKeyRotation(t *testing.T) {
	users := emulator.New(emulator.Options{Users: 20})
	base := realUpstream(t, func(w http.ResponseWriter, r *http.Request) {
		r.Header.Set("xi-api-key", "k") // the emulator's own cursors belong to one key; both keys are of one workspace
		users.ServeHTTP(w, r)
	})
	service := func(key, previous string) started {
		return start(t, config.Config{Upstream: base, APIKey: key, PreviousAPIKey: previous, Auth: config.AuthNone, UpstreamTimeout: time.Second})
	}
	_, body := post(t, service("old", "").url, `{ users(first: 2) { pageInfo { endCursor } } }`, nil)
	cursor := regexp.MustCompile(`"endCursor":"([^"]+)"`).FindStringSubmatch(body)
	if cursor == nil {
		t.Fatal(body)
	}
	next := fmt.Sprintf(`{ users(first: 2, after: %q) { nodes { userId } } }`, cursor[1])
	if _, body := post(t, service("new", "old").url, next, nil); !strings.Contains(body, `"userId"`) {
		t.Errorf("with the previous key: %s", body)
	}
	if _, body := post(t, service("new", "").url, next, nil); !strings.Contains(body, `"BAD_USER_INPUT"`) {
		t.Errorf("without it: %s", body)
	}
}

func TestStopWaitsForRequests(t *testing.T) {
	arrived, release := make(chan struct{}), make(chan struct{})
	base := realUpstream(t, func(w http.ResponseWriter, _ *http.Request) {
		close(arrived)
		<-release
		_, _ = io.WriteString(w, `{"users":[],"has_more":false}`)
	})
	s := start(t, config.Config{Upstream: base, APIKey: "k", Auth: config.AuthNone, UpstreamTimeout: 10 * time.Second})
	answered := make(chan string, 1)
	go func() {
		_, body := post(t, s.url, `{ users { nodes { userId } } }`, nil)
		answered <- body
	}()
	<-arrived
	stopped := make(chan error, 1)
	go func() { stopped <- s.stop() }()
	select {
	case err := <-stopped:
		t.Fatalf("stopped before the response: %v", err)
	case <-time.After(100 * time.Millisecond):
	}
	close(release)
	if body := <-answered; body != `{"data":{"users":{"nodes":[]}}}` {
		t.Errorf("got %s", body)
	}
	if err := <-stopped; err != nil {
		t.Error(err)
	}
	if _, err := net.Dial("tcp", strings.TrimPrefix(s.url, "http://")); err == nil {
		t.Error("it still listens")
	}
}

func TestRun(t *testing.T) {
	for name, c := range map[string]struct {
		args    []string
		env     map[string]string
		code    int
		printed []string // parts, on standard output if the code is 0, otherwise on standard error
	}{
		"help":                                 {[]string{"-help"}, nil, 0, []string{"Usage: rollcall", "LISTEN_ADDR", "ELEVENLABS_API_KEY", "AUTH"}},
		"a short help":                         {[]string{"-h"}, nil, 0, []string{"Usage: rollcall"}},
		"help, with an invalid setting":        {[]string{"--help"}, map[string]string{"LISTEN_ADDR": "x"}, 0, []string{"Usage: rollcall"}},
		"the version":                          {[]string{"-version"}, nil, 0, []string{"rollcall "}},
		"an unknown flag":                      {[]string{"-x"}, nil, 2, []string{"-x", "see -help"}},
		"an argument":                          {[]string{"serve"}, nil, 2, []string{"takes no arguments"}},
		"a real upstream without AUTH":         {nil, map[string]string{"ELEVENLABS_API_KEY": "canary"}, 2, []string{"AUTH: is required"}},
		"a misspelt key":                       {nil, map[string]string{"ELEVENLABS_KEY": "canary"}, 2, []string{"ELEVENLABS_KEY: is not a setting; did you mean ELEVENLABS_API_KEY? The demo does not start"}},
		"a misspelt key, with AUTH":            {nil, map[string]string{"XI_API_KEY": "canary", "AUTH": "none"}, 2, []string{"ELEVENLABS_API_KEY: is required", "\nXI_API_KEY is not a setting; did you mean ELEVENLABS_API_KEY?"}},
		"a key instead of its file":            {nil, map[string]string{"ELEVENLABS_API_KEY_FILE": "canary", "AUTH": "none"}, 2, []string{"ELEVENLABS_API_KEY_FILE: the file cannot be read: no such file"}},
		"a header with a secret":               {nil, map[string]string{"OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:1", "OTEL_EXPORTER_OTLP_HEADERS": "canary"}, 2, []string{"OTEL_EXPORTER_OTLP_HEADERS: is not a list"}},
		"two faults":                           {nil, map[string]string{"LISTEN_ADDR": "x", "LOG_LEVEL": "y"}, 2, []string{"\nLISTEN_ADDR: ", "\nLOG_LEVEL: "}},
		"an address that cannot be used":       {nil, map[string]string{"LISTEN_ADDR": "256.0.0.1:1"}, 1, []string{"cannot listen", "LISTEN_ADDR: "}},
		"an admin address that cannot be used": {nil, map[string]string{"LISTEN_ADDR": "127.0.0.1:0", "ADMIN_ADDR": "256.0.0.1:1"}, 1, []string{"cannot listen", "ADMIN_ADDR: "}},
		"a health check without a service":     {[]string{"-healthcheck"}, map[string]string{"LISTEN_ADDR": "127.0.0.1:1"}, 1, []string{"rollcall: not healthy: http://127.0.0.1:1/livez: ", "connection refused"}},
	} {
		t.Run(name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "stderr")
			stderr, err := os.Create(path)
			if err != nil {
				t.Fatal(err)
			}
			defer stderr.Close()
			var stdout strings.Builder
			if code := run(t.Context(), c.args, c.env, &stdout, stderr); code != c.code {
				t.Errorf("the exit code is %d, want %d", code, c.code)
			}
			onStderr, _ := os.ReadFile(path)
			printed, other := stdout.String(), string(onStderr)
			if c.code != 0 {
				printed, other = other, printed
			}
			for _, want := range c.printed {
				if !strings.Contains(printed, want) {
					t.Errorf("%q is missing in:\n%s", want, printed)
				}
			}
			if other != "" {
				t.Errorf("the other stream has:\n%s", other)
			}
			if strings.Contains(printed, "canary") {
				t.Errorf("a secret is printed:\n%s", printed)
			}
		})
	}
}
