package main

import (
	"bufio"
	"bytes"
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
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/sdk/trace/tracetest"
	"go.uber.org/goleak"

	"rollcall/internal/auth"
	"rollcall/internal/config"
	"rollcall/internal/telemetry"
	"rollcall/upstream/emulator"
)

// inFrontOf returns the configuration of a service whose upstream is a test's
// server.
func inFrontOf(base *url.URL) config.Config {
	return config.Config{
		Upstream: base, APIKey: "canary-key", Auth: config.AuthNone, UpstreamTimeout: 2 * time.Second, UpstreamConcurrency: 8,
		MaxBody: 128 << 10,
		Limits:  config.Limits{Tokens: 1000, Depth: 12, Aliases: 30, RootFields: 20, Fields: 1000, Directives: 20, Cost: 5000, Calls: 120, Answer: 8 << 20, Answers: 32 << 20},
	}
}

// TestSecrets causes each kind of failure in requests with secrets, and searches
// the service's responses, log, metrics and spans for them.
func TestSecrets(t *testing.T) {
	answers := []http.HandlerFunc{
		func(w http.ResponseWriter, r *http.Request) {
			w.WriteHeader(http.StatusUnauthorized)
			fmt.Fprintf(w, `{"detail":{"message":"canary-key %s"}}`, r.Header.Get("xi-api-key"))
		},
		func(w http.ResponseWriter, r *http.Request) {
			w.WriteHeader(http.StatusInternalServerError)
			fmt.Fprintf(w, "canary-key %s", r.URL)
		},
		func(w http.ResponseWriter, r *http.Request) { fmt.Fprintf(w, "<html>canary-key %s", r.URL) },
		func(w http.ResponseWriter, r *http.Request) {
			fmt.Fprintf(w, `{"users":[{"user_id":"canary-user","canary-key":%q}],"has_more":true}`, r.URL)
		},
		func(w http.ResponseWriter, _ *http.Request) {
			conn, _, _ := w.(http.Hijacker).Hijack()
			_ = conn.Close()
		},
		func(w http.ResponseWriter, _ *http.Request) {
			http.Redirect(w, &http.Request{Method: http.MethodGet, URL: &url.URL{}}, "http://127.0.0.1:1/?key=canary-key&user=canary-user", http.StatusFound)
		},
		func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() },
		func(w http.ResponseWriter, r *http.Request) { // a head that is not HTTP
			conn, _, _ := w.(http.Hijacker).Hijack()
			_, _ = fmt.Fprintf(conn, "HTTP/1.1 canary-key %s\r\ncanary-user\r\n\r\n", r.URL)
			_ = conn.Close()
		},
		func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Content-Encoding", "gzip")
			fmt.Fprintf(w, "canary-key canary-user %s", r.URL)
		},
		func(w http.ResponseWriter, r *http.Request) {
			w.WriteHeader(http.StatusNotFound)
			fmt.Fprintf(w, `{"detail":"Not Found","canary-user":"canary-key %s"}`, r.URL)
		},
		func(w http.ResponseWriter, r *http.Request) {
			w.WriteHeader(http.StatusUnauthorized)
			fmt.Fprintf(w, `{"detail":{"status":"missing_permissions","message":"canary-key canary-user %s"}}`, r.URL)
		},
		func(w http.ResponseWriter, r *http.Request) { // an invalid user, whose ID and next_cursor are secrets
			fmt.Fprintf(w, `{"users":[{"user_id":"canary-user","conversation_count":"canary-user"}],"next_cursor":"canary-cursor %s"}`, r.URL)
		},
	}
	for i, answer := range answers {
		t.Run(strconv.Itoa(i), func(t *testing.T) {
			t.Parallel()
			var log syncBuffer
			tel, err := telemetry.Start(t.Context(), telemetry.Options{Scrape: true, Log: slog.New(slog.NewJSONHandler(&log, nil))})
			if err != nil {
				t.Fatal(err)
			}
			spans := tracetest.NewSpanRecorder()
			tel.TracerProvider = sdktrace.NewTracerProvider(sdktrace.WithSpanProcessor(spans))
			c := inFrontOf(realUpstream(t, answer))
			calls := newQuota(c, nil)
			logger := slog.New(slog.NewJSONHandler(&log, &slog.HandlerOptions{Level: slog.LevelDebug}))
			client := newClient(c, nil, calls, tel, logger)
			executor := newExecutor(c, client, nil, "secret", logger)
			defer executor.Close()
			handler := newHandler(c, executor, "secret", calls, auth.None("canary-key"), func() bool { return true }, nil, tel, logger)
			server := newServer(handler, inFrontOf(nil), slog.New(slog.NewJSONHandler(&log, nil)))
			listener, err := net.Listen("tcp", "127.0.0.1:0")
			if err != nil {
				t.Fatal(err)
			}
			go func() { _ = server.Serve(listener) }()
			defer server.Close()
			for _, query := range []string{
				`query Q($id: ID! = "canary-user") { user(userId: $id) { userId } }`, `{ user(userId: "canary-user") { userId } }`, `{ users(filter: {userId: "canary-user"}) { nodes { userId } } }`,
				`{ users(after: "canary-cursor") { nodes { userId } } }`, `{ node(id: "VXNlcjpjYW5hcnktdXNlcg") { id } }`, `{ canary-user(`,
			} {
				status, body := post(t, "http://"+listener.Addr().String(), query, http.Header{"Xi-Api-Key": {"canary-key"}, "Authorization": {"Bearer canary-key"}})
				if strings.Contains(body, "canary-key") || strings.Contains(body, "canary-cursor") || strings.Contains(body, "canary-user") && !strings.Contains(query, "canary-user(") {
					t.Errorf("%s: %d %s", query, status, body)
				}
			}
			if strings.Contains(log.String(), "canary") || !strings.Contains(log.String(), `"document"`) || !strings.Contains(log.String(), `"level":"WARN"`) {
				t.Errorf("logged %s", log.String())
			}
			for _, s := range spans.Ended() {
				if span := fmt.Sprint(s.Name(), s.Attributes(), s.Status(), s.Events(), s.Links()); strings.Contains(span, "canary") {
					t.Errorf("the span is %s", span)
				}
			}
			page := httptest.NewRecorder()
			tel.Page.ServeHTTP(page, httptest.NewRequest(http.MethodGet, "/metrics", nil))
			if strings.Contains(page.Body.String(), "canary") || !strings.Contains(page.Body.String(), "http_client_request_duration_seconds_count") || len(spans.Ended()) == 0 {
				t.Errorf("%d spans, the metrics are %s", len(spans.Ended()), page.Body)
			}
		})
	}
}

func TestDisconnectCancelsUpstreamCall(t *testing.T) {
	arrived, ended := make(chan struct{}), make(chan time.Time, 1)
	base := realUpstream(t, func(_ http.ResponseWriter, r *http.Request) {
		close(arrived)
		<-r.Context().Done()
		ended <- time.Now()
	})
	s := start(t, inFrontOf(base))
	ctx, leave := context.WithCancel(t.Context())
	go func() {
		r, _ := http.NewRequestWithContext(ctx, http.MethodPost, s.url+"/graphql", strings.NewReader(`{"query":"{ users { nodes { userId } } }"}`))
		r.Header.Set("Content-Type", "application/json")
		if response, err := http.DefaultClient.Do(r); err == nil {
			_ = response.Body.Close()
			t.Error("there was a response")
		}
	}()
	<-arrived
	left := time.Now()
	leave()
	select {
	case at := <-ended:
		if took := at.Sub(left); took > 100*time.Millisecond {
			t.Errorf("the call was cancelled after %v", took)
		}
	case <-time.After(time.Second):
		t.Error("the call was not cancelled")
	}
}

// TestReadTimeouts sends the beginning of a request and waits.
func TestReadTimeouts(t *testing.T) {
	t.Parallel()
	s := start(t, config.Config{Demo: true, UpstreamTimeout: time.Second})
	for name, c := range map[string]struct {
		sent   string
		within time.Duration
	}{
		"in the headers": {"POST /graphql HTTP/1.1\r\nHost: x\r\n", 7 * time.Second},
		"in the body":    {"POST /graphql HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: 100\r\n\r\n{", 17 * time.Second},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			conn, err := net.Dial("tcp", strings.TrimPrefix(s.url, "http://"))
			if err != nil {
				t.Fatal(err)
			}
			defer conn.Close()
			if _, err := io.WriteString(conn, c.sent); err != nil {
				t.Fatal(err)
			}
			began := time.Now()
			_ = conn.SetDeadline(began.Add(c.within))
			answer, err := io.ReadAll(conn)
			if err != nil {
				t.Errorf("still connected after %v: %q %v", time.Since(began), answer, err)
			}
		})
	}
}

func TestHeaderLimit(t *testing.T) {
	s := start(t, config.Config{Demo: true, UpstreamTimeout: time.Second})
	const body = `{"query":"{ __typename }"}`
	for size, want := range map[int]int{30 << 10: http.StatusOK, 32 << 10: http.StatusOK, 32<<10 + 1: http.StatusRequestHeaderFieldsTooLarge, 1 << 20: http.StatusRequestHeaderFieldsTooLarge} {
		head := fmt.Sprintf("POST /graphql HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Type: application/json\r\nContent-Length: %d\r\nX-Padding: \r\n\r\n", len(body))
		head = strings.Replace(head, "X-Padding: ", "X-Padding: "+strings.Repeat("x", size-len(head)), 1)
		if answer := raw(t, s.url, head+body); !strings.HasPrefix(answer, fmt.Sprintf("HTTP/1.1 %d ", want)) {
			t.Errorf("%d bytes of headers: %.100s", size, answer)
		}
	}
}

func TestBodyLimit(t *testing.T) {
	s := start(t, config.Config{Demo: true, UpstreamTimeout: time.Second})
	for _, size := range []int{128<<10 + 1, 1 << 30} {
		for _, expect := range []string{"", "Expect: 100-continue\r\n"} {
			conn, err := net.Dial("tcp", strings.TrimPrefix(s.url, "http://"))
			if err != nil {
				t.Fatal(err)
			}
			defer conn.Close()
			_ = conn.SetDeadline(time.Now().Add(2 * time.Second))
			fmt.Fprintf(conn, "POST /graphql HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: %d\r\n%s\r\n", size, expect)
			response, err := http.ReadResponse(bufio.NewReader(conn), nil) // also reads a response 100
			if err != nil || response.StatusCode != http.StatusRequestEntityTooLarge || !response.Close {
				t.Errorf("%d bytes, %q: %+v, %v", size, expect, response, err)
			}
		}
	}
}

// raw sends bytes to the service, and returns all that it sends before it closes
// the connection.
func raw(t *testing.T, url, sent string) string {
	t.Helper()
	conn, err := net.Dial("tcp", strings.TrimPrefix(url, "http://"))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	_ = conn.SetDeadline(time.Now().Add(3 * time.Second))
	_, _ = io.WriteString(conn, sent) // the service may close the connection before it has read everything
	answer, err := io.ReadAll(conn)
	if err != nil && len(answer) == 0 {
		t.Error(err)
	}
	return string(answer)
}

// syncBuffer is a buffer that is safe for concurrent use.
type syncBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (b *syncBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.Write(p)
}

func (b *syncBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.String()
}

// TestMemory runs the built service under bursts of requests and reads its memory.
func TestMemory(t *testing.T) {
	t.Parallel()
	base := realUpstream(t, emulator.New(emulator.Options{Users: 20_000, Latency: 20 * time.Millisecond}).ServeHTTP)
	address, process := startBinary(t, buildBinary(t), "UPSTREAM_URL="+base.String(), "ELEVENLABS_API_KEY=k", "AUTH=none", "UPSTREAM_CONCURRENCY=15", "UPSTREAM_TIMEOUT=1m")

	status, _ := post(t, address, `{ users(first: 1) { nodes { userId } } }`, nil)
	baseline := rss(t, process.Pid)
	var wg sync.WaitGroup
	var next atomic.Int32
	burst := func() {
		for range 100 { // at once, each for a list of its own
			wg.Go(func() {
				query := fmt.Sprintf(`{ users(first: 100, filter: {callStartedAfter: "2026-01-%02dT00:%02d:00Z"}) { edges { cursor node { id userId sentiment { overall { scoredConversationCount } } } } } }`, 1+next.Add(1)%28, next.Load()%60)
				if status, body := post(t, address, query, nil); status != http.StatusOK || strings.Contains(body, `"errors"`) {
					t.Errorf("%d %.200s", status, body)
				}
			})
		}
		wg.Wait()
		for range 10 {
			for range 100 { // refused requests
				wg.Go(func() { _, _ = post(t, address, "{"+strings.Repeat(" canary", 900)+"}", nil) })
			}
			wg.Wait()
		}
	}
	burst()
	first := peakRSS(t, process.Pid)
	for range 3 { // memory that one burst leaves is reused or returned
		burst()
	}
	peak, after := peakRSS(t, process.Pid), rss(t, process.Pid)
	t.Logf("RSS: %d MiB before, %d at most in the first burst, %d in all, %d after", baseline>>10, first>>10, peak>>10, after>>10)
	if status != http.StatusOK || peak > 128<<10 || peak > first+24<<10 {
		t.Errorf("status %d, RSS of %d KiB at most in the first burst, %d in all, %d after", status, first, peak, after)
	}
}

// TestMemoryOfCachedPages fills the cache of pages twice over, within the memory of
// deploy/kubernetes.
func TestMemoryOfCachedPages(t *testing.T) {
	const limit = 200 // MiB
	base := realUpstream(t, emulator.New(emulator.Options{Users: 20_000}).ServeHTTP)
	address, process := startBinary(t, buildBinary(t), "UPSTREAM_URL="+base.String(), "ELEVENLABS_API_KEY=k", "AUTH=none", "UPSTREAM_CONCURRENCY=15",
		"CACHE_TTL=10m", "UPSTREAM_TIMEOUT=1m", fmt.Sprintf("GOMEMLIMIT=%dMiB", limit))
	before := rss(t, process.Pid)
	for round := range 32 {
		var wg sync.WaitGroup
		for list := range 20 {
			wg.Go(func() { // five pages of a list of its own
				query := fmt.Sprintf(`{ users(first: 500, filter: {callStartedAfter: "2026-01-01T00:%02d:%02dZ"}) { nodes { id } } }`, round, list)
				if status, body := post(t, address, query, nil); status != http.StatusOK || strings.Contains(body, `"errors"`) {
					t.Errorf("%d %.200s", status, body)
				}
			})
		}
		wg.Wait()
	}
	peak := peakRSS(t, process.Pid)
	t.Logf("RSS: %d MiB before, %d at most while 3,200 pages were cached", before>>10, peak>>10)
	if peak > limit<<10 {
		t.Errorf("RSS of %d KiB at most", peak)
	}
}

// TestMemoryOfLargeResponses runs the built service within the memory of
// deploy/kubernetes. Some clients request the largest responses and read nothing,
// while others are served.
func TestMemoryOfLargeResponses(t *testing.T) {
	base, binary := realUpstream(t, emulator.New(emulator.Options{Users: 500}).ServeHTTP), buildBinary(t)
	const user = `id userId conversationCount firstContactAt lastContactAt lastContactAgentName lastContactAgent { agentId } lastContactConversation { conversationId }
		sentiment { overall { ...s } recent { ...s } } mostFrustratedConversations { conversation { conversationId } agent { id agentId } label startedAt sentimentScore frustrationScore }`
	list := func(aliases int) string {
		var b strings.Builder
		for i := range aliases {
			fmt.Fprintf(&b, ` a%d: users(first: 500) { edges { cursor node { ...u } } nodes { ...u } }`, i)
		}
		return "{" + b.String() + " } fragment u on User { " + user + " } fragment s on SentimentSummary { scoredConversationCount positiveCount neutralCount negativeCount averageSentimentScore averageFrustrationScore }"
	}
	for name, c := range map[string]struct{ aliases, least int }{
		"responses beyond the limit":     {10, 0},
		"responses just below the limit": {6, 5 << 20},
	} {
		t.Run(name, func(t *testing.T) {
			address, process := startBinary(t, binary, "UPSTREAM_URL="+base.String(), "ELEVENLABS_API_KEY=k", "AUTH=none", "UPSTREAM_TIMEOUT=3s", "GOMEMLIMIT=200MiB")
			before := rss(t, process.Pid)
			size := 0
			status, body := post(t, address, list(c.aliases), nil)
			if size = len(body); status != http.StatusOK || size < c.least || c.least == 0 && !strings.Contains(body, "OPERATION_TOO_COMPLEX") {
				t.Fatalf("%d, %d bytes: %.300s", status, size, body)
			}
			for i := range 30 { // each is a different request, on a connection that is not read
				conn, err := net.Dial("tcp", strings.TrimPrefix(address, "http://"))
				if err != nil {
					t.Fatal(err)
				}
				defer conn.Close()
				_ = conn.(*net.TCPConn).SetReadBuffer(64 << 10)
				body, _ := json.Marshal(map[string]string{"query": fmt.Sprintf("query Q%d %s", i, list(c.aliases))})
				fmt.Fprintf(conn, "POST /graphql HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%s", len(body), body)
			}
			for until := time.Now().Add(5 * time.Second); time.Now().Before(until); {
				if status, body := post(t, address, `{ users(first: 30) { nodes { userId } } }`, nil); status != http.StatusOK || strings.Contains(body, `"errors"`) {
					t.Fatalf("a small request: %d %.300s", status, body)
				}
				time.Sleep(20 * time.Millisecond) //nolint:forbidigo // of a process
			}
			peak := peakRSS(t, process.Pid)
			t.Logf("responses of %d KiB; RSS: %d MiB before, %d at most", size>>10, before>>10, peak>>10)
			if peak > 192<<10 { // the container has 256 MiB, which includes the kernel's buffers
				t.Errorf("RSS of %d KiB at most", peak)
			}
		})
	}
}

// buildBinary builds the service.
func buildBinary(t *testing.T) (path string) {
	t.Helper()
	path = filepath.Join(t.TempDir(), "rollcall")
	if out, err := exec.Command("go", "build", "-o", path, ".").CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	return path
}

// startBinary runs a built service until the test ends.
func startBinary(t *testing.T, binary string, env ...string) (address string, process *os.Process) {
	t.Helper()
	service := exec.Command(binary)
	service.Env = append([]string{"LISTEN_ADDR=127.0.0.1:0", "ADMIN_ADDR=off"}, env...)
	output, err := service.StderrPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := service.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = service.Process.Kill()
		_ = service.Wait()
	})
	lines := bufio.NewScanner(output)
	for address == "" && lines.Scan() {
		address = regexp.MustCompile(`http://[0-9.:]+/graphql`).FindString(lines.Text())
	}
	if address = strings.TrimSuffix(address, "/graphql"); address == "" {
		t.Fatal("the service has ended")
	}
	go func() { _, _ = io.Copy(io.Discard, output) }() // returns when the service ends
	return address, service.Process
}

// rss and peakRSS return KiB.
func rss(t *testing.T, pid int) int     { return memory(t, pid, "VmRSS") }
func peakRSS(t *testing.T, pid int) int { return memory(t, pid, "VmHWM") }

func memory(t *testing.T, pid int, field string) int {
	t.Helper()
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		t.Skip("memory is read from /proc:", err)
	}
	match := regexp.MustCompile(field + `:\s+(\d+) kB`).FindSubmatch(status)
	kib, err := strconv.Atoi(string(match[1]))
	if err != nil {
		t.Fatal(err)
	}
	return kib
}

// TestMain fails if a goroutine outlives the tests.
func TestMain(m *testing.M) {
	code := m.Run()
	http.DefaultClient.CloseIdleConnections()
	if err := goleak.Find(); err != nil && code == 0 {
		fmt.Fprintln(os.Stderr, err)
		code = 1
	}
	os.Exit(code)
}
