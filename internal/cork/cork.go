// Package cork lets a handler send its whole answer in one write. A server of
// net/http writes an answer as it fills a buffer of 4 KiB, which makes two
// system calls of a page of users, and wakes its reader twice; nothing else
// that the service does for a request costs as much.
package cork

import (
	"context"
	"errors"
	"net"
	"net/http"
	"sync"
)

// Listener returns a listener whose connections can be corked.
func Listener(l net.Listener) net.Listener { return &listener{Listener: l} }

type listener struct {
	net.Listener
	buffers sync.Pool // of *[]byte
}

func (l *listener) Accept() (net.Conn, error) {
	c, err := l.Listener.Accept()
	if err != nil {
		return nil, err
	}
	return &conn{Conn: c, buffers: &l.buffers}, nil
}

// conn holds back what is written while it is corked. A server writes to a
// connection from one goroutine at a time, which is the handler's while it runs.
type conn struct {
	net.Conn
	buffers *sync.Pool
	corked  bool
	held    *[]byte // nil while there is nothing
}

func (c *conn) Write(b []byte) (int, error) {
	if !c.corked {
		return c.Conn.Write(b)
	}
	if c.held == nil {
		var ok bool
		if c.held, ok = c.buffers.Get().(*[]byte); !ok {
			c.held = new([]byte)
		}
	}
	*c.held = append(*c.held, b...)
	return len(b), nil
}

// CloseWrite lets the server say that it is done before it has read everything,
// as it does on a connection that is not wrapped.
func (c *conn) CloseWrite() error {
	if tcp, ok := c.Conn.(interface{ CloseWrite() error }); ok {
		return tcp.CloseWrite()
	}
	return errors.ErrUnsupported
}

// uncork sends what is held, with what w still has of the answer.
func (c *conn) uncork(w http.ResponseWriter) {
	if c.held != nil {
		_ = http.NewResponseController(w).Flush()
	}
	c.corked = false
	if c.held == nil {
		return
	}
	_, _ = c.Conn.Write(*c.held) // where this fails, so does the server's next write, and ends the connection
	if cap(*c.held) <= maxHeld {
		*c.held = (*c.held)[:0]
		c.buffers.Put(c.held)
	}
	c.held = nil
}

type connKey struct{}

// ConnContext is for the field of that name of an [http.Server] on a Listener.
func ConnContext(ctx context.Context, c net.Conn) context.Context {
	return context.WithValue(ctx, connKey{}, c)
}

// maxHeld is the largest buffer that is kept for the next answer.
const maxHeld = 64 << 10

// Handler serves next with what it writes held back until it returns. It is for
// handlers that write their answers at once, and say how long they are.
func Handler(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		c, ok := r.Context().Value(connKey{}).(*conn)
		// Whoever expects to be told to go on is told so while next reads.
		if !ok || r.ProtoMajor != 1 || r.Header.Get("Expect") != "" {
			next.ServeHTTP(w, r)
			return
		}
		c.corked = true
		defer c.uncork(w)
		next.ServeHTTP(w, r)
	})
}
