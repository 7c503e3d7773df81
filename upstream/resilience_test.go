package upstream_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"rollcall/upstream"
)

// script is an upstream that answers as it is told, in fake time.
type script struct {
	answer func(call int, r *http.Request) (status int, header http.Header)
	takes  time.Duration

	mu                sync.Mutex
	calls             []time.Time
	keys              []string
	inFlight, highest int
}

func (s *script) RoundTrip(r *http.Request) (*http.Response, error) {
	s.mu.Lock()
	n := len(s.calls)
	s.calls = append(s.calls, time.Now())
	s.keys = append(s.keys, r.Header.Get("xi-api-key"))
	s.inFlight++
	s.highest = max(s.highest, s.inFlight)
	s.mu.Unlock()
	defer func() {
		s.mu.Lock()
		s.inFlight--
		s.mu.Unlock()
	}()
	select {
	case <-time.After(s.takes):
	case <-r.Context().Done():
		return nil, r.Context().Err()
	}
	status, header := s.answer(n, r)
	switch status {
	case 0:
		return nil, io.ErrUnexpectedEOF // a connection that breaks
	case -1:
		<-r.Context().Done()
		return nil, r.Context().Err()
	}
	if header == nil {
		header = http.Header{}
	}
	body := `{"users":[],"has_more":false}`
	if status == 299 {
		status, body = 200, `<html>`
	}
	return &http.Response{StatusCode: status, Header: header, Body: io.NopCloser(strings.NewReader(body))}, nil
}

func (s *script) client(o upstream.Config) *upstream.Client {
	o.BaseURL, o.Transport = &url.URL{Scheme: "https", Host: "upstream.test"}, s
	return upstream.NewClient(o)
}

// distinct is the n-th of many different pages.
func distinct(n int) upstream.PageQuery {
	return upstream.PageQuery{Size: 30, Cursor: fmt.Sprint("c", n)}
}

// always answers with one status.
func always(status int) func(int, *http.Request) (int, http.Header) {
	return func(int, *http.Request) (int, http.Header) { return status, nil }
}

// firstly answers with a status once, and then well.
func firstly(status int, header http.Header) func(int, *http.Request) (int, http.Header) {
	return func(n int, _ *http.Request) (int, http.Header) {
		if n == 0 {
			return status, header
		}
		return http.StatusOK, nil
	}
}

func kind(err error) string {
	e, ok := errors.AsType[*upstream.Error](err)
	if !ok {
		return fmt.Sprint(err)
	}
	return e.Kind.String()
}

func TestWhatIsTriedTwice(t *testing.T) {
	for name, c := range map[string]struct {
		answer func(int, *http.Request) (int, http.Header)
		calls  int
		want   string // the kind of the error
		within time.Duration
	}{
		"a 500":                          {firstly(500, nil), 2, "<nil>", 200 * time.Millisecond},
		"a 503":                          {firstly(503, nil), 2, "<nil>", 200 * time.Millisecond},
		"a 503 that says when":           {firstly(503, http.Header{"Retry-After": {"2"}}), 2, "<nil>", 2 * time.Second},
		"a 408":                          {firstly(408, nil), 2, "<nil>", 200 * time.Millisecond},
		"a connection that breaks":       {firstly(0, nil), 2, "<nil>", 200 * time.Millisecond},
		"a 503 twice, and no more":       {always(503), 2, "unavailable", 200 * time.Millisecond},
		"a 429":                          {firstly(429, nil), 2, "<nil>", time.Second},
		"a 429 that says when":           {firstly(429, http.Header{"Retry-After": {"3"}}), 2, "<nil>", 3 * time.Second},
		"a 429 that says a date":         {firstly(429, http.Header{"Retry-After": {"Sat, 01 Jan 2000 00:00:04 GMT"}}), 2, "<nil>", 4 * time.Second},
		"not a 429 that is too long":     {firstly(429, http.Header{"Retry-After": {"60"}}), 1, "rate limited", 0},
		"not a 503 that is too long":     {firstly(503, http.Header{"Retry-After": {"60"}}), 1, "unavailable", 0},
		"not a 400":                      {firstly(400, nil), 1, "invalid argument", 0},
		"not a 401":                      {firstly(401, nil), 1, "unauthenticated", 0},
		"not a 404, of no agent":         {firstly(404, nil), 1, "not found", 0},
		"not a 422":                      {firstly(422, nil), 1, "invalid argument", 0},
		"not an answer that is no page":  {firstly(299, nil), 1, "bad response", 0},
		"not a hang, which ends in time": {firstly(-1, nil), 1, "timeout", 8 * time.Second},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) { // it is the first of January 2000
				s := &script{answer: c.answer}
				began := time.Now()
				_, err := s.client(upstream.Config{}).As(alice).ListUsers(t.Context(), page)
				if kind(err) != c.want || len(s.calls) != c.calls {
					t.Errorf("%d calls, %v; want %d, %s", len(s.calls), err, c.calls, c.want)
				}
				if took := time.Since(began); took > c.within {
					t.Errorf("took %v, want at most %v", took, c.within)
				}
			})
		})
	}
}

// TestAServerInTroubleIsNotAskedTwiceAsOften counts requests under a constant
// 503, with so many callers at once.
func TestAServerInTroubleIsNotAskedTwiceAsOften(t *testing.T) {
	for _, callers := range []int{4, 100} {
		t.Run(fmt.Sprint(callers, " callers"), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := &script{answer: always(503), takes: 5 * time.Millisecond}
				client := s.client(upstream.Config{})
				operations := 0
				for round := range 5000 / callers {
					var wg sync.WaitGroup
					for i := range callers {
						operations++
						wg.Go(func() {
							if _, err := client.As(alice).ListUsers(t.Context(), distinct(round*callers+i)); kind(err) != "unavailable" {
								t.Errorf("err is %v", err)
							}
						})
					}
					wg.Wait()
					time.Sleep(time.Second) //nolint:forbidigo // in fake time
				}
				ratio := float64(len(s.calls)) / float64(operations)
				t.Logf("%.3f calls for each of %d operations", ratio, operations)
				if ratio > 1.15 {
					t.Errorf("%.3f calls for each operation", ratio)
				}
			})
		})
	}
}

// TestTheBudget is about failures that are too rare for the breaker: it alone
// holds the second attempts to a tenth.
func TestSecondAttemptsAreATenthOfTheFirst(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &script{answer: func(_ int, r *http.Request) (int, http.Header) {
			if r.URL.Query().Get("page_size") == "2" {
				return 503, nil
			}
			return 200, nil
		}}
		session := s.client(upstream.Config{}).As(alice)
		const operations = 5000
		for i := range operations {
			q := distinct(i)
			q.Size = 1 + i%5 // one in five fails, and again where it is tried again
			_, _ = session.ListUsers(t.Context(), q)
		}
		if ratio := float64(len(s.calls)) / operations; ratio > 1.11 || ratio < 1.09 {
			t.Errorf("%.3f calls for each operation, want 1.1", ratio)
		}
	})
}

func TestA429StillsTheKeyAndNoOther(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &script{answer: firstly(429, http.Header{"Retry-After": {"60"}})}
		client := s.client(upstream.Config{})
		list := func(caller upstream.Caller, n int) error {
			_, err := client.As(caller).ListUsers(t.Context(), distinct(n))
			return err
		}
		if err := list(alice, 0); kind(err) != "rate limited" {
			t.Fatal(err)
		}
		time.Sleep(10 * time.Second) //nolint:forbidigo // in fake time
		err := list(alice, 1)
		if e, ok := errors.AsType[*upstream.Error](err); !ok || e.Kind != upstream.RateLimited || e.RetryAfter != 50*time.Second {
			t.Errorf("err is %+v", err)
		}
		if err := list(bob, 2); kind(err) != "rate limited" { // another subject with the same key
			t.Errorf("err is %v", err)
		}
		if len(s.calls) != 1 {
			t.Errorf("%d calls, want 1", len(s.calls))
		}
		if err := list(other, 3); err != nil {
			t.Errorf("another key has to wait: %v", err)
		}
		time.Sleep(45 * time.Second) //nolint:forbidigo // in fake time
		began := time.Now()
		if err := list(alice, 4); err != nil || time.Since(began) != 5*time.Second {
			t.Errorf("%v after %v", err, time.Since(began))
		}
	})
}

// TestNoRetryAfterStillsAKeyForLong has upstreams that ask for decades.
func TestNoRetryAfterStillsAKeyForLong(t *testing.T) {
	for header, want := range map[string]time.Duration{
		"300": 5 * time.Minute, "301": 5 * time.Minute, "2147483647": 5 * time.Minute, "99999999999999999999": 5 * time.Minute,
		"Tue, 01 Jan 2999 00:00:00 GMT": 5 * time.Minute, "Sat, 01 Jan 2000 00:01:00 GMT": time.Minute,
		"-5": time.Second, "soon": time.Second, "Fri, 31 Dec 1999 00:00:00 GMT": time.Second, // what a 429 that does not say stands for
	} {
		t.Run(header, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) { // it is the first of January 2000
				s := &script{answer: firstly(429, http.Header{"Retry-After": {header}})}
				client := s.client(upstream.Config{Timeout: 500 * time.Millisecond})
				_, err := client.As(alice).ListUsers(t.Context(), distinct(0))
				if e, ok := errors.AsType[*upstream.Error](err); !ok || want > time.Second && e.RetryAfter != want {
					t.Errorf("err is %+v", err)
				}
				time.Sleep(want - time.Millisecond - 500*time.Millisecond) //nolint:forbidigo // in fake time
				if _, err := client.As(alice).ListUsers(t.Context(), distinct(1)); kind(err) != "rate limited" && want > time.Second {
					t.Errorf("err is %v", err)
				}
				time.Sleep(time.Second) //nolint:forbidigo // in fake time
				if _, err := client.As(alice).ListUsers(t.Context(), distinct(2)); err != nil {
					t.Errorf("still still: %v", err)
				}
			})
		})
	}
}

func TestAKeyHasSoManyRequestsInFlight(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &script{answer: always(200), takes: time.Second}
		client := s.client(upstream.Config{Concurrency: 3})
		began := time.Now()
		var wg sync.WaitGroup
		for i := range 12 {
			wg.Go(func() {
				if _, err := client.As(alice).ListUsers(t.Context(), distinct(i)); err != nil {
					t.Error(err)
				}
			})
		}
		wg.Wait()
		if took := time.Since(began); s.highest != 3 || took != 4*time.Second {
			t.Errorf("%d at once, all in %v; want 3, 4s", s.highest, took)
		}
		for i := range 6 { // two keys do not share
			caller := []upstream.Caller{alice, other}[i%2]
			wg.Go(func() { _, _ = client.As(caller).ListUsers(t.Context(), distinct(i)) })
		}
		wg.Wait()
		if s.highest != 6 {
			t.Errorf("%d at once, want 6", s.highest)
		}
	})
}

func TestWhatCannotBeServedInTimeIsRefusedAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &script{answer: always(200), takes: time.Second}
		client := s.client(upstream.Config{Concurrency: 2})
		_, _ = client.As(alice).ListUsers(t.Context(), distinct(-1)) // the pace is known from now on
		var wg sync.WaitGroup
		var refused atomic.Int32
		hold, unhold := context.WithCancel(t.Context())
		defer unhold()
		wg.Go(func() { _, _ = client.As(alice).ListUsers(hold, distinct(-2)) })
		synctest.Wait()
		time.Sleep(time.Millisecond) //nolint:forbidigo // in fake time
		for i := range 60 {
			wg.Go(func() {
				began := time.Now()
				_, err := client.As(alice).ListUsers(t.Context(), distinct(i))
				if kind(err) == "rate limited" {
					refused.Add(1)
					if took := time.Since(began); took != 0 {
						t.Errorf("refused after %v", took)
					}
				} else if err != nil {
					t.Error(err)
				}
			})
		}
		wg.Wait()
		if n := refused.Load(); n < 30 || n > 50 {
			t.Errorf("%d of 60 were refused; two lanes serve about twenty in ten seconds", n)
		}
	})
}

// TestAPaceIsOneKeysAndForgotten has one key served slowly, so that its queue is
// refused, and then everybody fast.
func TestAPaceIsOneKeysAndForgotten(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &script{answer: always(200), takes: 4 * time.Second}
		client := s.client(upstream.Config{Concurrency: 2})
		burst := func(caller upstream.Caller) (refused int32) {
			var wg sync.WaitGroup
			var n atomic.Int32
			for i := range 20 {
				wg.Go(func() {
					if _, err := client.As(caller).ListUsers(t.Context(), distinct(i)); err != nil {
						n.Add(1)
					}
				})
			}
			wg.Wait()
			return n.Load()
		}
		_, _ = client.As(alice).ListUsers(t.Context(), distinct(-1))
		s.takes = 10 * time.Millisecond
		if n := burst(other); n != 0 {
			t.Errorf("%d of 20 were refused for another key's pace", n)
		}
		if n := burst(alice); n < 10 {
			t.Errorf("%d of 20 were refused for the key's own pace", n)
		}
		s.takes = 4 * time.Second
		_, _ = client.As(alice).ListUsers(t.Context(), distinct(-1))
		s.takes = 10 * time.Millisecond
		time.Sleep(11 * time.Second) //nolint:forbidigo // in fake time
		if n := burst(alice); n != 0 {
			t.Errorf("%d of 20 were refused for a pace of long ago", n)
		}
	})
}

func TestAHangDoesNotMakeTheQueueHopeless(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &script{takes: 20 * time.Millisecond, answer: firstly(-1, nil)}
		client := s.client(upstream.Config{})
		if _, err := client.As(alice).ListUsers(t.Context(), page); kind(err) != "timeout" {
			t.Fatal(err)
		}
		var wg sync.WaitGroup
		for i := range 100 {
			wg.Go(func() {
				if _, err := client.As(alice).ListUsers(t.Context(), distinct(i)); err != nil {
					t.Error(err)
				}
			})
		}
		wg.Wait()
	})
}

func TestTheBreaker(t *testing.T) {
	for name, c := range map[string]struct {
		status int
		opens  bool
	}{
		"counts a 503": {503, true}, "counts a broken connection": {0, true}, "counts an answer that is no page": {299, true}, "counts a hang": {-1, true},
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
				status = 200                // and it recovers by itself
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

func TestAHangOpensTheBreakerWhoeverLeaves(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &script{answer: always(200), takes: time.Hour}
		client := s.client(upstream.Config{})
		for i := range 30 { // who leave, and say nothing of the server
			ctx, cancel := context.WithTimeout(t.Context(), time.Millisecond)
			_, _ = client.As(other).ListUsers(ctx, distinct(i))
			cancel()
		}
		began := time.Now()
		opened := make(chan time.Duration, 8) // when each finds it open
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

func TestCallersThatLeaveDoNotOpenTheBreaker(t *testing.T) {
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
			t.Errorf("%d requests go on", s.inFlight)
		}
	})
}

func TestPermitsComeBackWhateverHappens(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		panics := true
		s := &script{answer: func(int, *http.Request) (int, http.Header) {
			if panics {
				panic("canary")
			}
			return 200, nil
		}}
		client := s.client(upstream.Config{Concurrency: 1})
		var wg sync.WaitGroup
		for i := range 10 { // one after the other, by the one permit there is
			wg.Go(func() {
				_, err := client.As(alice).ListUsers(t.Context(), distinct(i))
				if err == nil || !strings.Contains(err.Error(), "panic in a call") || strings.Contains(err.Error(), "canary") {
					t.Errorf("err is %v", err)
				}
			})
		}
		wg.Wait()
		panics = false
		if _, err := client.As(alice).ListUsers(t.Context(), page); err != nil {
			t.Error(err)
		}
	})
}

// TestNothingCrosses has two callers ask for the same pages all the time.
func TestNothingCrossesBetweenKeys(t *testing.T) {
	s := &script{answer: always(200)}
	client := s.client(upstream.Config{})
	const rounds = 1000
	for i := range rounds {
		var wg sync.WaitGroup
		for _, caller := range []upstream.Caller{alice, other} {
			wg.Go(func() {
				if _, err := client.As(caller).ListUsers(t.Context(), distinct(i)); err != nil {
					t.Error(err)
				}
			})
		}
		wg.Wait()
	}
	count := map[string]int{}
	for _, key := range s.keys {
		count[key]++
	}
	if len(s.calls) != 2*rounds || count["key"] != rounds || count["other"] != rounds {
		t.Errorf("%d calls, by key %v", len(s.calls), count)
	}
}
