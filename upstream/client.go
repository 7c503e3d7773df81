// Package upstream is a client for one endpoint of the ElevenLabs REST API,
// List users (GET /v1/convai/users). It knows pages and cursors; of GraphQL,
// connections or callers' requests it knows nothing.
//
// The contract is the vendor's reference page, here "the seed page"; what goes
// beyond it says where it comes from.
package upstream

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strconv"
	"time"
)

const (
	// maxBody is how much of an answer is read, decompressed. The largest
	// legitimate page is about 200 KiB.
	maxBody = 2 << 20
	// maxErrorBody is how much of a refusal is read.
	maxErrorBody = 64 << 10
)

// Config is what a client needs to know. The zero values of all but BaseURL
// stand for the defaults.
type Config struct {
	// BaseURL is a server such as https://api.elevenlabs.io, without the
	// endpoint's path.
	BaseURL *url.URL
	// Timeout bounds one call, from its start to the end of its body; default 10 s.
	Timeout time.Duration
	// Transport replaces the client's own, for tests.
	Transport http.RoundTripper
}

// Client calls one server on behalf of any number of callers. It is safe for
// concurrent use.
type Client struct {
	endpoint string
	timeout  time.Duration
	http     *http.Client
	flights  flights[call, Page]
}

// call is what makes two calls the same.
type call struct {
	caller Caller
	page   PageQuery
}

// NewClient returns a client that is ready to use. It keeps no connection open
// before the first call.
func NewClient(c Config) *Client {
	if c.Timeout == 0 {
		c.Timeout = 10 * time.Second
	}
	if c.Transport == nil {
		c.Transport = newTransport()
	}
	return &Client{
		endpoint: c.BaseURL.JoinPath("/v1/convai/users").String(),
		timeout:  c.Timeout,
		http: &http.Client{
			Transport: c.Transport,
			// http.Client would take xi-api-key along to another host.
			CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
		},
	}
}

func newTransport() *http.Transport {
	return &http.Transport{
		Proxy:                  http.ProxyFromEnvironment,
		DialContext:            (&net.Dialer{Timeout: 5 * time.Second}).DialContext,
		ForceAttemptHTTP2:      true,
		MaxIdleConnsPerHost:    256,
		IdleConnTimeout:        90 * time.Second,
		TLSHandshakeTimeout:    5 * time.Second,
		MaxResponseHeaderBytes: 64 << 10,
	}
}

// As returns the client's face for one caller.
func (c *Client) As(caller Caller) *Session { return &Session{client: c, caller: caller} }

// Session is a client as one caller sees it.
type Session struct {
	client *Client
	caller Caller
}

// ListUsers fetches one page. Equal calls of this caller that are in flight at
// the same time are one call. The error is an [*Error], or the cause of ctx's
// end where the caller left.
func (s *Session) ListUsers(ctx context.Context, q PageQuery) (Page, error) {
	page, err := s.client.flights.do(ctx, call{s.caller, q}, func(ctx context.Context) (Page, error) {
		ctx, cancel := context.WithTimeout(ctx, s.client.timeout)
		defer cancel()
		return s.client.get(ctx, s.caller.Key, q)
	})
	if _, classified := errors.AsType[*Error](err); !classified && errors.Is(err, context.DeadlineExceeded) {
		err = &Error{Kind: Timeout, Stage: Sending, Cause: context.DeadlineExceeded} // the caller's own
	}
	return page, err
}

// get makes one call.
func (c *Client) get(ctx context.Context, key APIKey, q PageQuery) (Page, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, c.endpoint+"?"+q.values().Encode(), nil)
	if err != nil {
		return Page{}, fmt.Errorf("list users: build the request: %w", withoutURL(err))
	}
	req.Header.Set("Accept", "application/json")
	req.Header.Set("User-Agent", "rollcall")
	if secret := key.Reveal(); secret != "" {
		req.Header.Set("xi-api-key", secret)
	}

	resp, err := c.http.Do(req)
	if err != nil {
		return Page{}, broken(ctx, Sending, nil, err)
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		return Page{}, refused(resp)
	}

	body, err := io.ReadAll(io.LimitReader(resp.Body, maxBody+1))
	if err != nil {
		return Page{}, broken(ctx, Reading, resp, err)
	}
	if len(body) > maxBody {
		return Page{}, bad(resp, Reading, errors.New("the body is larger than 2 MiB"))
	}
	page, err := decodePage(body, q.Cursor)
	if err != nil {
		return Page{}, bad(resp, Decoding, err)
	}
	return page, nil
}

// broken is the error of a connection that gave no whole answer.
func broken(ctx context.Context, stage Stage, resp *http.Response, cause error) error {
	if errors.Is(context.Cause(ctx), context.Canceled) {
		return context.Canceled
	}
	e := &Error{Kind: Unavailable, Stage: stage, Cause: withoutURL(cause)}
	if resp != nil {
		e.Status, e.TraceID = resp.StatusCode, resp.Header.Get("x-trace-id")
	}
	network, ok := errors.AsType[net.Error](cause)
	switch {
	case ok && network.Timeout():
		e.Kind = Timeout
	case !ok && stage == Reading:
		e.Kind = BadResponse // cut short, or not the encoding that its header names
	}
	return e
}

// bad is the error of an answer with status 200 that breaks the contract.
func bad(resp *http.Response, stage Stage, cause error) error {
	return &Error{
		Kind: BadResponse, Stage: stage, Status: resp.StatusCode,
		TraceID: resp.Header.Get("x-trace-id"), Cause: cause,
	}
}

// refused is the error of an answer with another status than 200.
func refused(resp *http.Response) error {
	// What cannot be read of a refusal is not needed: the status decides.
	body, _ := io.ReadAll(io.LimitReader(resp.Body, maxErrorBody))
	e := &Error{
		Kind:       kindOf(resp.StatusCode),
		Stage:      Status,
		Status:     resp.StatusCode,
		Detail:     decodeDetail(body),
		TraceID:    resp.Header.Get("x-trace-id"),
		RetryAfter: retryAfter(resp.Header.Get("Retry-After"), time.Now()),
	}
	if e.TraceID == "" {
		e.TraceID = e.Detail.RequestID
	}
	if e.Kind == InvalidArgument && e.Detail.Type == "authentication_error" {
		e.Kind = Unauthenticated
	}
	return e
}

func kindOf(status int) Kind {
	switch status {
	case http.StatusBadRequest, http.StatusUnprocessableEntity:
		return InvalidArgument
	case http.StatusUnauthorized:
		return Unauthenticated
	case http.StatusPaymentRequired, http.StatusForbidden:
		return Forbidden
	case http.StatusNotFound:
		return NotFound
	case http.StatusRequestTimeout:
		return Timeout
	case http.StatusTooManyRequests:
		return RateLimited
	}
	if status >= 500 {
		return Unavailable
	}
	return BadResponse
}

// retryAfter reads a Retry-After header, seconds or an HTTP date; 0 where it
// says nothing that can be used.
func retryAfter(header string, now time.Time) time.Duration {
	if seconds, err := strconv.ParseInt(header, 10, 32); err == nil {
		return max(0, time.Duration(seconds)*time.Second)
	}
	if at, err := http.ParseTime(header); err == nil {
		return max(0, at.Sub(now))
	}
	return 0
}

// withoutURL strips the URL, and with it cursors and user IDs, from an error
// of net/http.
func withoutURL(err error) error {
	if u, ok := errors.AsType[*url.Error](err); ok {
		return u.Err
	}
	return err
}
