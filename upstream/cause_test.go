package upstream_test

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"syscall"
	"testing"
	"time"

	"go.opentelemetry.io/otel/attribute"
	sdkmetric "go.opentelemetry.io/otel/sdk/metric"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/sdk/trace/tracetest"

	"rollcall/upstream"
)

// TestCause has calls fail at each step between the name look-up and the last
// byte of the body, and checks what the error says about the cause.
func TestCause(t *testing.T) {
	closed := httptest.NewServer(http.NotFoundHandler())
	closed.Close()
	plain := httptest.NewServer(http.NotFoundHandler())
	t.Cleanup(plain.Close)
	foreign := httptest.NewUnstartedServer(http.NotFoundHandler())
	foreign.Config.ErrorLog = log.New(io.Discard, "", 0)
	foreign.StartTLS()
	t.Cleanup(foreign.Close)
	trusting := foreign.Client().Transport.(*http.Transport).Clone()
	trusting.DialContext = func(context.Context, string, string) (net.Conn, error) {
		return net.Dial("tcp", foreign.Listener.Addr().String())
	}
	old := &http.Transport{TLSClientConfig: &tls.Config{InsecureSkipVerify: true, MaxVersion: tls.VersionTLS10, MinVersion: tls.VersionTLS10}}
	// A transport's error quotes the request's URL if an intermediate layer wraps
	// it.
	fails := func(cause error) http.RoundTripper {
		return doer(func(r *http.Request) (*http.Response, error) {
			return nil, &url.Error{Op: "Get", URL: r.URL.String(), Err: cause}
		})
	}
	raw := func(text string) string {
		listener, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = listener.Close() })
		go func() {
			for {
				conn, err := listener.Accept()
				if err != nil {
					return
				}
				_, _ = conn.Read(make([]byte, 4096))
				_, _ = io.WriteString(conn, text)
				_ = conn.Close()
			}
		}()
		return "http://" + listener.Addr().String()
	}
	body := func(text string) string {
		return raw(fmt.Sprintf("HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%s", len(text), text))
	}
	for name, c := range map[string]struct {
		base      string
		transport http.RoundTripper
		failure   string // error.type
		reason    string
	}{
		"nothing listens":                     {closed.URL, nil, "refused", "connection refused"},
		"an unknown name":                     {"https://canary.test", fails(&net.DNSError{Err: "no such host canary", Name: "canary.test", IsNotFound: true}), "dns", "no such host"},
		"a name server that does not respond": {"https://canary.test", fails(&net.DNSError{Err: "i/o timeout canary", IsTimeout: true}), "dns", "the name server did not answer in time"},
		"an unknown authority":                {foreign.URL, http.DefaultTransport.(*http.Transport).Clone(), "tls", "certificate signed by unknown authority"},
		"another host's certificate":          {"https://canary.test", trusting, "tls", "certificate is valid for another host"},
		"plain HTTP instead of TLS":           {"https" + strings.TrimPrefix(plain.URL, "http"), http.DefaultTransport.(*http.Transport).Clone(), "tls", "the server does not speak TLS"},
		"a TLS version that is too old":       {foreign.URL, old, "tls", "the server refused the TLS connection: protocol version not supported"},
		"a reset":                             {"https://canary.test", fails(&net.OpError{Op: "read", Err: syscall.ECONNRESET}), "connection", "connection reset by peer"},
		"no network":                          {"https://canary.test", fails(&net.OpError{Op: "dial", Err: syscall.ENETUNREACH}), "connection", "network is unreachable"},
		"an unknown error":                    {"https://canary.test", fails(errors.New("canary-user")), "connection", "the connection failed"},
		"a response that is not HTTP":         {raw("canary-user\r\n\r\n"), http.DefaultTransport.(*http.Transport).Clone(), "contract", "the response is not valid HTTP"},
		"a malformed head":                    {raw("HTTP/1.1 200 OK\r\ncanary-user\r\n\r\n"), http.DefaultTransport.(*http.Transport).Clone(), "contract", "the response is not valid HTTP"},
		"HTML":                                {body(`<html>canary-user`), nil, "contract", "the page: a value has the wrong type"},
		"a page without has_more":             {body(`{"users":[]}`), nil, "contract", "the page: has_more is missing"},
		"a user without an ID":                {body(`{"users":[{"canary-user":1}],"has_more":false}`), nil, "contract", "the page: users[0]: a required field is missing"},
		"a cursor that does not advance":      {body(`{"users":[],"has_more":true,"next_cursor":"canary-cursor"}`), nil, "contract", "the page: next_cursor is the cursor that was sent"},
		"a body that is not gzip":             {raw("HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: 21\r\n\r\ncanary-user canary-us"), http.DefaultTransport.(*http.Transport).Clone(), "contract", "the body is not valid gzip"},
		"a wrong path":                        {raw("HTTP/1.1 404 Not Found\r\nContent-Length: 22\r\n\r\n{\"detail\":\"Not Found\"}"), nil, "404", "the upstream has no such path: does the base URL end in /v1?"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			base, err := url.Parse(c.base)
			if err != nil {
				t.Fatal(err)
			}
			w := watched{spans: tracetest.NewSpanRecorder(), reader: sdkmetric.NewManualReader()}
			w.Client = upstream.NewClient(upstream.Config{
				BaseURL: base, Timeout: 2 * time.Second, Transport: c.transport,
				TracerProvider: sdktrace.NewTracerProvider(sdktrace.WithSpanProcessor(w.spans)),
				MeterProvider:  sdkmetric.NewMeterProvider(sdkmetric.WithReader(w.reader)),
			})
			t.Cleanup(w.Close)
			q := upstream.PageQuery{Size: 1, Cursor: "canary-cursor", Query: upstream.Query{Filter: upstream.Filter{UserID: "canary-user"}}}
			_, err = w.As(upstream.Caller{Key: upstream.NewAPIKey("canary-key")}).ListUsers(t.Context(), q)
			e, ok := errors.AsType[*upstream.Error](err)
			if !ok {
				t.Fatalf("err is %v", err)
			}
			if e.Reason() != c.reason || strings.Contains(err.Error(), "canary") {
				t.Errorf("the reason is %q, want %q; the text is %q", e.Reason(), c.reason, err)
			}
			if got := w.value(t, "http.client.request.duration", attribute.String("error.type", c.failure)); got < 1 {
				t.Errorf("%v requests failed as %s", got, c.failure)
			}
			for _, s := range w.spans.Ended() {
				if shown := fmt.Sprint(s.Attributes(), s.Status(), s.Events()); !strings.Contains(shown, c.failure) || strings.Contains(shown, "canary-") {
					t.Errorf("traced %s", shown)
				}
			}
		})
	}
}
