package transport_test

import (
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"rollcall/graph/internal/graphtest"
	"rollcall/upstream/emulator"
)

// slowReader is a response writer whose caller reads at a rate in bytes a second,
// or not at all if it is 0, and nothing after stop bytes unless that is 0. A write fails when its deadline expires, as on a
// connection.
type slowReader struct {
	header   http.Header
	rate     int
	stop     int
	deadline time.Time
	written  int
	err      error
}

func (s *slowReader) Header() http.Header { return s.header }
func (s *slowReader) WriteHeader(int)     {}

func (s *slowReader) SetWriteDeadline(at time.Time) error {
	s.deadline = at
	return nil
}

func (s *slowReader) Write(b []byte) (int, error) {
	ready := time.Now().Add(time.Hour)
	if s.rate > 0 && (s.stop == 0 || s.written < s.stop) {
		ready = time.Now().Add(time.Duration(len(b)) * time.Second / time.Duration(s.rate))
	}
	if !s.deadline.IsZero() && ready.After(s.deadline) {
		time.Sleep(time.Until(s.deadline)) //nolint:forbidigo // in a synctest bubble
		s.err = os.ErrDeadlineExceeded
		return 0, s.err
	}
	time.Sleep(time.Until(ready)) //nolint:forbidigo // in a synctest bubble
	s.written += len(b)
	return len(b), nil
}

func TestSlowReaders(t *testing.T) {
	for name, test := range map[string]struct {
		rate     int
		stop     int
		complete bool
		atMost   time.Duration
	}{
		"a caller that reads nothing":          {rate: 0, atMost: 10 * time.Second},
		"a caller that reads 10 KiB a second":  {rate: 10 << 10, atMost: 13 * time.Second},
		"a caller that stops reading":          {rate: 1 << 20, stop: 192 << 10, atMost: 10500 * time.Millisecond},
		"a caller that reads 128 KiB a second": {rate: 128 << 10, complete: true, atMost: time.Minute},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := graphtest.New(t, graphtest.Options{RoundTripper: inMemory{emulator.New(emulator.Options{Users: 500})}})
				query := `{"query":"{ a: users(first: 500) { ...u } b: users(first: 500) { ...u } } fragment u on UserConnection { edges { cursor node { id userId conversationCount lastContactAgentName mostFrustratedConversations { conversation { conversationId } startedAt label } sentiment { overall { positiveCount neutralCount } } } } }"}`
				r, _ := http.NewRequestWithContext(t.Context(), http.MethodPost, "/graphql", strings.NewReader(query))
				r.Header.Set("Content-Type", "application/json")
				w := &slowReader{header: http.Header{}, rate: test.rate, stop: test.stop}
				began := time.Now()
				s.Handler.ServeHTTP(w, r)
				took := time.Since(began)
				if complete := w.err == nil; complete != test.complete || took > test.atMost {
					t.Errorf("complete is %v after %v, with %d bytes", complete, took, w.written)
				}
				if w.err == nil && w.written < 200_000 {
					t.Errorf("the response has only %d bytes", w.written)
				}
			})
		})
	}
}

// inMemory is an upstream without a network.
type inMemory struct{ http.Handler }

func (u inMemory) RoundTrip(r *http.Request) (*http.Response, error) {
	w := httptest.NewRecorder()
	u.ServeHTTP(w, r)
	return w.Result(), nil
}
