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

// path is the endpoint's path below a server's base URL.
const path = "/v1/convai/users"

const (
	// maxBody is how much of a response's body is read, decompressed. The largest
	// legitimate page has about 200 KiB.
	maxBody = 512 << 10
	// maxErrorBody is how much of the body is read if the status is not 200.
	maxErrorBody = 64 << 10
	// maxTraceID is the longest trace ID that is passed on.
	maxTraceID = 128
	// maxRetryAfter bounds Retry-After: one header of one response pauses the key,
	// and a limit per minute is over by then.
	maxRetryAfter = 5 * time.Minute
	// headerMaximum has the number of requests that the key may have in flight
	// (the vendor's manual; not confirmed for this endpoint).
	headerMaximum = "Maximum-Concurrent-Requests"
)

// headerOf returns the header of a key's requests.
func headerOf(key APIKey) http.Header {
	header := http.Header{"Accept": {"application/json"}, "User-Agent": {"rollcall"}}
	if secret := key.Reveal(); secret != "" {
		header["Xi-Api-Key"] = []string{secret}
	}
	return header
}

// get makes one request.
func (c *Client) get(ctx context.Context, l *limiter, q *PageQuery) (Page, error) {
	endpoint := c.endpoint
	endpoint.RawQuery = q.encode()
	key := l.key
	req := (&http.Request{Method: http.MethodGet, URL: &endpoint, Host: endpoint.Host, Header: l.header}).WithContext(ctx)

	resp, err := l.transport.RoundTrip(req) // an http.Client would follow redirects, and send xi-api-key to another host
	if err != nil {
		return Page{}, exchangeError(ctx, key, Sending, nil, causeOf(ctx, err))
	}
	defer resp.Body.Close()
	if maximum := resp.Header.Get(headerMaximum); maximum != "" {
		if n, err := strconv.Atoi(maximum); err == nil && n > 0 {
			l.setMaximum(n)
		}
	}
	switch {
	case resp.StatusCode < http.StatusOK: // it has no body, and its connection may not end
		return Page{}, badResponse(resp, key, Status, errInterim)
	case resp.StatusCode != http.StatusOK:
		return Page{}, statusError(resp, key, q)
	}

	body := c.buffer()
	defer c.buffers.Put(body)
	_, err = body.ReadFrom(io.LimitReader(resp.Body, maxBody+1))
	switch {
	case err != nil:
		return Page{}, exchangeError(ctx, key, Reading, resp, causeOf(ctx, err))
	case body.Len() > maxBody:
		return Page{}, badResponse(resp, key, Reading, errTooLarge)
	}
	page, err := decodePage(body.Bytes(), q.Cursor)
	if err != nil {
		return Page{}, badResponse(resp, key, Decoding, err)
	}
	return page, nil
}

const (
	errTooLarge = contractError("the body is larger than 512 KiB")
	errInterim  = contractError("a status below 200 is no response")
)

// buffer returns an empty buffer for a body.
func (c *Client) buffer() *bytes.Buffer {
	b, ok := c.buffers.Get().(*bytes.Buffer)
	if !ok {
		return new(bytes.Buffer)
	}
	b.Reset()
	return b
}

// causeOf returns the cause of ctx's cancellation, if it is cancelled, and otherwise
// err: closed connections have many errors.
func causeOf(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	return err
}

// retryAfter reads a Retry-After header: seconds or an HTTP date. It returns 0 if
// the value cannot be used.
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

// traceIDOf returns a response's trace ID, without the key in case the ID
// contains it.
func traceIDOf(resp *http.Response, key APIKey) string {
	return traceID(redactor(key).Replace(resp.Header.Get("x-trace-id")))
}

// traceID returns s if it looks like an ID, and otherwise "": the ID is logged
// and returned to callers.
func traceID(s string) string {
	if len(s) > maxTraceID || strings.ContainsFunc(s, func(r rune) bool { return r <= ' ' || r > '~' }) {
		return ""
	}
	return s
}
