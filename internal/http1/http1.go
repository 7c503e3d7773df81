// Package http1 is the client's side of HTTP/1.1 (RFC 9112) for requests
// without a body. Whoever asks writes the request and reads the answer. net/http
// has two goroutines for each connection do that, which wake each other and the
// one that waits, and have buffers and stacks of their own.
//
// Answers are read by net/http, whose [http.ReadResponse] knows what servers come
// up with. Ours is what little there is to say to them, which connection carries
// it, and for how long.
//
// A request is sent once. net/http sends a GET again by itself where a kept
// connection breaks, which nobody counts.
package http1

import (
	"bufio"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"sync"
	"time"
)

// Options are what a [Transport] may be told. The zero values stand for the
// defaults.
type Options struct {
	// Dial opens a connection to host:port; by default over TCP, within 5 s.
	Dial func(ctx context.Context, network, address string) (net.Conn, error)
	// TLS is for servers of https.
	TLS *tls.Config
}

const (
	// dialTimeout bounds a connection's making, and then its TLS handshake.
	dialTimeout = 5 * time.Second
	// maxIdle is how many connections are kept for the next requests.
	maxIdle = 256
	// idleTimeout is how long they are kept.
	idleTimeout = 90 * time.Second
	// maxHead is the longest head of an answer, with those of interim ones, in
	// bytes. What is read ahead of the body counts as well.
	maxHead = 64 << 10
	// readBuffer is what is read at once: a page with its head.
	readBuffer = 16 << 10
)

// The errors of a RoundTrip that are not those of the connection.
var (
	// ErrStale says that the server had closed a kept connection by the time
	// that it was used again, or closed it just then.
	ErrStale = errors.New("the connection was kept, and closed by the server")
	// ErrHead says that the answer's head is longer than 64 KiB.
	ErrHead = errors.New("the answer's head is larger than 64 KiB")

	errHeader = errors.New("a header that cannot be sent")
	errBody   = errors.New("a request with a body")
	errSwitch = errors.New("the answer switches to another protocol")
	errEarly  = errors.New("read after Close")
)

// Transport sends requests to one server. It is an [http.RoundTripper], asks
// for gzip and takes it off as [http.Transport] does, and is safe for concurrent
// use. Requests have no body, and their answers' bodies are read to the end or
// closed. Their context bounds all until then.
type Transport struct {
	options Options
	scheme  string
	address string
	kept    pool
	scratch sync.Pool // of *scratch
}

// scratch is what an exchange needs for as long as it lasts.
type scratch struct {
	out []byte
	in  *bufio.Reader
}

// NewTransport returns a transport to a server such as https://api.elevenlabs.io.
// It opens no connection before the first request.
func NewTransport(server *url.URL, o Options) *Transport {
	if o.Dial == nil {
		o.Dial = (&net.Dialer{Timeout: dialTimeout}).DialContext
	}
	port := server.Port()
	if port == "" {
		port = map[string]string{"http": "80", "https": "443"}[server.Scheme]
	}
	if server.Scheme == "https" {
		o.TLS = o.TLS.Clone() // of nil, nil
		if o.TLS == nil {
			o.TLS = new(tls.Config)
		}
		if o.TLS.ServerName == "" {
			o.TLS.ServerName = server.Hostname()
		}
		o.TLS.NextProtos = []string{"http/1.1"}
	}
	return &Transport{options: o, scheme: server.Scheme, address: net.JoinHostPort(server.Hostname(), port)}
}

// CloseIdleConnections closes the connections that are kept.
func (t *Transport) CloseIdleConnections() { t.kept.clear() }

// RoundTrip sends a request, over a connection that was kept where there is
// one. The error is [ErrStale], [ErrHead], that of the connection, or the cause
// of the context's end. Where it is ErrStale the server has most likely not
// seen the request.
func (t *Transport) RoundTrip(req *http.Request) (*http.Response, error) {
	if req.Body != nil {
		return nil, errBody
	}
	ctx := req.Context()
	if ctx.Err() != nil { // else it would be sent, and then given up
		return nil, context.Cause(ctx)
	}
	c, reused := t.kept.take(time.Now())
	if !reused {
		var err error
		if c, err = t.dial(ctx); err != nil {
			return nil, endOf(ctx, err)
		}
	}
	s, ok := t.scratch.Get().(*scratch)
	if !ok {
		s = &scratch{in: bufio.NewReaderSize(nil, readBuffer)}
	}
	s.in.Reset(c)
	x := &exchange{transport: t, conn: c, scratch: s}
	x.stop = context.AfterFunc(ctx, func() {
		cause := context.Cause(ctx)
		x.cause.Store(&cause)
		c.abort()
	})

	zip := req.Header.Get("Accept-Encoding") == ""
	resp, err := x.ask(req, zip, reused)
	if err != nil {
		x.end(false)
		return nil, endOf(ctx, err)
	}
	x.body, x.keep = resp.Body, !resp.Close
	resp.Body = x
	if zip && resp.Header.Get("Content-Encoding") == "gzip" {
		resp.Body = &unzipped{exchange: x}
		resp.Header.Del("Content-Encoding")
		resp.Header.Del("Content-Length")
		resp.ContentLength, resp.Uncompressed = -1, true
	}
	return resp, nil
}

// endOf is the error of a request whose time is up, or that nobody wants any
// more, and else err.
func endOf(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	return err
}

// dial opens a connection.
func (t *Transport) dial(ctx context.Context) (*conn, error) {
	raw, err := t.options.Dial(ctx, "tcp", t.address)
	if err != nil {
		return nil, err
	}
	c := &conn{Conn: raw, probe: newProbe(raw)}
	if t.scheme != "https" {
		return c, nil
	}
	secured := tls.Client(raw, t.options.TLS)
	ctx, cancel := context.WithTimeout(ctx, dialTimeout)
	defer cancel()
	if err := secured.HandshakeContext(ctx); err != nil {
		_ = raw.Close()
		return nil, fmt.Errorf("TLS handshake: %w", err)
	}
	c.Conn = secured
	return c, nil
}
