package shared_test

import (
	"bytes"
	"log/slog"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"rollcall/upstream/shared"
	"rollcall/upstream/shared/redistest"
)

// fault is something that happens to Redis, or to the way there.
type fault struct {
	name    string
	through bool // a relay
	begin   func(*redistest.Server, *redistest.Relay)
	end     func(*redistest.Server, *redistest.Relay)
}

var faults = []fault{
	{"Redis hangs", false, func(s *redistest.Server, _ *redistest.Relay) { s.Hang() }, func(s *redistest.Server, _ *redistest.Relay) { s.Resume() }},
	{"Redis dies and is restarted empty", false, func(s *redistest.Server, _ *redistest.Relay) { s.Kill() }, func(s *redistest.Server, _ *redistest.Relay) { s.Restart() }},
	{"the network drops everything", true, func(_ *redistest.Server, r *redistest.Relay) { r.Drop(true) }, func(_ *redistest.Server, r *redistest.Relay) { r.Drop(false) }},
}

func (f fault) start(t *testing.T) (s *redistest.Server, r *redistest.Relay, url string) {
	s = redistest.Start(t)
	if !f.through {
		return s, nil, s.URL()
	}
	r = redistest.StartRelay(t, s)
	return s, r, r.URL()
}

func TestPermitsDuringFaults(t *testing.T) {
	t.Parallel()
	for _, c := range faults {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			const limit, share, takes = 6, 2, 40 * time.Millisecond
			redis, network, url := c.start(t)
			f := &fake{takes: takes}
			stores := openAll(t, url, 3)
			for _, store := range stores {
				startReplica(t, store, f, limit, 5)
			}
			pause(200 * time.Millisecond)
			if highest, _ := f.reset(); highest > limit {
				t.Errorf("%d calls in flight before the fault, want at most %d", highest, limit)
			}

			c.begin(redis, network)
			awaitMode(t, shared.Away, time.Second, stores...)
			pause(2 * takes)
			if highest, _ := f.reset(); highest > limit+2*share {
				t.Errorf("%d calls in flight at the switch, want at most %d", highest, limit+2*share)
			}
			pause(time.Second)
			highest, served := f.reset()
			if highest > limit || served < 100 {
				t.Errorf("without Redis, %d calls in flight and %d served; want at most %d, and about 150", highest, served, limit)
			}

			c.end(redis, network)
			awaitMode(t, shared.Shared, 4*time.Second, stores...)
			pause(500 * time.Millisecond)
			if highest, _ := f.reset(); highest > limit {
				t.Errorf("%d calls in flight after the fault, want at most %d", highest, limit)
			}
		})
	}
}

// TestWaitsDuringFaults has less load than the limit, so that a wait is because
// of Redis.
func TestWaitsDuringFaults(t *testing.T) {
	t.Parallel()
	for _, c := range faults {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			redis, network, url := c.start(t)
			f := &fake{takes: 10 * time.Millisecond}
			stores := openAll(t, url, 2)
			var replicas []*replica
			for _, store := range stores {
				replicas = append(replicas, startReplica(t, store, f, 6, 2))
			}
			pause(300 * time.Millisecond)
			c.begin(redis, network)
			pause(1500 * time.Millisecond)
			c.end(redis, network)
			awaitMode(t, shared.Shared, 4*time.Second, stores...)
			for _, r := range replicas {
				if served, slowest := r.reset(); slowest > 50*time.Millisecond+slack || served < 200 {
					t.Errorf("%d calls, the slowest waited for %v", served, slowest)
				}
			}
		})
	}
}

func TestWaiterWhenRedisHangs(t *testing.T) {
	t.Parallel()
	redis := redistest.Start(t)
	stores := openAll(t, redis.URL(), 2)
	holder, waiter := stores[0].Limiter(key, 2), stores[1].Limiter(key, 2)
	for range 2 {
		if _, err := holder.Acquire(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	served := make(chan time.Time, 1)
	go func() {
		if _, err := waiter.Acquire(t.Context()); err != nil {
			t.Error(err)
		}
		served <- time.Now()
	}()
	eventually(t, time.Second, "the call waits", func() bool { return stores[1].Stats().Waiting == 1 })
	pause(100 * time.Millisecond)
	began := time.Now()
	redis.Hang()
	if took := (<-served).Sub(began); took > 50*time.Millisecond+slack {
		t.Errorf("a call whose replica sends nothing waits for %v", took)
	}
	redis.Resume()
}

func TestRedisUnavailableAtStartup(t *testing.T) {
	t.Parallel()
	redis := redistest.Start(t)
	redis.Kill()
	f := &fake{takes: 20 * time.Millisecond}
	var log syncBuffer
	store, err := shared.Open(t.Context(), shared.Config{
		URL: "redis://user:secret-canary@" + redis.Addr(), Upstream: upstreamURL, Log: slog.New(slog.NewTextHandler(&log, nil)),
	})
	if err != nil {
		t.Fatal(err)
	}
	defer store.Close()
	r := startReplica(t, store, f, 6, 6)
	pause(500 * time.Millisecond)
	if highest, served := f.reset(); highest != 1 || served < 10 {
		t.Errorf("%d calls in flight and %d served, want 1 and about 25", highest, served)
	}
	redis.Restart()
	redis.Command("acl", "setuser", "user", "on", ">secret-canary", "~*", "&*", "+@all")
	highest := 0
	steady(t, func() {
		f.reset()
		pause(200 * time.Millisecond)
		highest, _ = f.reset()
	}, r)
	if highest != 6 {
		t.Errorf("%d calls in flight, want 6", highest)
	}
	r.end()
	if text := log.String(); strings.Contains(text, "canary") || int64(strings.Count(text, "\n")) != 2+2*store.Stats().Switches {
		t.Errorf("the log is %s", text)
	}
}

func TestClosedStore(t *testing.T) {
	t.Parallel()
	redis := redistest.Start(t)
	stores := openAll(t, redis.URL(), 2)
	limiter := stores[0].Limiter(key, 4)
	stores[0].Close()
	var releases []func()
	for range 2 {
		release, err := limiter.Acquire(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		releases = append(releases, release)
	}
	for _, release := range releases {
		release()
	}
	eventually(t, time.Second, "the other replica is alone", func() bool { return stores[1].Stats().Replicas == 1 })
}

// syncBuffer is a buffer that a log and a test use at the same time.
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

func testBinary(t *testing.T) string {
	t.Helper()
	path, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	return path
}
