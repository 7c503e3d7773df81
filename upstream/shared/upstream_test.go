package shared_test

import (
	"context"
	"sync"
	"testing"
	"time"

	"rollcall/upstream"
	"rollcall/upstream/shared"
)

const (
	key         = "xi-key"
	upstreamURL = "http://upstream.test"
)

// fake is an upstream that counts the calls in flight.
type fake struct {
	takes time.Duration

	mu       sync.Mutex
	inFlight int
	highest  int // since the last reset
	served   int
}

func (f *fake) call() {
	f.mu.Lock()
	f.inFlight++
	f.highest = max(f.highest, f.inFlight)
	f.mu.Unlock()
	pause(f.takes)
	f.mu.Lock()
	f.inFlight--
	f.served++
	f.mu.Unlock()
}

// reset returns the highest number of calls in flight and the number of calls
// served since the last reset.
func (f *fake) reset() (highest, served int) {
	f.mu.Lock()
	defer f.mu.Unlock()
	highest, served = f.highest, f.served
	f.highest, f.served = f.inFlight, 0
	return highest, served
}

// replica is a process with some callers, each of which makes one call after
// the other.
type replica struct {
	store   *shared.Store
	limiter *shared.Limiter
	stop    context.CancelFunc
	done    sync.WaitGroup

	mu      sync.Mutex
	served  int
	slowest time.Duration // wait for a permit since the last reset
}

func open(t testing.TB, url string) *shared.Store {
	t.Helper()
	store, err := shared.Open(t.Context(), shared.Config{URL: url, Upstream: upstreamURL})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(store.Close)
	return store
}

func startReplica(t testing.TB, store *shared.Store, f *fake, limit, callers int) *replica {
	t.Helper()
	return startReplicaOf(t, store, key, f, limit, callers)
}

// startReplicaOf starts the callers of an API key.
func startReplicaOf(t testing.TB, store *shared.Store, apiKey string, f *fake, limit, callers int) *replica {
	t.Helper()
	ctx, stop := context.WithCancel(t.Context())
	r := &replica{store: store, limiter: store.Limiter(apiKey, limit), stop: stop}
	for range callers {
		r.done.Go(func() {
			for ctx.Err() == nil {
				began := time.Now()
				release, err := r.limiter.Acquire(ctx)
				if err != nil {
					if ctx.Err() == nil {
						t.Errorf("a call fails: %v", err)
					}
					return
				}
				waited := time.Since(began)
				f.call()
				release()
				r.mu.Lock()
				r.served++
				r.slowest = max(r.slowest, waited)
				r.mu.Unlock()
			}
		})
	}
	t.Cleanup(r.end)
	return r
}

func (r *replica) end() {
	r.stop()
	r.done.Wait()
}

func (r *replica) reset() (served int, slowest time.Duration) {
	r.mu.Lock()
	defer r.mu.Unlock()
	served, slowest = r.served, r.slowest
	r.served, r.slowest = 0, 0
	return served, slowest
}

func awaitMode(t testing.TB, mode shared.Mode, within time.Duration, stores ...*shared.Store) {
	t.Helper()
	for _, store := range stores {
		eventually(t, within, "a store is "+mode.String(), func() bool { return store.Stats().Mode == mode })
	}
}

// callAlone returns how many calls one process makes within a time, with a limiter
// of its own.
func callAlone(t testing.TB, limit int, takes, span time.Duration) int {
	t.Helper()
	f := &fake{takes: takes}
	limiter := upstream.NewLimiter(limit)
	ctx, cancel := context.WithTimeout(t.Context(), span)
	defer cancel()
	var wg sync.WaitGroup
	for range 4 * limit {
		wg.Go(func() {
			for ctx.Err() == nil {
				release, err := limiter.Acquire(ctx)
				if err != nil {
					return
				}
				f.call()
				release()
			}
		})
	}
	<-ctx.Done()
	_, served := f.reset()
	wg.Wait()
	return served
}

// steady runs a measurement in which all replicas share the limit. It repeats one
// in which a replica switched to its share: a busy machine may not answer in time,
// and more calls than the limit may be in flight at a switch.
func steady(t testing.TB, measure func(), replicas ...*replica) {
	t.Helper()
	steady := func() (yes bool, switches int64) {
		yes = true
		for _, r := range replicas {
			stats := r.store.Stats()
			yes = yes && stats.Mode == shared.Shared
			switches += stats.Switches
		}
		return yes, switches
	}
	for range 15 {
		for _, r := range replicas {
			awaitMode(t, shared.Shared, 10*time.Second, r.store)
		}
		pause(300 * time.Millisecond) // what began before the switch ends
		shares, before := steady()
		if !shares {
			continue
		}
		measure()
		if _, after := steady(); after == before {
			return
		}
	}
	t.Fatal("the machine is too busy: Redis does not answer within 50 ms")
}

// eventually waits until a condition holds.
func eventually(t testing.TB, within time.Duration, what string, holds func() bool) {
	t.Helper()
	for began := time.Now(); !holds(); {
		if time.Since(began) > within {
			t.Fatalf("not within %v: %s", within, what)
		}
		pause(5 * time.Millisecond)
	}
}

// pause waits in real time: a redis-server knows no other.
func pause(d time.Duration) { <-time.After(d) }
