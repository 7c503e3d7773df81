package upstream_test

import (
	"context"
	"fmt"
	"net/http"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"rollcall/upstream"
)

// TestLimiterEviction uses many other keys after a key's first call, and then the
// key again.
func TestLimiterEviction(t *testing.T) {
	for name, c := range map[string]struct {
		others   int
		key      string
		limiters int    // that the key has had
		kind     string // of the last call's error
	}{
		"a key that was used before 1,000 others keeps its limiter": {1000, "idle", 1, "<nil>"},
		"a key that was used before 1,100 others loses it":          {1100, "idle", 2, "<nil>"},
		"a key in use keeps it":                                     {1100, "busy", 1, "<nil>"},
		"a key that pauses keeps it":                                {1100, "paused", 1, "rate limited"},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := &script{answer: func(n int, r *http.Request) (int, http.Header) {
					if n != 0 {
						return http.StatusOK, nil
					}
					switch r.Header.Get("xi-api-key") {
					case "busy":
						time.Sleep(time.Second) //nolint:forbidigo // in fake time
					case "paused":
						return http.StatusTooManyRequests, http.Header{"Retry-After": {"60"}}
					}
					return http.StatusOK, nil
				}}
				limiters := 0
				client := s.client(upstream.Config{NewLimiter: func(key upstream.APIKey, limit int) upstream.Limiter {
					if key.Reveal() == c.key {
						limiters++
					}
					return upstream.NewLimiter(limit)
				}})
				defer client.Close()
				var first sync.WaitGroup
				first.Go(func() { _, _ = client.As(with(c.key)).ListUsers(t.Context(), page) })
				synctest.Wait()
				for i := range c.others {
					if _, err := client.As(with(fmt.Sprint("other ", i))).ListUsers(t.Context(), page); err != nil {
						t.Fatal(err)
					}
				}
				if _, err := client.As(with(c.key)).ListUsers(t.Context(), distinct(1)); kind(err) != c.kind {
					t.Errorf("err is %v, want %s", err, c.kind)
				}
				if limiters != c.limiters {
					t.Errorf("the key has had %d limiters, want %d", limiters, c.limiters)
				}
				first.Wait()
			})
		})
	}
}

// recorder is a limiter that records the order of pauses and releases.
type recorder struct {
	upstream.Limiter

	events []string
}

func (r *recorder) Acquire(ctx context.Context) (func(), error) {
	release, err := r.Limiter.Acquire(ctx)
	return func() { r.events = append(r.events, "release"); release() }, err
}

func (r *recorder) PauseUntil(until time.Time) {
	r.events = append(r.events, "pause")
	r.Limiter.PauseUntil(until)
}

// TestPausePrecedesRelease checks that no other call can be sent between a 429 and
// its pause.
func TestPausePrecedesRelease(t *testing.T) {
	s := &script{answer: firstly(http.StatusTooManyRequests, http.Header{"Retry-After": {"60"}})}
	r := &recorder{Limiter: upstream.NewLimiter(1)}
	client := s.client(upstream.Config{NewLimiter: func(upstream.APIKey, int) upstream.Limiter { return r }})
	defer client.Close()
	if _, err := client.As(alice).ListUsers(t.Context(), page); kind(err) != "rate limited" {
		t.Fatal(err)
	}
	if got := fmt.Sprint(r.events); got != "[pause release]" {
		t.Errorf("the order is %s", got)
	}
}
