package shared_test

import (
	"context"
	"errors"
	"fmt"
	"os/exec"
	"slices"
	"strings"
	"testing"
	"time"

	"rollcall/upstream/shared"
	"rollcall/upstream/shared/redistest"
)

// slack is added to the times that the tests wait, because the machine may be
// busy.
const slack = 50 * time.Millisecond

// openAll opens a number of stores and waits until they share.
func openAll(t *testing.T, url string, n int) []*shared.Store {
	t.Helper()
	stores := make([]*shared.Store, n)
	for i := range stores {
		stores[i] = open(t, url)
	}
	awaitMode(t, shared.Shared, 5*time.Second, stores...)
	return stores
}

func TestPermitsOfReplicas(t *testing.T) {
	t.Parallel()
	const takes = 40 * time.Millisecond
	redis := redistest.Start(t)
	for _, c := range []struct {
		name    string
		limit   int
		callers []int // for each replica
		even    float64
	}{
		{"three replicas with equal load", 5, []int{13, 13, 13}, 0.1},
		{"three replicas with unequal load", 5, []int{40, 8, 4}, 0.2},
	} {
		t.Run(c.name, func(t *testing.T) {
			f := &fake{takes: takes}
			var replicas []*replica
			for i, store := range openAll(t, redis.URL(), len(c.callers)) {
				replicas = append(replicas, startReplica(t, store, f, c.limit, c.callers[i]))
			}
			var failure string
			for range 3 { // other load on the machine can only make it slower
				var before, after shared.Stats
				var highest, served, alone int
				var shares []int
				steady(t, func() {
					f.reset()
					shares = nil
					before = replicas[0].store.Stats()
					for _, r := range replicas {
						r.reset()
					}
					alone = callAlone(t, c.limit, takes, 2*time.Second)
					highest, served = f.reset()
					for _, r := range replicas {
						n, _ := r.reset()
						shares = append(shares, n)
					}
					after = replicas[0].store.Stats()
				}, replicas...)
				t.Logf("%d calls, and %d of one process alone at the same time; permits %v, %.2f scripts for each call", served, alone, shares,
					float64(after.Exchanges-before.Exchanges)/float64(shares[0]))
				if highest > c.limit {
					t.Errorf("%d calls in flight, want at most %d", highest, c.limit)
				}
				failure = ""
				if float64(served) < 0.9*float64(alone) {
					failure = fmt.Sprintf("%d calls, want at least 90%% of %d", served, alone)
				} else if float64(slices.Min(shares)) < (1-c.even)*float64(slices.Max(shares)) {
					failure = fmt.Sprintf("the replicas had %v permits", shares)
				}
				if failure == "" {
					break
				}
			}
			if failure != "" {
				t.Error(failure)
			}
			for _, r := range replicas {
				r.end()
				r.store.Close()
			}
		})
	}
}

func TestPermitsWhileReplicasStartAndStop(t *testing.T) {
	t.Parallel()
	const limit = 4
	redis := redistest.Start(t)
	f := &fake{takes: 20 * time.Millisecond}
	constant := startReplica(t, openAll(t, redis.URL(), 1)[0], f, limit, 8)
	constant.reset()
	f.reset()
	highest := 0
	steady(t, func() {
		f.reset()
		for range 4 {
			other := startReplica(t, open(t, redis.URL()), f, limit, 8)
			pause(500 * time.Millisecond)
			other.end()
			other.store.Close()
		}
		highest, _ = f.reset()
	}, constant)
	if highest > limit {
		t.Errorf("%d calls in flight, want at most %d", highest, limit)
	}
	eventually(t, time.Second, "the replica is alone", func() bool { return constant.store.Stats().Replicas == 1 })
}

func TestPermitsOfKilledReplica(t *testing.T) {
	t.Parallel()
	redis := redistest.Start(t)
	store := openAll(t, redis.URL(), 1)[0]
	limiter := store.Limiter(key, held)
	var early bool
	var took time.Duration
	steady(t, func() {
		victim := startHolder(t, redis.URL())
		got := make(chan time.Time, held)
		for range held {
			go func() {
				release, err := limiter.Acquire(t.Context())
				if err != nil {
					t.Error(err)
					return
				}
				got <- time.Now()
				release()
			}()
		}
		var granted int
		select {
		case <-got:
			granted++
			early = true
		case <-time.After(2500 * time.Millisecond): // longer than a lease, which is renewed
			early = false
		}
		victim.kill()
		killed := time.Now()
		for ; granted < held; granted++ {
			took = (<-got).Sub(killed)
		}
	}, &replica{store: store})
	if early {
		t.Error("there is a permit beyond the limit")
	}
	if took > 2*time.Second+slack {
		t.Errorf("the permits were released after %v", took)
	}
}

// holder is a process that has all permits of a key.
type holder struct{ cmd *exec.Cmd }

func startHolder(t *testing.T, url string) holder {
	t.Helper()
	cmd := exec.Command(testBinary(t), "-hold", url)
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	h := holder{cmd}
	t.Cleanup(h.kill)
	if _, err := out.Read(make([]byte, 6)); err != nil {
		t.Fatal(err)
	}
	return h
}

// kill sends SIGKILL.
func (h holder) kill() {
	_ = h.cmd.Process.Kill()
	_ = h.cmd.Wait()
}

func TestPauseOfReplicas(t *testing.T) {
	t.Parallel()
	redis := redistest.Start(t)
	stores := openAll(t, redis.URL(), 2)
	first, second := stores[0].Limiter(key, 1), stores[1].Limiter(key, 1)
	release, err := first.Acquire(t.Context())
	if err != nil {
		t.Fatal(err)
	}

	// One call waits for the permit, and another cannot wait for the pause.
	const length = 700 * time.Millisecond
	waited, refused := make(chan time.Time, 1), make(chan error, 1)
	go func() {
		release, err := second.Acquire(t.Context())
		if err != nil {
			t.Error(err)
			return
		}
		waited <- time.Now()
		release()
	}()
	go func() {
		ctx, cancel := context.WithTimeout(t.Context(), length-100*time.Millisecond)
		defer cancel()
		_, err := second.Acquire(ctx)
		refused <- err
	}()
	eventually(t, time.Second, "two calls wait", func() bool { return stores[1].Stats().Waiting == 2 })
	until := time.Now().Add(length)
	first.PauseUntil(until)
	release()
	eventually(t, 100*time.Millisecond, "the pause is known to the other replica", func() bool {
		return second.PausedUntil().Sub(until).Abs() < slack
	})
	select {
	case err := <-refused:
		if !errors.Is(err, shared.ErrPaused) {
			t.Errorf("the call that cannot wait has %v", err)
		}
	case <-time.After(slack):
		t.Error("the call that cannot wait is not refused at once")
	}
	if at := <-waited; at.Before(until.Add(-10 * time.Millisecond)) {
		t.Errorf("a call was sent %v before the pause was over", until.Sub(at))
	} else if at.After(until.Add(slack)) {
		t.Errorf("a call waited for %v after the pause", at.Sub(until))
	}

	t.Run("a replica that starts during a pause", func(t *testing.T) {
		until := time.Now().Add(5 * time.Second)
		first.PauseUntil(until)
		third := openAll(t, redis.URL(), 1)[0].Limiter(key, 1)
		ctx, cancel := context.WithTimeout(t.Context(), 500*time.Millisecond)
		defer cancel()
		if _, err := third.Acquire(ctx); !errors.Is(err, shared.ErrPaused) {
			t.Errorf("err is %v", err)
		}
	})
}

func TestMaximumOfReplicas(t *testing.T) {
	t.Parallel()
	redis := redistest.Start(t)
	f := &fake{takes: 20 * time.Millisecond}
	var replicas []*replica
	for _, store := range openAll(t, redis.URL(), 2) {
		replicas = append(replicas, startReplica(t, store, f, 6, 6))
	}
	for _, c := range []struct{ maximum, want int }{{2, 2}, {4, 4}, {20, 6}} {
		highest := 0
		steady(t, func() {
			replicas[0].limiter.SetMaximum(c.maximum)
			pause(150 * time.Millisecond)
			f.reset()
			pause(300 * time.Millisecond)
			highest, _ = f.reset()
		}, replicas...)
		if highest != c.want || replicas[1].limiter.Limit() != c.want {
			t.Errorf("with a maximum of %d, %d calls are in flight and the limit is %d; want %d", c.maximum, highest, replicas[1].limiter.Limit(), c.want)
		}
	}
}

func TestOrderOfReplicas(t *testing.T) {
	t.Parallel()
	redis := redistest.Start(t)
	store := openAll(t, redis.URL(), 1)[0]
	limiter := store.Limiter(key, 1)
	release, err := limiter.Acquire(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	order := make(chan int, 20)
	for i := range 20 {
		go func() {
			release, err := limiter.Acquire(t.Context())
			if err != nil {
				t.Error(err)
				return
			}
			order <- i
			release()
		}()
		eventually(t, time.Second, "the call waits", func() bool { return store.Stats().Waiting == i+1 })
	}
	release()
	for i := range 20 {
		if got := <-order; got != i {
			t.Fatalf("call %d is served as number %d", got, i)
		}
	}
}

func TestCancelledWaiters(t *testing.T) {
	t.Parallel()
	redis := redistest.Start(t)
	stores := openAll(t, redis.URL(), 2)
	holder, other := stores[0].Limiter(key, 1), stores[1].Limiter(key, 1)
	release, err := holder.Acquire(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancelCause(t.Context())
	cause := errors.New("the caller left")
	failed := make(chan error, 50)
	for range 50 {
		go func() {
			_, err := other.Acquire(ctx)
			failed <- err
		}()
	}
	eventually(t, time.Second, "all wait", func() bool { return stores[1].Stats().Waiting == 50 })
	cancel(cause)
	for range 50 {
		if err := <-failed; !errors.Is(err, cause) {
			t.Fatalf("err is %v", err)
		}
	}
	release()
	began := time.Now()
	release, err = holder.Acquire(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if took := time.Since(began); took > slack {
		t.Errorf("a permit that no call waits for is granted after %v", took)
	}
	release()
	eventually(t, time.Second, "no lease is left", func() bool {
		return !strings.Contains(redis.Command("keys", "*"), "leases")
	})
}
