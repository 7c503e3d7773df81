package http1_test

import (
	"bufio"
	"compress/gzip"
	"context"
	"crypto/tls"
	"errors"
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

// TestAnAnswerThatIsNotReadEndsItsConnection: what is left of it would be taken
// for the next answer.
func TestAnAnswerThatIsNotReadEndsItsConnection(t *testing.T) {
	s := serve(t, func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, strings.Repeat("x", 100_000)) }, (*httptest.Server).Start)
	tr := transport(t, s.URL, http1.Options{})
	for range 3 {
		req, _ := http.NewRequestWithContext(t.Context(), http.MethodGet, s.URL, nil)
		resp, err := tr.RoundTrip(req)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := io.ReadFull(resp.Body, make([]byte, 10)); err != nil {
			t.Fatal(err)
		}
		resp.Body.Close()
		if n, err := resp.Body.Read(make([]byte, 10)); n != 0 || err == nil || err == io.EOF {
			t.Errorf("read %d after Close, %v", n, err)
		}
	}
	if n := s.conns.Load(); n != 3 {
		t.Errorf("%d connections", n)
	}
}

// script is a server that says what it is told to on each of its connections,
// once a request has arrived.
func script(t *testing.T, connections ...func(net.Conn, *bufio.Reader)) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	var wg sync.WaitGroup
	wg.Go(func() {
		for _, say := range connections {
			c, err := l.Accept()
			if err != nil {
				return
			}
			wg.Go(func() {
				defer c.Close()
				lines := bufio.NewReader(c)
				if _, err := http.ReadRequest(lines); err == nil {
					say(c, lines)
				}
			})
		}
	})
	t.Cleanup(wg.Wait)
	t.Cleanup(func() { _ = l.Close() })
	return "http://" + l.Addr().String()
}

const ok = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"

// say answers one request and waits for the other side to close.
func say(text string) func(net.Conn, *bufio.Reader) {
	return func(c net.Conn, r *bufio.Reader) {
		_, _ = io.WriteString(c, text)
		_, _ = io.Copy(io.Discard, r)
	}
}

func TestWhatServersComeUpWith(t *testing.T) {
	for name, c := range map[string]struct {
		says string
		hang bool // after that, instead of closing
		want string
		is   error
	}{
		"nothing":                     {is: io.EOF},
		"no HTTP":                     {says: "SSH-2.0-x\r\n\r\n"},
		"half a head":                 {says: "HTTP/1.1 200 OK\r\nConte"},
		"half a body":                 {says: "HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nok", want: "ok", is: io.ErrUnexpectedEOF},
		"half a chunk":                {says: "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nok", want: "ok", is: io.ErrUnexpectedEOF},
		"no length, as HTTP/1.0 may":  {says: "HTTP/1.0 200 OK\r\n\r\nok", want: "ok"},
		"two lengths":                 {says: "HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 3\r\n\r\nok"},
		"a length below nothing":      {says: "HTTP/1.1 200 OK\r\nContent-Length: -2\r\n\r\nok"},
		"an endless head":             {says: "HTTP/1.1 200 OK\r\nX: " + strings.Repeat("x", 200_000), hang: true, is: http1.ErrHead},
		"endless hints":               {says: strings.Repeat("HTTP/1.1 103 Early Hints\r\nX: y\r\n\r\n", 10_000), hang: true, is: http1.ErrHead},
		"another protocol":            {says: "HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\nConnection: upgrade\r\n\r\n", hang: true},
		"no gzip":                     {says: "HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: 2\r\n\r\nok", is: io.ErrUnexpectedEOF},
		"gzip that ends in the midst": {says: "HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: 10\r\n\r\n\x1f\x8b\x08\x00\x00\x00\x00\x00\x00\xff", is: io.ErrUnexpectedEOF},
	} {
		t.Run(name, func(t *testing.T) {
			target := script(t, func(conn net.Conn, r *bufio.Reader) {
				_, _ = io.WriteString(conn, c.says)
				if c.hang {
					_, _ = io.Copy(io.Discard, r)
				}
			})
			ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
			defer cancel()
			_, body, err := get(ctx, transport(t, target, http1.Options{}), target)
			failed := err != nil
			if body != c.want || failed != (c.is != nil || c.want == "") || c.is != nil && !errors.Is(err, c.is) {
				t.Errorf("got %q, %v", body, err)
			}
			if errors.Is(err, http1.ErrStale) {
				t.Errorf("a new connection is stale: %v", err)
			}
		})
	}
}

// TestAClosedConnectionIsNotUsed has a server that closes each connection after
// its answer, without a word. Whoever does not look would find out by a request
// that fails.
func TestAClosedConnectionIsNotUsed(t *testing.T) {
	answer := func(c net.Conn, _ *bufio.Reader) { _, _ = io.WriteString(c, ok) }
	target := script(t, answer, answer, answer)
	tr := transport(t, target, http1.Options{})
	for i := range 3 {
		if _, body, err := get(t.Context(), tr, target); err != nil || body != "ok" {
			t.Fatalf("%d: %q, %v", i, body, err)
		}
		time.Sleep(20 * time.Millisecond) //nolint:forbidigo // the other side's end is on its way
	}
}

// TestWhatNobodyAskedForIsNobodysAnswer has servers that say more than they were
// asked, at once and later.
func TestWhatNobodyAskedForIsNobodysAnswer(t *testing.T) {
	const more = "HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nevil"
	for name, first := range map[string]func(net.Conn, *bufio.Reader){
		"at once": say(ok + more),
		"later": func(c net.Conn, r *bufio.Reader) {
			_, _ = io.WriteString(c, ok)
			time.Sleep(10 * time.Millisecond) //nolint:forbidigo // until the answer is read
			_, _ = io.WriteString(c, more)
			_, _ = io.Copy(io.Discard, r)
		},
	} {
		t.Run(name, func(t *testing.T) {
			target := script(t, first, say(ok))
			tr := transport(t, target, http1.Options{})
			for range 2 {
				if _, body, err := get(t.Context(), tr, target); err != nil || body != "ok" {
					t.Fatalf("%q, %v", body, err)
				}
				time.Sleep(30 * time.Millisecond) //nolint:forbidigo // until more has come
			}
		})
	}
}

// TestAStaleConnectionIsSaidToBe has a server that closes as it is asked again.
func TestAStaleConnectionIsSaidToBe(t *testing.T) {
	target := script(t, func(c net.Conn, r *bufio.Reader) {
		_, _ = io.WriteString(c, ok)
		_, _ = http.ReadRequest(r)
	}, say(ok))
	tr := transport(t, target, http1.Options{})
	if _, _, err := get(t.Context(), tr, target); err != nil {
		t.Fatal(err)
	}
	if _, _, err := get(t.Context(), tr, target); !errors.Is(err, http1.ErrStale) {
		t.Errorf("got %v", err)
	}
	if _, body, err := get(t.Context(), tr, target); err != nil || body != "ok" {
		t.Errorf("after it: %q, %v", body, err)
	}
}

func TestTheContextEndsWhateverIsGoingOn(t *testing.T) {
	left := errors.New("left")
	for name, hangs := range map[string]func(net.Conn, *bufio.Reader){
		"before the head":    say(""),
		"within the head":    say("HTTP/1.1 200 OK\r\n"),
		"within the body":    say("HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nok"),
		"between two chunks": say("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n"),
	} {
		t.Run(name, func(t *testing.T) {
			target := script(t, hangs, hangs)
			tr := transport(t, target, http1.Options{})
			ctx, leave := context.WithCancelCause(t.Context())
			time.AfterFunc(20*time.Millisecond, func() { leave(left) })
			if _, _, err := get(ctx, tr, target); !errors.Is(err, left) {
				t.Errorf("left: %v", err)
			}
			ctx, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
			defer cancel()
			if _, _, err := get(ctx, tr, target); !errors.Is(err, context.DeadlineExceeded) {
				t.Errorf("out of time: %v", err)
			}
		})
	}
	t.Run("before it began", func(t *testing.T) {
		tr := transport(t, "http://127.0.0.1:1", http1.Options{Dial: func(context.Context, string, string) (net.Conn, error) {
			t.Error("a connection is made")
			return nil, net.ErrClosed
		}})
		ctx, leave := context.WithCancelCause(t.Context())
		leave(left)
		if _, _, err := get(ctx, tr, "http://127.0.0.1:1"); !errors.Is(err, left) {
			t.Errorf("got %v", err)
		}
	})
	t.Run("while it connects", func(t *testing.T) {
		tr := transport(t, "http://127.0.0.1:1", http1.Options{Dial: func(ctx context.Context, _, _ string) (net.Conn, error) {
			<-ctx.Done()
			return nil, ctx.Err()
		}})
		ctx, leave := context.WithCancelCause(t.Context())
		time.AfterFunc(20*time.Millisecond, func() { leave(left) })
		if _, _, err := get(ctx, tr, "http://127.0.0.1:1"); !errors.Is(err, left) {
			t.Errorf("got %v", err)
		}
	})
	t.Run("in the handshake", func(t *testing.T) {
		l, err := net.Listen("tcp", "127.0.0.1:0") // which nobody answers on
		if err != nil {
			t.Fatal(err)
		}
		defer l.Close()
		target := "https://" + l.Addr().String()
		ctx, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
		defer cancel()
		if _, _, err := get(ctx, transport(t, target, http1.Options{TLS: &tls.Config{}}), target); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("got %v", err)
		}
	})
}

// TestAnEndThatComesLateHarmsNobody ends contexts as their answers are read, and
// sends the next request over what is kept.
func TestAnEndThatComesLateHarmsNobody(t *testing.T) {
	s := serve(t, func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, "ok") }, (*httptest.Server).Start)
	tr := transport(t, s.URL, http1.Options{})
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() {
			for range 300 {
				ctx, leave := context.WithCancel(t.Context())
				go leave()
				if _, body, err := get(ctx, tr, s.URL); err == nil && body != "ok" {
					t.Errorf("got %q", body)
				}
				if _, body, err := get(t.Context(), tr, s.URL); err != nil || body != "ok" {
					t.Errorf("the next one got %q, %v", body, err)
				}
			}
		})
	}
	wg.Wait()
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
