// Package load sends requests to a server over a number of connections, and checks
// each response. It implements only the HTTP that it needs, to use little of the
// processor.
package load

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"net"
	"strconv"
	"time"
)

// Get returns the bytes of a GET.
func Get(target string) []byte {
	return fmt.Appendf(nil, "GET %s HTTP/1.1\r\nHost: bench\r\nAccept: application/json\r\n\r\n", target)
}

// Post returns the bytes of a POST of JSON.
func Post(target string, body []byte) []byte {
	return fmt.Appendf(nil, "POST %s HTTP/1.1\r\nHost: bench\r\nAccept: application/json\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%s",
		target, len(body), body)
}

// Connection is kept alive between requests. It is not safe for concurrent use.
type Connection struct {
	conn net.Conn
	r    *bufio.Reader
	body []byte
}

// Dial connects to host:port.
func Dial(addr string) (*Connection, error) {
	conn, err := net.DialTimeout("tcp", addr, 5*time.Second) //nolint:noctx // has a deadline
	if err != nil {
		return nil, err
	}
	return &Connection{conn: conn, r: bufio.NewReaderSize(conn, 64<<10)}, nil
}

// Close closes the connection.
func (c *Connection) Close() { _ = c.conn.Close() }

// responseTime bounds the time of a response.
const responseTime = 20 * time.Second

// Do sends a request and returns the body of the response, which is valid until
// the next call. A status other than 200 is an error.
func (c *Connection) Do(request []byte) ([]byte, error) {
	if err := c.conn.SetDeadline(time.Now().Add(responseTime)); err != nil {
		return nil, err
	}
	if _, err := c.conn.Write(request); err != nil {
		return nil, err
	}
	return c.read()
}

func (c *Connection) read() ([]byte, error) {
	status, err := c.r.ReadSlice('\n')
	if err != nil {
		return nil, fmt.Errorf("reading the status: %w", err)
	}
	ok := bytes.HasPrefix(status, []byte("HTTP/1.1 200 "))
	if !ok {
		status = bytes.Clone(bytes.TrimSpace(status))
	}
	length, err := c.head()
	if err != nil {
		return nil, fmt.Errorf("reading the head: %w", err)
	}
	c.body = c.body[:0]
	if length == chunked {
		err = c.chunks()
	} else {
		err = c.extend(length)
	}
	if err != nil {
		return nil, fmt.Errorf("reading the body: %w", err)
	}
	if !ok {
		return nil, fmt.Errorf("%s: %.300s", status, c.body)
	}
	return c.body, nil
}

const (
	unknown = -1
	chunked = -2
)

// head reads the header fields and returns the body's length.
func (c *Connection) head() (length int, err error) {
	length = unknown
	for {
		line, err := c.r.ReadSlice('\n')
		if err != nil {
			return 0, err
		}
		name, value, ok := bytes.Cut(line, []byte(":"))
		value = bytes.TrimSpace(value)
		switch {
		case !ok && length == unknown:
			return 0, errors.New("the response does not state the length of its body")
		case !ok:
			return length, nil
		case bytes.EqualFold(name, []byte("Content-Length")):
			if length, err = strconv.Atoi(string(value)); err != nil {
				return 0, err
			}
		case bytes.EqualFold(name, []byte("Transfer-Encoding")) && bytes.EqualFold(value, []byte("chunked")):
			length = chunked
		}
	}
}

func (c *Connection) chunks() error {
	for {
		line, err := c.r.ReadSlice('\n')
		if err != nil {
			return err
		}
		size, err := strconv.ParseUint(string(bytes.TrimSpace(line)), 16, 31)
		if err != nil {
			return err
		}
		if err := c.extend(int(size)); err != nil {
			return err
		}
		if end, err := c.r.ReadSlice('\n'); err != nil || len(bytes.TrimSpace(end)) > 0 {
			return errors.Join(errors.New("a chunk does not end"), err)
		}
		if size == 0 {
			return nil
		}
	}
}

// extend appends n bytes to the body.
func (c *Connection) extend(n int) error {
	if n < 0 || n > 64<<20 {
		return fmt.Errorf("a length of %d", n)
	}
	start := len(c.body)
	for cap(c.body) < start+n {
		c.body = append(c.body[:cap(c.body)], 0)
	}
	c.body = c.body[:start+n]
	_, err := io.ReadFull(c.r, c.body[start:])
	return err
}
