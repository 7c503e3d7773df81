package main

import (
	"context"
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"rollcall/upstream/shared/redistest"
)

// countingUpstream counts the calls in flight. Each takes 40 ms.
type countingUpstream struct {
	mu       sync.Mutex
	inFlight int
	highest  int // since the last reset
	served   int
	status   int // of the next response, unless it is 0
}

func (u *countingUpstream) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	u.mu.Lock()
	u.inFlight++
	u.highest = max(u.highest, u.inFlight)
	status := u.status
	u.status = 0
	u.mu.Unlock()
	select {
	case <-time.After(40 * time.Millisecond):
	case <-r.Context().Done():
	}
	u.mu.Lock()
	u.inFlight--
	u.served++
	u.mu.Unlock()
	if status != 0 {
		w.Header().Set("Retry-After", "2")
		w.WriteHeader(status)
		return
	}
	fmt.Fprint(w, `{"users":[],"has_more":false,"next_cursor":null}`)
}

func (u *countingUpstream) reset() (highest, served int) {
	u.mu.Lock()
	defer u.mu.Unlock()
	highest, served = u.highest, u.served
	u.highest, u.served = u.inFlight, 0
	return highest, served
}

// process is a replica of the built service.
type process struct {
	url    string
	cmd    *exec.Cmd
	killed atomic.Bool
}

// kill is kill -9.
func (p *process) kill() {
	p.killed.Store(true)
	_ = p.cmd.Process.Kill()
	_ = p.cmd.Wait()
}

// buildService returns the service's program.
func buildService(t *testing.T) string {
	t.Helper()
	program := filepath.Join(t.TempDir(), "rollcall")
	if out, err := exec.Command("go", "build", "-o", program, ".").CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	return program
}

func startProcess(t *testing.T, program string, env ...string) *process {
	t.Helper()
	return startProcessWith(t, program, io.Discard, env...)
}

// startProcessWith starts a process whose log is written to log.
func startProcessWith(t *testing.T, program string, log io.Writer, env ...string) *process {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	_ = listener.Close()
	addr := listener.Addr().String()
	p := &process{url: "http://" + addr, cmd: exec.Command(program)}
	p.cmd.Stderr = log
	p.cmd.Env = append([]string{"LISTEN_ADDR=" + addr, "ADMIN_ADDR=off", "AUTH=none", "ELEVENLABS_API_KEY=canary-key", "SHUTDOWN_DELAY=0s"}, env...)
	if err := p.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(p.kill)
	await(t, 10*time.Second, "the service is ready", func() bool {
		resp, err := http.Get(p.url + "/readyz")
		if err != nil {
			return false
		}
		resp.Body.Close()
		return resp.StatusCode == http.StatusOK
	})
	return p
}

// load requests different lists of users until ctx is cancelled, and reports
// errors other than the allowed ones.
func load(ctx context.Context, t *testing.T, p *process, callers int, allowed ...string) (done func()) {
	t.Helper()
	var wg sync.WaitGroup
	client := &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: callers}}
	for caller := range callers {
		wg.Go(func() {
			for i := 0; ctx.Err() == nil; i++ {
				query := fmt.Sprintf(`{ user(userId: "%s %d %d") { conversationCount } }`, p.url, caller, i)
				body, _ := json.Marshal(map[string]string{"query": query})
				req, _ := http.NewRequestWithContext(ctx, http.MethodPost, p.url+"/graphql", strings.NewReader(string(body)))
				req.Header.Set("Content-Type", "application/json")
				resp, err := client.Do(req)
				if err != nil {
					if ctx.Err() == nil && !p.killed.Load() {
						t.Errorf("a request has no response: %v", err)
					}
					return
				}
				text, _ := io.ReadAll(resp.Body)
				resp.Body.Close()
				if strings.Contains(string(text), "errors") && !containsOne(string(text), allowed) && ctx.Err() == nil {
					t.Errorf("%d %s", resp.StatusCode, text)
				}
			}
		})
	}
	return func() {
		wg.Wait()
		client.CloseIdleConnections()
	}
}

func containsOne(s string, parts []string) bool {
	for _, part := range parts {
		if strings.Contains(s, part) {
			return true
		}
	}
	return false
}

func await(t *testing.T, within time.Duration, what string, holds func() bool) {
	t.Helper()
	for began := time.Now(); !holds(); <-time.After(10 * time.Millisecond) {
		if time.Since(began) > within {
			t.Fatalf("not within %v: %s", within, what)
		}
	}
}

// TestSoakReplicas has three processes of the service and one Redis, and disturbs
// each of them.
func TestSoakReplicas(t *testing.T) {
	if os.Getenv("SOAK") == "" { //nolint:forbidigo // a test's own setting
		t.Skip("runs for half a minute; use make soak")
	}
	redis := redistest.Start(t)
	network := redistest.StartRelay(t, redis)
	const limit, replicas = 6, 3
	fake := &countingUpstream{}
	server := httptest.NewServer(fake)
	defer server.Close()
	program := buildService(t)
	env := []string{"UPSTREAM_URL=" + server.URL, "REDIS_URL=" + network.URL(), fmt.Sprint("UPSTREAM_CONCURRENCY=", limit)}
	var all []*process
	var ends []func()
	for range replicas {
		p := startProcess(t, program, env...)
		ctx, cancel := context.WithCancel(t.Context())
		done := load(ctx, t, p, 8)
		all = append(all, p)
		ends = append(ends, func() { cancel(); done() })
	}
	defer func() {
		for _, end := range ends {
			end()
		}
	}()
	sleep := func(d time.Duration) { <-time.After(d) }
	// phase checks the number of calls in flight, and the number of served
	// requests.
	phase := func(name string, span time.Duration, most int, least float64) {
		t.Helper()
		fake.reset()
		sleep(span)
		highest, served := fake.reset()
		ideal := limit * span.Seconds() / 0.04
		t.Logf("%s: at most %d in flight, %.0f%% of ideal", name, highest, 100*float64(served)/ideal)
		if highest > most {
			t.Errorf("%s: %d calls in flight, want at most %d", name, highest, most)
		}
		if float64(served) < least*ideal {
			t.Errorf("%s: %d calls, want at least %.0f", name, served, least*ideal)
		}
	}
	sleep(1500 * time.Millisecond)
	phase("three replicas", time.Second, limit, 0.75)

	all[2].kill() // while its calls are in flight
	ends[2]()
	ends = ends[:2]
	phase("one replica was killed, and its permits expire", 2*time.Second, limit, 0.4)
	phase("one replica was killed", time.Second, limit, 0.75)
	all[2] = startProcess(t, program, env...)
	ctx, cancel := context.WithCancel(t.Context())
	done := load(ctx, t, all[2], 8)
	ends = append(ends, func() { cancel(); done() })
	phase("another one started", 2*time.Second, limit, 0.6)

	share := limit / replicas
	for _, fault := range []struct {
		name       string
		begin, end func()
	}{
		{"Redis hangs", redis.Hang, redis.Resume},
		{"Redis dies", redis.Kill, redis.Restart},
		{"the network drops everything", func() { network.Drop(true) }, func() { network.Drop(false) }},
	} {
		fake.reset()
		fault.begin()
		sleep(time.Second)
		highest, _ := fake.reset()
		t.Logf("%s, at the switch: at most %d in flight", fault.name, highest)
		if highest > limit+(replicas-1)*share {
			t.Errorf("%s: %d calls in flight at the switch", fault.name, highest)
		}
		phase(fault.name, time.Second, limit, 0.75)
		fault.end()
		phase(fault.name+", and is back", 3*time.Second, limit, 0.75)
		phase(fault.name+", and all share again", time.Second, limit, 0.75)
	}

	t.Run("Redis has no key of the service's", func(t *testing.T) {
		for name := range strings.FieldsSeq(redis.Command("keys", "*")) {
			if strings.Contains(name, "canary") {
				t.Error(name)
			}
			if redis.Command("pttl", name) == "-1" {
				t.Errorf("%s does not expire", name)
			}
		}
	})
}

// TestSharedPause has one process receive a 429.
func TestSharedPause(t *testing.T) {
	redis := redistest.Start(t)
	fake := &countingUpstream{status: http.StatusTooManyRequests}
	server := httptest.NewServer(fake)
	defer server.Close()
	base, err := url.Parse(server.URL)
	if err != nil {
		t.Fatal(err)
	}
	c := inFrontOf(base)
	c.RedisURL = redis.URL()
	c.UpstreamTimeout = time.Second // shorter than the pause
	one, other := start(t, c), start(t, c)
	if _, body := post(t, one.url, `{ user(userId: "a") { userId } }`, nil); !strings.Contains(body, "RATE_LIMITED") {
		t.Fatal(body)
	}
	<-time.After(100 * time.Millisecond)
	if _, body := post(t, other.url, `{ user(userId: "b") { userId } }`, nil); !strings.Contains(body, "RATE_LIMITED") {
		t.Errorf("the other replica does not pause: %s", body)
	}
	if _, served := fake.reset(); served != 1 {
		t.Errorf("%d calls, want 1", served)
	}
}

// TestSharedQuota has one caller's RATE_LIMIT count over two replicas.
func TestSharedQuota(t *testing.T) {
	redis := redistest.Start(t)
	server := httptest.NewServer(&countingUpstream{})
	defer server.Close()
	base, _ := url.Parse(server.URL)
	c := inFrontOf(base)
	c.RedisURL, c.RateLimit = redis.URL(), 0.5 // five at once
	replicas := []started{start(t, c), start(t, c)}
	admitted := 0
	for i := range 12 {
		_, body := post(t, replicas[i%2].url, fmt.Sprintf(`{ user(userId: "%d") { userId } }`, i), nil)
		if !strings.Contains(body, "RATE_LIMITED") {
			admitted++
		}
		<-time.After(20 * time.Millisecond)
	}
	if admitted < 5 || admitted > 6 { // a replica that is behind learns of the others' calls with its next token
		t.Errorf("%d of 12 requests were admitted, want 5", admitted)
	}
}

// TestPersistedQueriesOfReplicas registers a document with one replica, and sends
// its hash to another one, with and without Redis.
func TestPersistedQueriesOfReplicas(t *testing.T) {
	redis := redistest.Start(t)
	upstream := httptest.NewServer(&countingUpstream{})
	t.Cleanup(upstream.Close)
	program := buildService(t)
	env := []string{"UPSTREAM_URL=" + upstream.URL, "REDIS_URL=" + redis.URL()}
	one, other := startProcess(t, program, env...), startProcess(t, program, env...)
	send := func(p *process, body string) string {
		t.Helper()
		began := time.Now()
		resp, err := http.Post(p.url+"/graphql", "application/json", strings.NewReader(body))
		if err != nil {
			t.Fatal(err)
		}
		defer resp.Body.Close()
		text, _ := io.ReadAll(resp.Body)
		if took := time.Since(began); took > time.Second {
			t.Errorf("a request took %v", took)
		}
		return string(text)
	}
	persisted := func(text string) (hash, both string) {
		extension := fmt.Sprintf(`"extensions":{"persistedQuery":{"version":1,"sha256Hash":"%x"}}`, sha256.Sum256([]byte(text)))
		return "{" + extension + "}", fmt.Sprintf(`{"query":%q,%s}`, text, extension)
	}
	hash, both := persisted("{ __typename }")
	await(t, 10*time.Second, "the replicas share documents", func() bool {
		send(one, both)
		return send(other, hash) == `{"data":{"__typename":"Query"}}`
	})
	redis.Hang()
	for _, p := range []*process{one, other} {
		if got := send(p, hash); got != `{"data":{"__typename":"Query"}}` {
			t.Errorf("without Redis: %s", got)
		}
	}
	hash, both = persisted("{ a: __typename }")
	if got := send(one, hash); !strings.Contains(got, `"PersistedQueryNotFound"`) {
		t.Errorf("without Redis: %s", got)
	}
	send(one, both)
	if got := send(one, hash); got != `{"data":{"a":"Query"}}` {
		t.Errorf("without Redis: %s", got)
	}
}
