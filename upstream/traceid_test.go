package upstream_test

import (
	"errors"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"rollcall/upstream"
)

// TestTraceIDHasNoKey has upstreams that put the key into the trace ID of each
// kind of failure, as it is and percent-encoded.
func TestTraceIDHasNoKey(t *testing.T) {
	reply := func(status int, body string) http.HandlerFunc {
		return func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("x-trace-id", "1-canary/key-canary%2Fkey")
			w.WriteHeader(status)
			fmt.Fprint(w, body)
		}
	}
	for name, c := range map[string]struct {
		answer http.HandlerFunc
		stage  upstream.Stage
	}{
		"a refusal": {reply(503, ""), upstream.Status},
		"a refusal with the ID in its body": {func(w http.ResponseWriter, _ *http.Request) {
			w.WriteHeader(http.StatusBadRequest)
			fmt.Fprint(w, `{"detail":{"request_id":"1-canary/key-canary%2Fkey"}}`)
		}, upstream.Status},
		"a response that is not a page": {reply(200, "<html>"), upstream.Decoding},
		"a response that is too large":  {reply(200, strings.Repeat(" ", 2<<20+1)), upstream.Reading},
		"a truncated response": {func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Content-Length", "1000")
			reply(200, "{")(w, r)
		}, upstream.Reading},
		"a response that does not end": {func(w http.ResponseWriter, r *http.Request) {
			reply(200, "{")(w, r)
			w.(http.Flusher).Flush()
			<-r.Context().Done()
		}, upstream.Reading},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := watch(t, c.answer, time.Second)
			_, err := w.As(upstream.Caller{Key: upstream.NewAPIKey("canary/key")}).ListUsers(t.Context(), page)
			var e *upstream.Error
			if !errors.As(err, &e) || e.Stage != c.stage {
				t.Fatalf("err is %+v", err)
			}
			if e.TraceID != "1-[redacted]-[redacted]" {
				t.Errorf("the trace ID is %q", e.TraceID)
			}
			for _, span := range w.spans.Ended() {
				if recorded := fmt.Sprint(span.Attributes(), span.Status(), span.Events()); strings.Contains(recorded, "canary") || !strings.Contains(recorded, e.TraceID) {
					t.Errorf("the span is %s", recorded)
				}
			}
		})
	}
}

// TestTraceID has trace IDs in the header and in the body of a refusal: they are
// logged and returned to callers.
func TestTraceID(t *testing.T) {
	long := strings.Repeat("x", 128)
	for name, c := range map[string]struct{ id, want string }{
		"an ID of 128 bytes":      {long, long},
		"a longer one":            {long + "x", ""},
		"one with a space":        {"trace 1", ""},
		"one with a tab":          {"trace\t1", ""},
		"one that is not ASCII":   {"träce", ""},
		"one with a control byte": {"trace\u007f", ""},
	} {
		for place, answer := range map[string]http.HandlerFunc{
			"header": func(w http.ResponseWriter, _ *http.Request) {
				w.Header().Set("x-trace-id", c.id)
				w.WriteHeader(http.StatusBadRequest)
			},
			"body": func(w http.ResponseWriter, _ *http.Request) {
				w.WriteHeader(http.StatusBadRequest)
				fmt.Fprintf(w, `{"detail":{"request_id":%s}}`, text(c.id))
			},
		} {
			t.Run(name+" in the "+place, func(t *testing.T) {
				_, err := serve(t, answer).ListUsers(t.Context(), page)
				if e, ok := errors.AsType[*upstream.Error](err); !ok || e.TraceID != c.want {
					t.Errorf("err is %+v", err)
				}
			})
		}
	}
}
