package upstream

import (
	"context"
	"crypto/tls"
	"errors"
	"net"
	"net/http"
	"sync"
	"time"
)

// Each API key has its own connections. HTTP/1.1 has no request IDs: if a server
// responds twice to a request, the surplus response can be mistaken for the
// response to the connection's next request, and no client can always detect
// that. Because a connection carries requests of one key only, no key can receive
// a response that was sent to another.

const (
	// dialTimeout bounds a connection's dial, and then its TLS handshake.
	dialTimeout = 5 * time.Second
	// idleTimeout is how long a connection of a busy key may be idle.
	idleTimeout = 90 * time.Second
	// maxHeader is the longest response head, interim responses included, in bytes.
	maxHeader = 64 << 10
	// reserveRetry is how often a dial that waits at the bound searches for an idle
	// connection, in addition to whenever a connection is closed.
	reserveRetry = 10 * time.Millisecond
)

var errAllInUse = errors.New("all connections are in use")

// newTransport returns the template of all keys' transports.
func newTransport() *http.Transport {
	var protocols http.Protocols
	protocols.SetHTTP1(true)
	return &http.Transport{
		Proxy:       http.ProxyFromEnvironment,
		DialContext: (&net.Dialer{Timeout: dialTimeout}).DialContext,
		// All keys share one session cache: a session identifies the process to
		// the server, and carries nothing of a request.
		TLSClientConfig:        &tls.Config{ClientSessionCache: tls.NewLRUClientSessionCache(0), MinVersion: tls.VersionTLS12},
		TLSHandshakeTimeout:    dialTimeout,
		IdleConnTimeout:        idleTimeout,
		MaxResponseHeaderBytes: maxHeader,
		Protocols:              &protocols,
	}
}

// connections counts the connections of all keys. It is safe for concurrent use.
type connections struct {
	limit     int
	evictIdle func(forKey *limiter) // closes idle connections of other keys

	mu     sync.Mutex
	open   int           // connections, including those that are being dialled
	closed chan struct{} // closed, and replaced, when a connection is closed
}

func newConnections(limit int, evictIdle func(forKey *limiter)) *connections {
	return &connections{limit: limit, evictIdle: evictIdle, closed: make(chan struct{})}
}

// transport returns a transport for one key's limiter.
func (c *connections) transport(template *http.Transport, l *limiter, idle int) *http.Transport {
	t := template.Clone()
	t.MaxIdleConnsPerHost = idle
	dial := template.DialContext
	if dial == nil {
		dial = (&net.Dialer{Timeout: dialTimeout}).DialContext
	}
	t.DialContext = func(ctx context.Context, network, address string) (net.Conn, error) {
		if err := c.reserve(ctx, l); err != nil {
			return nil, err
		}
		conn, err := dial(ctx, network, address)
		if err != nil {
			c.release(l)
			return nil, err
		}
		return &countedConn{Conn: conn, closed: sync.OnceFunc(func() { c.release(l) })}, nil
	}
	return t
}

// reserve waits until one more connection may be opened. At the bound it closes
// an idle connection. If there is none, it waits: each call in flight holds a
// slot, and there are as many slots as connections, so a connection is closed or
// becomes idle soon.
func (c *connections) reserve(ctx context.Context, l *limiter) error {
	timeout := time.NewTimer(dialTimeout)
	defer timeout.Stop()
	for {
		if _, ok := c.take(l); ok {
			return nil
		}
		c.evictIdle(l)
		closed, ok := c.take(l)
		if ok {
			return nil
		}
		retry := time.NewTimer(reserveRetry)
		select {
		case <-closed:
		case <-retry.C:
		case <-timeout.C:
			retry.Stop()
			return errAllInUse
		case <-ctx.Done():
			retry.Stop()
			return context.Cause(ctx)
		}
		retry.Stop()
	}
}

// take counts one more connection if the bound allows it. Otherwise it returns a
// channel that is closed when a connection is closed.
func (c *connections) take(l *limiter) (closed <-chan struct{}, ok bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.open >= c.limit {
		return c.closed, false
	}
	c.open++
	l.open.Add(1)
	return nil, true
}

func (c *connections) release(l *limiter) {
	c.mu.Lock()
	c.open--
	l.open.Add(-1)
	close(c.closed)
	c.closed = make(chan struct{})
	c.mu.Unlock()
}

// full reports whether the bound is reached.
func (c *connections) full() bool { return c.count() >= c.limit }

func (c *connections) count() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.open
}

// countedConn is a connection that counts until it is closed.
type countedConn struct {
	net.Conn

	closed func()
}

// Close implements [net.Conn].
func (c *countedConn) Close() error {
	defer c.closed()
	return c.Conn.Close()
}
