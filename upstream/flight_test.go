package upstream_test

import (
	"context"
	"errors"
	"io"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"rollcall/upstream"
)

// slow is an upstream that takes a second for each call, and counts its calls.
type slow struct{ calls, cancelled atomic.Int32 }

func (s *slow) answer(r *http.Request) (*http.Response, error) {
	s.calls.Add(1)
	select {
	case <-time.After(time.Second):
		return &http.Response{StatusCode: http.StatusOK, Header: http.Header{}, Body: io.NopCloser(strings.NewReader(`{"users":[],"has_more":false}`))}, nil
	case <-r.Context().Done():
		s.cancelled.Add(1)
		return nil, r.Context().Err()
	}
}

var (
	alice = upstream.Caller{Key: upstream.NewAPIKey("key"), Subject: "alice"}
	bob   = upstream.Caller{Key: upstream.NewAPIKey("key"), Subject: "bob"}
	other = upstream.Caller{Key: upstream.NewAPIKey("other")}
	page  = upstream.PageQuery{Size: 30}
)

func TestFlight(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var s slow
		client, _ := newSession(s.answer, alice)
		var wg sync.WaitGroup
		list := func(caller upstream.Caller, q upstream.PageQuery) {
			wg.Go(func() {
				if _, err := client.As(caller).ListUsers(t.Context(), q); err != nil {
					t.Error(err)
				}
			})
		}
		for range 40 {
			list(alice, page)
			list(bob, page)
			list(other, page)
			list(alice, upstream.PageQuery{Size: 31})
		}
		wg.Wait()
		if n := s.calls.Load(); n != 3 { // alice and bob have the same key
			t.Errorf("%d calls, want 3", n)
		}
		list(alice, page) // the calls above have ended
		wg.Wait()
		if n := s.calls.Load(); n != 4 {
			t.Errorf("%d calls, want 4", n)
		}
	})
}

func TestFlightIsCancelledWithItsLastCaller(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var s slow
		_, session := newSession(s.answer, alice)
		var wg sync.WaitGroup
		list := func(patience time.Duration, want error) {
			wg.Go(func() {
				ctx, cancel := context.WithTimeout(t.Context(), patience)
				defer cancel()
				began := time.Now()
				_, err := session.ListUsers(ctx, page)
				if !errors.Is(err, want) {
					t.Errorf("err is %v, want %v", err, want)
				}
				if took := time.Since(began); took > patience || took > time.Second {
					t.Errorf("waited for %v", took)
				}
			})
		}
		first, leave := context.WithCancel(t.Context())
		wg.Go(func() { _, _ = session.ListUsers(first, page) }) // this caller started the call
		synctest.Wait()
		time.AfterFunc(100*time.Millisecond, leave)
		list(200*time.Millisecond, context.DeadlineExceeded)
		list(2*time.Second, nil)
		wg.Wait()
		if s.calls.Load() != 1 || s.cancelled.Load() != 0 {
			t.Errorf("%d calls, %d cancelled; want 1, 0", s.calls.Load(), s.cancelled.Load())
		}

		list(200*time.Millisecond, context.DeadlineExceeded) // the first caller's call ends with its last caller
		synctest.Wait()
		list(100*time.Millisecond, context.DeadlineExceeded)
		wg.Wait()
		synctest.Wait()
		if s.calls.Load() != 2 || s.cancelled.Load() != 1 {
			t.Errorf("%d calls, %d cancelled; want 2, 1", s.calls.Load(), s.cancelled.Load())
		}
		list(2*time.Second, nil) // starts a new call
		wg.Wait()
		if s.calls.Load() != 3 {
			t.Errorf("%d calls, want 3", s.calls.Load())
		}
	})
}

func TestFlightCancellation(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var s slow
		_, session := newSession(s.answer, alice)
		ctx, cancel := context.WithCancel(t.Context())
		time.AfterFunc(time.Millisecond, cancel)
		_, err := session.ListUsers(ctx, page)
		if !errors.Is(err, context.Canceled) {
			t.Errorf("err is %v", err)
		}
		synctest.Wait()
		if s.cancelled.Load() != 1 {
			t.Error("the call is still in flight")
		}
	})
}

func TestPanicInACall(t *testing.T) {
	_, session := newSession(func(*http.Request) (*http.Response, error) { panic("canary") }, alice)
	if _, err := session.ListUsers(t.Context(), page); err == nil {
		t.Error("no error")
	}
}

// TestFlightOfAnotherDeadline joins a call that is refused because its first
// caller's time is used up.
func TestFlightOfAnotherDeadline(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &script{answer: always(200), takes: 3 * time.Second}
		client := s.client(upstream.Config{Concurrency: 1})
		var wg sync.WaitGroup
		wg.Go(func() { _, _ = client.As(alice).ListUsers(t.Context(), distinct(0)) })
		synctest.Wait()
		wg.Go(func() {
			ctx, cancel := context.WithTimeout(t.Context(), time.Second)
			defer cancel()
			if _, err := client.As(alice).ListUsers(ctx, page); kind(err) != "timeout" {
				t.Errorf("err is %v", err)
			}
		})
		synctest.Wait()
		if _, err := client.As(bob).ListUsers(t.Context(), page); err != nil {
			t.Errorf("the caller with time left got %v", err)
		}
		wg.Wait()
	})
}
