// Package cork lets a handler send a small response in one write. A server of
// net/http writes a response whenever a buffer of 4 KiB is full, which makes two
// system calls for a page of users, and wakes its reader twice; nothing else that
// the service does for a request costs as much. Large responses are not held back:
// that would copy them once for each connection.
package cork

import (
	"context"
	"errors"
	"net"
	"net/http"
	"sync"
)

const (
	// maxHeld is how many bytes of a response are held back.
	maxHeld = 64 << 10
	// sendBuffer is how many bytes of a connection the kernel buffers. By itself it
	// lets a buffer grow to megabytes, which count as the container's memory, and
	// which a caller that reads nothing keeps. Linux allocates twice as many.
	sendBuffer = 128 << 10
)

// Listener returns a listener whose connections can be corked.
func Listener(l net.Listener) net.Listener { return &listener{Listener: l} }

type listener struct {
	net.Listener
	buffers sync.Pool // of *[]byte
}

// Accept implements [net.Listener].
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

// conn holds back what is written while it is corked, up to maxHeld bytes. A server
// writes to a connection from one goroutine at a time, which is the handler's while
// it runs.
type conn struct {
	net.Conn
	buffers *sync.Pool
	corked  bool
	held    *[]byte // nil if there are none
}

// Write implements [net.Conn].
func (c *conn) Write(b []byte) (int, error) {
	if c.corked && len(b)+c.size() > maxHeld { // it is no small response
		if err := c.pull(); err != nil {
			return 0, err
		}
	}
	if !c.corked {
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

// CloseWrite lets the server finish its side before it has read everything, as it
// does on a connection that is not wrapped.
func (c *conn) CloseWrite() error {
	if tcp, ok := c.Conn.(interface{ CloseWrite() error }); ok {
		return tcp.CloseWrite()
	}
	return errors.ErrUnsupported
}

func (c *conn) size() int {
	if c.held == nil {
		return 0
	}
	return len(*c.held)
}

// pull uncorks the connection and sends what it holds.
func (c *conn) pull() error {
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

// send writes to the connection. If the other side does not read, the connection
// is of no further use: its close then discards what the kernel still has, instead
// of keeping it for minutes.
func (c *conn) send(b []byte) (int, error) {
	n, err := c.Conn.Write(b)
	if e, ok := errors.AsType[net.Error](err); ok && e.Timeout() {
		if tcp, ok := c.Conn.(*net.TCPConn); ok {
			_ = tcp.SetLinger(0)
		}
	}
	return n, err
}

type connKey struct{}

// ConnContext is for the field of that name of an [http.Server] on a Listener.
func ConnContext(ctx context.Context, c net.Conn) context.Context {
	return context.WithValue(ctx, connKey{}, c)
}

// Handler serves next, and holds back what it writes until it returns, as long as
// that is little. It is for handlers that write their responses at once, and state
// their length.
func Handler(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		c, ok := r.Context().Value(connKey{}).(*conn)
		// A client that expects 100 Continue gets it while next reads the body.
		if !ok || r.ProtoMajor != 1 || r.Header.Get("Expect") != "" {
			next.ServeHTTP(w, r)
			return
		}
		c.corked = true
		defer func() {
			if c.held != nil {
				_ = http.NewResponseController(w).Flush() // what w still has of the response
			}
			_ = c.pull() // if it fails, so does the server's next write, and ends the connection
		}()
		next.ServeHTTP(w, r)
	})
}
