package upstream_test

import (
	"fmt"
	"net/http"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"rollcall/upstream"
)

func TestRetry(t *testing.T) {
	for name, c := range map[string]struct {
		answer func(int, *http.Request) (int, http.Header)
		calls  int
		want   string // the kind of the error
		within time.Duration
	}{
		"a 500":                             {firstly(500, nil), 2, "<nil>", 200 * time.Millisecond},
		"a 503":                             {firstly(503, nil), 2, "<nil>", 200 * time.Millisecond},
		"a 503 with Retry-After":            {firstly(503, http.Header{"Retry-After": {"2"}}), 2, "<nil>", 2 * time.Second},
		"a 408":                             {firstly(408, nil), 2, "<nil>", 200 * time.Millisecond},
		"a connection that breaks":          {firstly(0, nil), 2, "<nil>", 200 * time.Millisecond},
		"a constant 503 has two attempts":   {always(503), 2, "unavailable", 200 * time.Millisecond},
		"a 429":                             {firstly(429, nil), 2, "<nil>", time.Second},
		"a 429 with Retry-After":            {firstly(429, http.Header{"Retry-After": {"3"}}), 2, "<nil>", 3 * time.Second},
		"a 429 with a date":                 {firstly(429, http.Header{"Retry-After": {"Sat, 01 Jan 2000 00:00:04 GMT"}}), 2, "<nil>", 4 * time.Second},
		"not a 429 whose pause is too long": {firstly(429, http.Header{"Retry-After": {"60"}}), 1, "rate limited", 0},
		"not a 503 whose pause is too long": {firstly(503, http.Header{"Retry-After": {"60"}}), 1, "unavailable", 0},
		"not a 400":                         {firstly(400, nil), 1, "invalid argument", 0},
		"not a 401":                         {firstly(401, nil), 1, "unauthenticated", 0},
		"not a 404 without an agent":        {firstly(404, nil), 1, "bad response", 0},
		"not a 422":                         {firstly(422, nil), 1, "invalid argument", 0},
		"not a response that is not a page": {firstly(299, nil), 1, "bad response", 0},
		"not a hang":                        {firstly(-1, nil), 1, "timeout", 8 * time.Second},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) { // synctest starts at 2000-01-01
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

// TestRetryBudgetInOutage counts the requests if each response is a
// 503 and many callers call at once.
func TestRetryBudgetInOutage(t *testing.T) {
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

// TestRetryBudget has too few failures for the breaker to open: only the budget
// limits second attempts to a tenth.
func TestRetryBudget(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &script{answer: func(_ int, r *http.Request) (int, http.Header) {
			if r.URL.Query().Get("page_size") == "2" {
				return 503, nil
			}
			return 200, nil
		}}
		session := s.client(upstream.Config{}).As(alice)
		const operations = 5000
		for i := range operations { // successes save no more than a few second attempts
			_, _ = session.ListUsers(t.Context(), upstream.PageQuery{Size: 1, Cursor: fmt.Sprint("before ", i)})
		}
		s.calls = nil
		for i := range operations {
			q := distinct(i)
			q.Size = 1 + i%5 // one in five fails, and its second attempt too
			_, _ = session.ListUsers(t.Context(), q)
		}
		if ratio := float64(len(s.calls)) / operations; ratio > 1.11 || ratio < 1.09 {
			t.Errorf("%.3f calls for each operation, want 1.1", ratio)
		}
	})
}
