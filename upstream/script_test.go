package upstream_test

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"time"

	"rollcall/upstream"
)

// script is an upstream whose responses a test scripts, in fake time.
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

// distinct returns the n-th of many different pages.
func distinct(n int) upstream.PageQuery {
	return upstream.PageQuery{Size: 30, Cursor: fmt.Sprint("c", n)}
}

// always responds with one status.
func always(status int) func(int, *http.Request) (int, http.Header) {
	return func(int, *http.Request) (int, http.Header) { return status, nil }
}

// firstly responds to the first request with a status, and to all others with a
// page.
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

var upstreamTest = url.URL{Scheme: "https", Host: "upstream.test"}
