package upstream_test

import (
	"context"
	"net/http"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"rollcall/upstream"
)

func TestBreaker(t *testing.T) {
	for name, c := range map[string]struct {
		status int
		opens  bool
	}{
		"counts a 503": {503, true}, "counts a broken connection": {0, true}, "counts a response that is not a page": {299, true}, "counts a hang": {-1, true},
		"counts a redirect": {302, true}, "counts a 408": {408, true},
		"does not count a 400": {400, false}, "does not count a 401": {401, false}, "does not count a 404": {404, false}, "does not count a 422": {422, false},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				status := c.status
				s := &script{answer: func(int, *http.Request) (int, http.Header) { return status, nil }}
				client := s.client(upstream.Config{Concurrency: 40})
				var wg sync.WaitGroup
				for i := range 40 {
					wg.Go(func() { _, _ = client.As(alice).ListUsers(t.Context(), distinct(i)) })
				}
				wg.Wait()
				calls, began := len(s.calls), time.Now()
				_, err := client.As(other).ListUsers(t.Context(), page)
				open := len(s.calls) == calls
				if open != c.opens || open && (kind(err) != "unavailable" || time.Since(began) != 0) {
					t.Fatalf("open is %v: %v after %v", open, err, time.Since(began))
				}
				if !open {
					return
				}
				status = 200                // the server recovers
				time.Sleep(6 * time.Second) //nolint:forbidigo // in fake time
				for i := range 30 {
					if _, err := client.As(alice).ListUsers(t.Context(), distinct(i)); err != nil {
						t.Fatalf("call %d after the recovery: %v", i, err)
					}
				}
			})
		})
	}
}

func TestBreakerOpensOnHangs(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &script{answer: always(200), takes: time.Hour}
		client := s.client(upstream.Config{})
		for i := range 30 { // these callers leave, which says nothing about the server
			ctx, cancel := context.WithTimeout(t.Context(), time.Millisecond)
			_, _ = client.As(other).ListUsers(ctx, distinct(i))
			cancel()
		}
		began := time.Now()
		opened := make(chan time.Duration, 8) // when each goroutine found the breaker open
		for i := range 8 {
			go func() {
				for {
					_, err := client.As(alice).ListUsers(t.Context(), distinct(i))
					if took := time.Since(began); kind(err) == "unavailable" || took > time.Minute {
						opened <- took
						return
					}
				}
			}()
		}
		if took := <-opened; took > 25*time.Second {
			t.Errorf("the breaker opened after %v, or not at all", took)
		}
		for range 7 {
			<-opened
		}
	})
}

func TestBreakerIgnoresCancelledCalls(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &script{answer: always(200), takes: time.Second}
		client := s.client(upstream.Config{})
		for i := range 60 {
			ctx, cancel := context.WithTimeout(t.Context(), time.Millisecond)
			_, err := client.As(alice).ListUsers(ctx, distinct(i))
			cancel()
			if kind(err) != "timeout" {
				t.Fatal(err)
			}
			synctest.Wait()
		}
		if _, err := client.As(alice).ListUsers(t.Context(), page); err != nil {
			t.Error(err)
		}
		if s.inFlight != 0 {
			t.Errorf("%d requests are still in flight", s.inFlight)
		}
	})
}
