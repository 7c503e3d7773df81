// Package upstream is a client for one endpoint of the ElevenLabs REST API,
// List users (GET /v1/convai/users). It knows pages and cursors; of GraphQL,
// connections or callers' requests it knows nothing.
//
// The contract is the vendor's reference page; what goes beyond it says where it
// comes from.
//
// A call passes, in this order: the cache, if there is one; flights, which lets
// equal calls be one; the caller's lane, which keeps to what the key may have in
// flight; the breaker, which spares a server that is down; and the request
// itself. What fails for a moment is tried once more, as far as the budget goes.
package upstream

import (
	"context"
	"errors"
	"net"
	"net/http"
	"net/url"
	"sync"
	"time"

	"github.com/sony/gobreaker/v2"
	"go.opentelemetry.io/otel/metric"
	"go.opentelemetry.io/otel/trace"

	"rollcall/internal/flight"
	"rollcall/internal/http1"
	"rollcall/internal/instrument"
)

// Config is what a client needs to know. The zero values of all but BaseURL
// stand for the defaults.
type Config struct {
	// BaseURL is a server such as https://api.elevenlabs.io, without the
	// endpoint's path.
	BaseURL *url.URL
	// Timeout bounds one call with everything that it waits for; default 10 s.
	// A single attempt has four fifths of it.
	Timeout time.Duration
	// Concurrency is how many requests one key may have in flight; default 8.
	// The upstream's plans allow 2 to 15.
	Concurrency int
	// CacheTTL is how old a page may be served to the caller that it was fetched
	// for; default 0, which keeps none. With it, the client has to be closed.
	CacheTTL time.Duration
	// OnCall, if there is one, is told of each call that goes upstream, on whose
	// behalf. Second attempts are not counted.
	OnCall func(Caller)
	// Transport replaces the client's own, for tests.
	Transport http.RoundTripper
	// TracerProvider and MeterProvider are told what the client does; nil for
	// nobody.
	TracerProvider trace.TracerProvider
	MeterProvider  metric.MeterProvider
}

// Client calls one server on behalf of any number of callers. It is safe for
// concurrent use.
type Client struct {
	endpoint url.URL
	timeout  time.Duration
	http     http.RoundTripper
	flights  flight.Group[call, flown]
	lanes    lanes
	breaker  *gobreaker.CircuitBreaker[Page]
	budget   *budget
	tell     *telemetry
	cache    *cache
	sent     func(Caller)
	buffers  sync.Pool // of *bytes.Buffer, for bodies while they arrive
}

// call is what makes two calls the same.
type call struct {
	caller Caller
	page   PageQuery
}

// flown is what a call brought, and whose span it was made for.
type flown struct {
	page Page
	by   trace.SpanContext
}

// NewClient returns a client that is ready to use. It keeps no connection open
// before the first call.
func NewClient(c Config) *Client {
	if c.Timeout == 0 {
		c.Timeout = 10 * time.Second
	}
	if c.Concurrency == 0 {
		c.Concurrency = 8
	}
	if c.Transport == nil {
		c.Transport = newTransport(c.BaseURL)
	}
	base := *c.BaseURL
	if base.Path == "" {
		base.Path = "/" // else JoinPath makes a relative one
	}
	tell := newTelemetry(c)
	client := &Client{
		endpoint: *base.JoinPath(path),
		timeout:  c.Timeout,
		http:     c.Transport, // an http.Client would follow redirects, and take xi-api-key along to another host
		lanes:    lanes{concurrency: c.Concurrency},
		breaker:  newBreaker(c.Timeout, tell.tripped),
		budget:   newBudget(),
		cache:    newCache(c.CacheTTL),
		sent:     c.OnCall,
		tell:     tell,
	}
	tell.observe(client, instrument.Meter(c.MeterProvider, scope))
	return client
}

// newTransport is a lean transport, unless there is a proxy on the way to the
// server: net/http knows all kinds of them.
func newTransport(server *url.URL) http.RoundTripper {
	if proxy, err := http.ProxyFromEnvironment(&http.Request{URL: server}); proxy == nil && err == nil {
		return http1.NewTransport(server, http1.Options{})
	}
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

// Close ends what the client does in the background, and closes the connections
// that it keeps. Calls may go on.
func (c *Client) Close() {
	c.cache.close()
	if t, ok := c.http.(interface{ CloseIdleConnections() }); ok {
		t.CloseIdleConnections()
	}
}

// As returns the client's face for one caller. Each has a [Session.Usage] of
// its own.
func (c *Client) As(caller Caller) *Session { return &Session{client: c, caller: caller} }

// Session is a client as one caller sees it.
type Session struct {
	client *Client
	caller Caller
	usage  usage
}

// ListUsers fetches one page, or serves one that was kept, which may have more
// users than were asked for. Equal calls of this caller that are in flight at
// the same time are one call. The error is an [*Error], or the cause of ctx's
// end where the caller left.
func (s *Session) ListUsers(ctx context.Context, q PageQuery) (Page, error) {
	began := time.Now()
	if !endsWithin(ctx, s.client.timeout) {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, s.client.timeout)
		defer cancel()
	}
	if page, ok := s.client.cache.get(s.caller, q); ok {
		s.usage.cached.Add(1)
		return page, nil
	}
	flown, joined, err := s.client.flights.Do(ctx, call{s.caller, q}, func(ctx context.Context) (flown, error) {
		if s.client.sent != nil {
			s.client.sent(s.caller)
		}
		asked := time.Now()
		page, err := s.client.fetch(ctx, s.caller.Key, q)
		if err == nil {
			s.client.cache.put(s.caller, q, page, asked)
		}
		return flown{page, s.client.tell.spanOf(ctx)}, err
	})
	s.usage.count(joined, time.Since(began))
	if joined && flown.by.IsValid() {
		trace.SpanFromContext(ctx).AddLink(trace.Link{SpanContext: flown.by})
	}
	if _, classified := errors.AsType[*Error](err); !classified && errors.Is(err, context.DeadlineExceeded) {
		err = &Error{Kind: Timeout, Stage: Sending, Cause: context.DeadlineExceeded} // the caller's own
	}
	return flown.page, err
}

// fetch makes a call, and makes it once more if that is worth it.
func (c *Client) fetch(ctx context.Context, key APIKey, q PageQuery) (Page, error) {
	lane := c.lanes.of(key)
	defer c.lanes.release(key, lane)
	c.budget.earn()
	page, err := c.attempt(ctx, lane, key, q, 0)
	wait, again := retryable(err)
	switch {
	case !again:
		return page, err
	case !fits(ctx, wait):
		c.tell.retries.Add(ctx, 1, retryTooLate...)
		return page, err
	case !c.budget.spend():
		c.tell.retries.Add(ctx, 1, retryNoBudget...)
		return page, err
	}
	c.tell.retries.Add(ctx, 1, retried...)
	if sleep(ctx, wait) != nil {
		return Page{}, context.Cause(ctx)
	}
	return c.attempt(ctx, lane, key, q, 1)
}

// attempt makes one request when the key's lane and the breaker let it, for the
// nth time after the first.
func (c *Client) attempt(ctx context.Context, lane *lane, key APIKey, q PageQuery, again int) (page Page, err error) {
	defer func() { c.tell.refused(ctx, err) }()
	if err := lane.enter(ctx); err != nil {
		return Page{}, err
	}
	began := time.Now()
	defer func() { lane.leave(time.Since(began), err) }() // also where there is a panic
	page, err = c.breaker.Execute(func() (page Page, err error) {
		attempt, cancel := context.WithTimeout(ctx, c.timeout/5*4)
		defer cancel()
		attempt, request := c.tell.begin(attempt, again)
		defer func() { request.end(attempt, err) }()
		page, err = c.get(attempt, key, q)
		if err != nil && ctx.Err() != nil {
			err = context.Cause(ctx) // whoever asked has left or is out of time, which says nothing of the server
		}
		return page, err
	})
	return page, brokenOpen(err)
}
