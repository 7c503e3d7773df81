package upstream_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"rollcall/upstream"
)

// failing is a client whose calls fail as next decides, and the lines that it
// logs. Use it in a synctest bubble.
type failing struct {
	client *upstream.Client
	log    bytes.Buffer
	next   func(*http.Request) (*http.Response, error)
}

func newFailing(next func(*http.Request) (*http.Response, error)) *failing {
	f := &failing{next: next}
	f.client = upstream.NewClient(upstream.Config{
		BaseURL: &url.URL{Scheme: "https", Host: "upstream.test"}, Log: slog.New(slog.NewJSONHandler(&f.log, nil)),
		Transport: doer(func(r *http.Request) (*http.Response, error) { return f.next(r) }),
	})
	return f
}

// call makes a call with a cursor, a user ID and a key that must not be logged.
func (f *failing) call(t *testing.T) error {
	q := upstream.PageQuery{Size: 1, Cursor: "canary-cursor", Query: upstream.Query{Filter: upstream.Filter{UserID: "canary-user"}}}
	_, err := f.client.As(upstream.Caller{Key: upstream.NewAPIKey("canary-key"), Subject: "canary-subject"}).ListUsers(t.Context(), q)
	return err
}

// lines returns what was logged since the last time.
func (f *failing) lines(t *testing.T) (list []map[string]any) {
	t.Helper()
	defer f.log.Reset()
	if strings.Contains(f.log.String(), "canary") {
		t.Errorf("logged %s", f.log.String())
	}
	for line := range strings.Lines(f.log.String()) {
		var m map[string]any
		if err := json.Unmarshal([]byte(line), &m); err != nil {
			t.Fatal(err)
		}
		list = append(list, m)
	}
	return list
}

// replies returns a transport that responds with a status and a detail.
func replies(status int, detail string) func(*http.Request) (*http.Response, error) {
	return func(r *http.Request) (*http.Response, error) {
		return &http.Response{
			StatusCode: status, Header: http.Header{"X-Trace-Id": {"trace-1"}},
			Body: io.NopCloser(strings.NewReader(`{"detail":{"status":"` + detail + `","message":"canary-body ` + r.URL.String() + `"}}`)),
		}, nil
	}
}

func TestFailureLog(t *testing.T) {
	noHost := func(r *http.Request) (*http.Response, error) {
		return nil, &url.Error{Op: "Get", URL: r.URL.String(), Err: &net.DNSError{Err: "canary", Name: "upstream.test", IsNotFound: true}}
	}
	for name, c := range map[string]struct {
		answer func(*http.Request) (*http.Response, error)
		want   map[string]any
	}{
		"no such host":           {noHost, map[string]any{"msg": "upstream call failed", "kind": "unavailable", "stage": "sending", "status": nil, "cause": "no such host"}},
		"a 422":                  {replies(422, "canary"), map[string]any{"kind": "invalid argument", "stage": "status", "status": 422.0, "upstream_trace_id": "trace-1", "cause": nil}},
		"a key is refused":       {replies(401, "invalid_api_key"), map[string]any{"msg": "the upstream refused the service's API key", "kind": "unauthenticated", "status": 401.0, "cause": nil}},
		"a permission":           {replies(401, "missing_permissions"), map[string]any{"msg": "the upstream refused the service's API key", "kind": "forbidden", "cause": "the key lacks a permission"}},
		"a 404 without an agent": {replies(404, "document_not_found"), map[string]any{"kind": "bad response", "status": 404.0, "cause": "a 404, but the request named no agent or branch"}},
		"a broken contract":      {replies(200, "canary"), map[string]any{"kind": "bad response", "stage": "decoding", "cause": "the page: users is missing"}},
		"a hang": {func(r *http.Request) (*http.Response, error) {
			<-r.Context().Done()
			return nil, r.Context().Err()
		}, map[string]any{"kind": "timeout", "stage": "sending", "cause": "no response in time"}},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				f := newFailing(c.answer)
				if f.call(t) == nil {
					t.Fatal("the call did not fail")
				}
				lines := f.lines(t)
				if len(lines) == 0 {
					t.Fatal("nothing was logged")
				}
				c.want["level"], c.want["suppressed"] = "WARN", 0.0
				for member, want := range c.want {
					if lines[0][member] != want {
						t.Errorf("%s is %v, want %v", member, lines[0][member], want)
					}
				}
			})
		})
	}
	t.Run("one line a second for each kind", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			f := newFailing(replies(422, "canary"))
			for range 10 {
				_ = f.call(t)
			}
			f.next = replies(404, "document_not_found") // another kind
			_ = f.call(t)
			if lines := f.lines(t); len(lines) != 2 || lines[1]["kind"] != "bad response" {
				t.Errorf("logged %v", lines)
			}
			time.Sleep(time.Second) //nolint:forbidigo // in fake time
			f.next = replies(422, "canary")
			_ = f.call(t)
			if lines := f.lines(t); len(lines) != 1 || lines[0]["suppressed"] != 9.0 {
				t.Errorf("logged %v", lines)
			}
		})
	})
	t.Run("a cancelled call is not logged", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			f := newFailing(func(r *http.Request) (*http.Response, error) {
				<-r.Context().Done()
				return nil, r.Context().Err()
			})
			ctx, leave := context.WithCancel(t.Context())
			time.AfterFunc(time.Second, leave)
			_, err := f.client.As(upstream.Caller{}).ListUsers(ctx, upstream.PageQuery{Size: 1})
			synctest.Wait()
			if lines := f.lines(t); !errors.Is(err, context.Canceled) || len(lines) != 0 {
				t.Errorf("err is %v, logged %v", err, lines)
			}
		})
	})
	t.Run("the breaker opens and closes", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			f := newFailing(replies(500, "canary"))
			var wg sync.WaitGroup
			for i := range 40 {
				wg.Go(func() { _, _ = f.client.As(alice).ListUsers(t.Context(), distinct(i)) })
			}
			wg.Wait()
			_ = f.call(t)
			opened := 0
			for _, line := range f.lines(t) {
				if line["level"] != "WARN" {
					t.Errorf("logged %v", line)
				}
				if line["msg"] == "the breaker opened: calls fail without being sent" && line["pause"] == "5s" {
					opened++
				}
			}
			if opened != 1 {
				t.Errorf("%d lines report that the breaker opened", opened)
			}
			time.Sleep(6 * time.Second) //nolint:forbidigo // in fake time
			f.next = func(*http.Request) (*http.Response, error) {
				return &http.Response{StatusCode: http.StatusOK, Header: http.Header{}, Body: io.NopCloser(strings.NewReader(`{"users":[],"has_more":false}`))}, nil
			}
			if err := f.call(t); err != nil {
				t.Fatal(err)
			}
			if lines := f.lines(t); len(lines) != 1 || lines[0]["msg"] != "the breaker closed: calls are sent again" {
				t.Errorf("logged %v", lines)
			}
		})
	})
}
