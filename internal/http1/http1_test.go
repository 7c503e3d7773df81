package http1_test

import (
	"bufio"
	"compress/gzip"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"

	"rollcall/internal/http1"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// counted is a server that counts its connections.
type counted struct {
	*httptest.Server
	conns atomic.Int32
}

func serve(t *testing.T, handler http.HandlerFunc, start func(*httptest.Server)) *counted {
	t.Helper()
	s := &counted{Server: httptest.NewUnstartedServer(handler)}
	s.Config.ConnState = func(_ net.Conn, state http.ConnState) {
		if state == http.StateNew {
			s.conns.Add(1)
		}
	}
	start(s.Server)
	t.Cleanup(s.Close)
	return s
}

func transport(t *testing.T, server string, o http1.Options) *http1.Transport {
	t.Helper()
	u, err := url.Parse(server)
	if err != nil {
		t.Fatal(err)
	}
	tr := http1.NewTransport(u, o)
	t.Cleanup(tr.CloseIdleConnections)
	return tr
}

// get sends a request and reads all of the answer.
func get(ctx context.Context, tr *http1.Transport, target string) (*http.Response, string, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, target, nil)
	if err != nil {
		return nil, "", err
	}
	resp, err := tr.RoundTrip(req)
	if err != nil {
		return nil, "", err
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	return resp, string(body), err
}

func TestWhatIsSent(t *testing.T) {
	s := serve(t, func(w http.ResponseWriter, r *http.Request) {
		fmt.Fprintf(w, "%s %s %s %v", r.Method, r.Host, r.RequestURI, r.Header)
	}, (*httptest.Server).Start)
	tr := transport(t, s.URL, http1.Options{})
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, s.URL+"/a%20b?q=%C3%A4&c=x/y", nil)
	if err != nil {
		t.Fatal(err)
	}
	req.Header = http.Header{"Xi-Api-Key": {"secret"}, "Accept": {"a", "b"}}
	resp, err := tr.RoundTrip(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	body, _ := io.ReadAll(resp.Body)
	want := "GET " + strings.TrimPrefix(s.URL, "http://") + " /a%20b?q=%C3%A4&c=x/y map[Accept:[a b] Accept-Encoding:[gzip] Xi-Api-Key:[secret]]"
	if string(body) != want {
		t.Errorf("got %s\nwant %s", body, want)
	}
	if len(req.Header) != 2 {
		t.Errorf("the caller's header has become %v", req.Header)
	}

	for name, value := range map[string]string{"X": "a\r\nInjected: b", "X\r\nInjected": "b", "": "x", "Y": "\x00"} {
		req.Header = http.Header{name: {value}}
		if resp, err := tr.RoundTrip(req); err == nil {
			resp.Body.Close()
			t.Errorf("%q: %q was sent", name, value)
		}
	}
	req.Header, req.Body = nil, io.NopCloser(strings.NewReader("x"))
	if resp, err := tr.RoundTrip(req); err == nil {
		resp.Body.Close()
		t.Error("a body was sent, or forgotten")
	}
}

// TestConnectionsAreKept counts the connections that ten requests take.
func TestConnectionsAreKept(t *testing.T) {
	big := strings.Repeat("0123456789", 10_000)
	for name, c := range map[string]struct {
		handler http.HandlerFunc
		want    string
		conns   int32
	}{
		"a length":      {func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, "ok") }, "ok", 1},
		"much":          {func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, big) }, big, 1},
		"no body":       {func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusNoContent) }, "", 1},
		"an empty body": {func(http.ResponseWriter, *http.Request) {}, "", 1},
		"chunks": {func(w http.ResponseWriter, _ *http.Request) {
			for range 3 {
				fmt.Fprint(w, "ok")
				w.(http.Flusher).Flush()
			}
		}, "okokok", 1},
		"gzip": {func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Encoding", "gzip")
			zip := gzip.NewWriter(w)
			fmt.Fprint(zip, big)
			_ = zip.Close()
		}, big, 1},
		"early hints": {func(w http.ResponseWriter, _ *http.Request) {
			w.WriteHeader(http.StatusEarlyHints)
			fmt.Fprint(w, "ok")
		}, "ok", 1},
		"the server's wish to close": {func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Connection", "close")
			fmt.Fprint(w, "ok")
		}, "ok", 10},
	} {
		t.Run(name, func(t *testing.T) {
			for scheme, start := range map[string]func(*httptest.Server){"http": (*httptest.Server).Start, "https": (*httptest.Server).StartTLS} {
				s := serve(t, c.handler, start)
				var o http1.Options
				if scheme == "https" {
					o.TLS = s.Client().Transport.(*http.Transport).TLSClientConfig
				}
				tr := transport(t, s.URL, o)
				for range 10 {
					resp, body, err := get(t.Context(), tr, s.URL)
					if err != nil || body != c.want {
						t.Fatalf("%s: %d bytes, %v", scheme, len(body), err)
					}
					if resp.Header.Get("Content-Encoding") != "" || resp.ProtoMajor != 1 {
						t.Errorf("%s: %s %v", scheme, resp.Proto, resp.Header)
					}
				}
				if n := s.conns.Load(); n != c.conns {
					t.Errorf("%s: %d connections, want %d", scheme, n, c.conns)
				}
			}
		})
	}
}

func TestWhoCannotShowWhoTheyAreIsToldNothing(t *testing.T) {
	asked := false
	s := serve(t, func(http.ResponseWriter, *http.Request) { asked = true }, (*httptest.Server).StartTLS)
	s.Config.ErrorLog = nil
	if _, _, err := get(t.Context(), transport(t, s.URL, http1.Options{}), s.URL); err == nil || asked {
		t.Errorf("got %v", err)
	}
	trusting := s.Client().Transport.(*http.Transport).TLSClientConfig.Clone()
	trusting.ServerName = "other.test"
	if _, _, err := get(t.Context(), transport(t, s.URL, http1.Options{TLS: trusting}), s.URL); err == nil || asked {
		t.Errorf("another name: got %v", err)
	}
}

// TestConnectionsAreNotKeptForever has connections in memory, in fake time.
func TestConnectionsAreNotKeptForever(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const atOnce = 300
		var open, most atomic.Int32
		dial := func(context.Context, string, string) (net.Conn, error) {
			client, server := net.Pipe()
			most.Store(max(most.Load(), open.Add(1)))
			go func() {
				defer open.Add(-1)
				defer server.Close()
				for lines := bufio.NewReader(server); ; {
					if _, err := http.ReadRequest(lines); err != nil {
						return
					}
					time.Sleep(time.Second) //nolint:forbidigo // in fake time
					_, _ = io.WriteString(server, ok)
				}
			}()
			return client, nil
		}
		tr := http1.NewTransport(&url.URL{Scheme: "http", Host: "x.test"}, http1.Options{Dial: dial})
		burst := func(n int) {
			var wg sync.WaitGroup
			for range n {
				wg.Go(func() {
					if _, body, err := get(t.Context(), tr, "http://x.test"); err != nil || body != "ok" {
						t.Errorf("%q, %v", body, err)
					}
				})
			}
			wg.Wait()
			synctest.Wait()
		}
		burst(atOnce)
		if n := open.Load(); n != 256 {
			t.Errorf("%d are kept", n)
		}
		time.Sleep(60 * time.Second) //nolint:forbidigo // in fake time
		burst(10)
		if n := most.Load(); n != atOnce {
			t.Errorf("%d were made", n)
		}
		time.Sleep(40 * time.Second) //nolint:forbidigo // in fake time
		synctest.Wait()
		if n := open.Load(); n != 10 {
			t.Errorf("%d are kept after a while", n)
		}
		time.Sleep(100 * time.Second) //nolint:forbidigo // in fake time
		synctest.Wait()
		if n := open.Load(); n != 0 {
			t.Errorf("%d are kept in the end", n)
		}
	})
}
