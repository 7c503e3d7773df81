package http1_test

import (
	"bufio"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"rollcall/internal/http1"
)

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
