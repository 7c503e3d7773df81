package upstream

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net/http"
	"strconv"
	"strings"
	"time"
)

// path is the endpoint's, below a server's base URL.
const path = "/v1/convai/users"

const (
	// maxBody is how much of an answer is read, decompressed. The largest
	// legitimate page is about 200 KiB.
	maxBody = 2 << 20
	// maxBuffer is the largest buffer that is kept for the next answer, and the
	// largest that is made on the word of an answer's head.
	maxBuffer = 512 << 10
	// maxErrorBody is how much of a refusal is read.
	maxErrorBody = 64 << 10
	// maxTraceID is the longest trace ID that is passed on.
	maxTraceID = 128
	// maxRetryAfter is the longest wait that is believed: what stills a key is
	// one header of one answer, and a limit by the minute is over by then.
	maxRetryAfter = 5 * time.Minute
)

// get makes one request.
func (c *Client) get(ctx context.Context, key APIKey, q PageQuery) (Page, error) {
	endpoint := c.endpoint
	endpoint.RawQuery = q.encode()
	header := http.Header{"Accept": {"application/json"}, "User-Agent": {"rollcall"}}
	if secret := key.Reveal(); secret != "" {
		header["Xi-Api-Key"] = []string{secret}
	}
	req := (&http.Request{Method: http.MethodGet, URL: &endpoint, Host: endpoint.Host, Header: header}).WithContext(ctx)

	resp, err := c.http.RoundTrip(req)
	if err != nil {
		return Page{}, broken(ctx, key, Sending, nil, err)
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		return Page{}, refused(resp, key, q)
	}

	body, err := c.read(resp)
	switch {
	case errors.Is(err, errTooLarge):
		return Page{}, bad(resp, key, Reading, err)
	case err != nil:
		return Page{}, broken(ctx, key, Reading, resp, err)
	}
	page, err := decodePage(body, q.Cursor)
	if err != nil {
		return Page{}, bad(resp, key, Decoding, err)
	}
	return page, nil
}

const errTooLarge = contractError("the body is larger than 2 MiB")

// read reads a body into memory of just its size, which most answers tell. One
// that is compressed, or comes in chunks, goes through a buffer.
func (c *Client) read(resp *http.Response) ([]byte, error) {
	if n := resp.ContentLength; n > 0 && n <= maxBuffer {
		body := make([]byte, n)
		_, err := io.ReadFull(resp.Body, body)
		return body, err
	}
	buffer, ok := c.buffers.Get().(*bytes.Buffer)
	if !ok {
		buffer = new(bytes.Buffer)
	}
	defer func() {
		if buffer.Cap() <= maxBuffer {
			buffer.Reset()
			c.buffers.Put(buffer)
		}
	}()
	if _, err := buffer.ReadFrom(io.LimitReader(resp.Body, maxBody+1)); err != nil {
		return nil, err
	}
	if buffer.Len() > maxBody {
		return nil, errTooLarge
	}
	return bytes.Clone(buffer.Bytes()), nil
}

// retryAfter reads a Retry-After header, seconds or an HTTP date; 0 where it
// says nothing that can be used.
func retryAfter(header string, now time.Time) time.Duration {
	const most = uint64(maxRetryAfter / time.Second)
	if seconds, err := strconv.ParseUint(header, 10, 64); err == nil || errors.Is(err, strconv.ErrRange) {
		return time.Duration(min(seconds, most)) * time.Second
	}
	if at, err := http.ParseTime(header); err == nil {
		return min(max(0, at.Sub(now)), maxRetryAfter)
	}
	return 0
}

// traceIDOf is an answer's trace ID, without the key should it be in there.
func traceIDOf(resp *http.Response, key APIKey) string {
	return traceID(without(key).Replace(resp.Header.Get("x-trace-id")))
}

// traceID keeps what looks like an ID: it goes into logs and replies.
func traceID(s string) string {
	if len(s) > maxTraceID || strings.ContainsFunc(s, func(r rune) bool { return r <= ' ' || r > '~' }) {
		return ""
	}
	return s
}
