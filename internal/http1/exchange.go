package http1

import (
	"compress/gzip"
	"fmt"
	"io"
	"net"
	"net/http"
	"slices"
	"sync/atomic"
	"time"

	"golang.org/x/net/http/httpguts"
)

// conn is a connection, which carries one exchange at a time.
type conn struct {
	net.Conn
	probe probe
	// head is how much may still be read of a head; negative for no bound.
	head int
	// idle is since when the connection is kept.
	idle time.Time
}

func (c *conn) Read(p []byte) (int, error) {
	if c.head < 0 {
		return c.Conn.Read(p)
	}
	if c.head == 0 {
		return 0, ErrHead
	}
	n, err := c.Conn.Read(p[:min(len(p), c.head)])
	c.head -= n
	return n, err
}

// abort ends whatever is being read or written.
func (c *conn) abort() { _ = c.SetDeadline(time.Unix(1, 0)) }

// exchange is a request with its answer, whose body it is as it arrives.
type exchange struct {
	transport *Transport
	conn      *conn
	scratch   *scratch // nil once it is over

	stop  func() bool           // has the context's end not abort the connection
	cause atomic.Pointer[error] // of that end, once it has come

	body io.Reader // as it is on the connection
	keep bool      // whether the connection may carry another exchange
	err  error     // what the body ended with
}

// ask sends the request, for an answer that may be in gzip, and reads the
// answer's head.
func (x *exchange) ask(req *http.Request, zip, reused bool) (*http.Response, error) {
	s := x.scratch
	var err error
	if s.out, err = appendHead(s.out[:0], req, zip); err != nil {
		return nil, err
	}
	x.conn.head = maxHead
	_, err = x.conn.Write(s.out)
	if err == nil {
		_, err = s.in.Peek(1)
	}
	if err != nil {
		if reused && req.Context().Err() == nil {
			x.transport.kept.clear() // those of the same age
			err = fmt.Errorf("%w: %w", ErrStale, err)
		}
		return nil, err
	}
	for {
		resp, err := http.ReadResponse(s.in, req)
		switch {
		case err != nil:
			return nil, err
		case resp.StatusCode == http.StatusSwitchingProtocols:
			return nil, errSwitch
		case resp.StatusCode >= http.StatusOK:
			x.conn.head = -1
			return resp, nil
		}
	}
}

// appendHead appends a request without a body, for an answer that may be in
// gzip. Its headers are in order, so that equal requests are the same bytes.
func appendHead(b []byte, req *http.Request, zip bool) ([]byte, error) {
	host := req.Host
	if host == "" {
		host = req.URL.Host
	}
	b = append(append(append(b, req.Method...), ' '), req.URL.RequestURI()...)
	b = append(append(b, " HTTP/1.1\r\nHost: "...), host...)
	b = append(b, "\r\n"...)
	if zip {
		b = append(b, "Accept-Encoding: gzip\r\n"...)
	}
	names := make([]string, 0, 8)
	for name := range req.Header {
		names = append(names, name)
	}
	slices.Sort(names)
	for _, name := range names {
		for _, value := range req.Header[name] {
			if !httpguts.ValidHeaderFieldName(name) || !httpguts.ValidHeaderFieldValue(value) {
				return nil, errHeader
			}
			b = append(append(append(append(b, name...), ": "...), value...), "\r\n"...)
		}
	}
	return append(b, "\r\n"...), nil
}

// Read reads the answer's body.
func (x *exchange) Read(p []byte) (int, error) {
	if x.scratch == nil {
		return 0, x.err
	}
	n, err := x.body.Read(p)
	if err != nil {
		whole := err == io.EOF
		if cause := x.cause.Load(); cause != nil && !whole {
			err = *cause
		}
		x.err = err
		x.end(whole)
	}
	return n, err
}

// Close gives up what has not been read, and with it the connection.
func (x *exchange) Close() error {
	if x.scratch != nil {
		x.err = errEarly
		x.end(false)
	}
	return nil
}

// end is the exchange's. The connection is kept if all of the answer is read,
// nothing came after it, and nobody has ended it.
func (x *exchange) end(whole bool) {
	quiet := x.stop()
	if whole && quiet && x.keep && x.scratch.in.Buffered() == 0 {
		x.transport.kept.put(x.conn)
	} else {
		_ = x.conn.Close()
	}
	x.scratch.in.Reset(nil)
	x.transport.scratch.Put(x.scratch)
	x.scratch = nil
}

// unzipped is a body that was asked for in gzip.
type unzipped struct {
	*exchange

	from *gzip.Reader // nil before the first Read
}

func (u *unzipped) Read(p []byte) (n int, err error) {
	if u.from == nil {
		if u.from, err = gzip.NewReader(u.exchange); err != nil {
			return 0, err
		}
	}
	return u.from.Read(p)
}
