// Package cork lets a handler send a small response in one write. A server of
// net/http writes a response whenever its buffer of 4 KiB is full: a page of
// users takes two system calls, and wakes its reader twice. Nothing else that the
// service does for a request costs as much.
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
	if tcp, ok := c.(*net.TCPConn); ok {
		_ = tcp.SetWriteBuffer(sendBuffer) // if it fails, so does the first read
	}
	return &conn{Conn: c, buffers: &l.buffers}, nil
}

// sendBuffer is how many bytes of a response the kernel buffers. By default, a
// connection's buffer can grow to megabytes, which count as the container's
// memory and remain while a caller reads nothing. Linux allocates twice as many.
const sendBuffer = 128 << 10

// conn buffers what is written while it is corked. A server writes to a
// connection from one goroutine at a time, which is the handler's while it runs.
type conn struct {
	net.Conn
	buffers *sync.Pool
	corked  bool
	held    *[]byte // nil while nothing is buffered
}

func (c *conn) Write(b []byte) (int, error) {
	if !c.corked {
		return c.send(b)
	}
	if c.held == nil && len(b) > maxHeld || c.held != nil && len(*c.held)+len(b) > maxHeld {
		if err := c.release(); err != nil {
			return 0, err
		}
		return c.send(b)
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

// send writes to the connection. If the other side does not read, the connection
// is of no further use: closing it then discards the rest of the response in the
// kernel, which would otherwise remain for minutes.
func (c *conn) send(b []byte) (int, error) {
	n, err := c.Conn.Write(b)
	if e, ok := errors.AsType[net.Error](err); ok && e.Timeout() {
		if tcp, ok := c.Conn.(*net.TCPConn); ok {
			_ = tcp.SetLinger(0)
		}
	}
	return n, err
}

// CloseWrite lets the server close the sending half before it has read
// everything, as it does with a connection that is not wrapped.
func (c *conn) CloseWrite() error {
	if tcp, ok := c.Conn.(interface{ CloseWrite() error }); ok {
		return tcp.CloseWrite()
	}
	return errors.ErrUnsupported
}

// uncork sends the buffered bytes, and those that w still buffers.
func (c *conn) uncork(w http.ResponseWriter) {
	if c.held != nil {
		_ = http.NewResponseController(w).Flush()
	}
	_ = c.release() // if this fails, so does the server's next write, which ends the connection
}

// release writes the buffered bytes and stops buffering.
func (c *conn) release() error {
	c.corked = false
	if c.held == nil {
		return nil
	}
	_, err := c.send(*c.held)
	*c.held = (*c.held)[:0]
	c.buffers.Put(c.held)
	c.held = nil
	return err
}

type connKey struct{}

// ConnContext is the ConnContext of an [http.Server] on a Listener.
func ConnContext(ctx context.Context, c net.Conn) context.Context {
	return context.WithValue(ctx, connKey{}, c)
}

// maxHeld is how many bytes are buffered for one connection. A larger response is
// written as the handler writes it.
const maxHeld = 64 << 10

// Handler serves next, and buffers what next writes until it returns. It is for
// handlers that write their responses at once, with their length.
func Handler(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		c, ok := r.Context().Value(connKey{}).(*conn)
		// A 100 Continue has to be sent while next reads.
		if !ok || r.ProtoMajor != 1 || r.Header.Get("Expect") != "" {
			next.ServeHTTP(w, r)
			return
		}
		c.corked = true
		defer c.uncork(w)
		next.ServeHTTP(w, r)
	})
}
