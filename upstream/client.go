// Package upstream is a client for one endpoint of the ElevenLabs REST API, List
// users (GET /v1/convai/users). It knows pages and cursors. It knows nothing of
// GraphQL, connections or callers' requests.
//
// The contract is the vendor's reference page. Where the code relies on more than
// that, a comment names the source.
//
// A call passes these steps, in this order: the cache, if there is one; flights,
// which merge equal calls; the rules for strangers, if callers send their own
// keys; the key's limiter, with its queue; a slot of the process; the breaker,
// which spares a server that is down; and the request itself. A failure that may
// be temporary is tried once more, within a budget.
//
// The upstream's response depends on the API key and the query alone. Flights and
// cached pages therefore belong to the key, and all of its callers share them.
// Only [Config.OnCall] distinguishes callers.
package upstream

import (
	"cmp"
	"context"
	"errors"
	"log/slog"
	"net/http"
	"net/url"
	"sync"
	"time"

	"github.com/sony/gobreaker/v2"
	"go.opentelemetry.io/otel/metric"
	"go.opentelemetry.io/otel/trace"

	"rollcall/internal/flight"
	"rollcall/internal/instrument"
)

// Config configures a client. A zero value means the default, except that BaseURL
// is required.
type Config struct {
	// BaseURL is a server such as https://api.elevenlabs.io, without the
	// endpoint's path.
	BaseURL *url.URL
	// Timeout bounds one call with everything that it waits for; default 10 s. A
	// single attempt may take four fifths of it.
	Timeout time.Duration
	// Concurrency is how many requests one key may have in flight; default 8. The
	// vendor's plans allow 2 to 15.
	Concurrency int
	// Connections is how many connections there may be for all keys together,
	// idle ones included; default 256. It is at least Concurrency.
	Connections int
	// CallersKeys reports that callers send their own keys, and so can make up
	// any number of keys.
	CallersKeys bool
	// CacheTTL is how old a cached page may be when it is served again to callers
	// of its key; default 0, which caches none. If it is not 0, the client must
	// be closed.
	CacheTTL time.Duration
	// OnCall, if it is not nil, is called for each call that is sent upstream.
	// Its argument is the caller for which the call is made: the first one, if
	// several share it. Second attempts do not count, and neither do calls of a
	// key that the upstream does not accept.
	OnCall func(Caller)
	// SharedPages returns the pages that replicas share for a key, or nil;
	// default nil. It requires CacheTTL.
	SharedPages func(key APIKey) SharedPages
	// NewLimiter returns the limiter of an accepted key; default [NewLimiter],
	// whose limit applies to this process alone.
	NewLimiter func(key APIKey, limit int) Limiter
	// Transport replaces the client's own, for tests. An [http.Transport] is the
	// template for each key's transport; any other sends the requests of all
	// keys.
	Transport http.RoundTripper
	// TracerProvider and MeterProvider receive the client's telemetry; nil for none.
	TracerProvider trace.TracerProvider
	MeterProvider  metric.MeterProvider
	// Log receives a line about failing calls, at most one a second for each kind
	// of failure, and lines about the breaker; nil for none.
	Log *slog.Logger
}

// Client calls one server on behalf of any number of callers. It is safe for
// concurrent use.
type Client struct {
	endpoint    url.URL
	timeout     time.Duration
	margin      time.Duration // how long before its deadline a waiting call is refused
	flights     flight.Group[call, *result]
	strangers   *strangers // nil unless callers bring their own keys
	limiters    limiters
	slots       *semaphore // of all keys' calls in flight
	maxWaiting  int        // calls of accepted keys that may wait for a slot
	connections *connections
	breaker     *gobreaker.CircuitBreaker[Page]
	budget      *budget
	telemetry   *telemetry
	cache       *cache
	sharedPages func(APIKey) SharedPages // nil if replicas share none
	onCall      func(Caller)
	buffers     sync.Pool // of *bytes.Buffer, for bodies while they are decoded
}

// call determines whether two calls are equal. Only callers with the same key
// share a call: each of them could make it, with the same response.
type call struct {
	key  APIKey
	page PageQuery
}

// result is the outcome of a call, with the span for which it was made.
type result struct {
	page   Page
	by     trace.SpanContext
	cached bool // whether no call was necessary
}

// NewClient returns a client that is ready to use. It opens no connection before
// the first call.
func NewClient(c Config) *Client {
	c.Timeout = cmp.Or(c.Timeout, 10*time.Second)
	c.Concurrency = cmp.Or(c.Concurrency, 8)
	c.Connections = max(cmp.Or(c.Connections, 256), c.Concurrency)
	if c.NewLimiter == nil {
		c.NewLimiter = func(_ APIKey, limit int) Limiter { return NewLimiter(limit) }
	}
	base := *c.BaseURL
	if base.Path == "" {
		base.Path = "/" // otherwise JoinPath returns a relative path
	}
	telemetry := newTelemetry(c)
	client := &Client{
		endpoint:   *base.JoinPath(path),
		timeout:    c.Timeout,
		margin:     c.Timeout / 20,
		slots:      newSemaphore(c.Connections, max(1, c.Connections/strangersPart)),
		maxWaiting: maxWaiting * c.Connections,
		breaker:    newBreaker(c.Timeout, telemetry.tripped),
		budget:     newBudget(),
		cache:      newCache(c.CacheTTL),
		onCall:     c.OnCall,
		telemetry:  telemetry,
	}
	if c.CacheTTL > 0 {
		client.sharedPages = c.SharedPages
	}
	if c.CallersKeys {
		client.strangers = newStrangers(c.Connections)
	}
	client.connections = newConnections(c.Connections, client.limiters.evictIdle)
	client.limiters.limit = c.Concurrency
	client.limiters.margin = client.margin
	client.limiters.newLimiter = c.NewLimiter
	client.limiters.strangers = client.strangers
	client.limiters.connections = client.connections
	switch t := c.Transport.(type) {
	case nil:
		client.limiters.template = newTransport()
	case *http.Transport:
		client.limiters.template = t
	default:
		client.limiters.transport = t
	}
	telemetry.observe(client, instrument.Meter(c.MeterProvider, scope))
	return client
}

// Close stops the client's background goroutines and closes its idle connections.
// Further calls are possible.
func (c *Client) Close() {
	c.cache.close()
	c.limiters.close()
}

// As returns the client for one caller. Each session has its own [Session.Usage].
func (c *Client) As(caller Caller) *Session { return &Session{client: c, caller: caller} }

// Session is a client for one caller.
type Session struct {
	client *Client
	caller Caller
	usage  usage
}

// ListUsers fetches one page, or returns a cached one, which may have more users
// than were requested. Equal calls with the same key that are in flight at the
// same time are merged. The error is an [*Error], or the cause of ctx's
// cancellation if the caller left.
func (s *Session) ListUsers(ctx context.Context, q PageQuery) (Page, error) {
	began := time.Now()
	if !expiresWithin(ctx, s.client.timeout) {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, s.client.timeout)
		defer cancel()
	}
	if page, ok := s.client.cached(s.caller.Key, &q); ok {
		s.usage.cached.Add(1)
		return page, nil
	}
	r, joined, err := s.join(ctx, &q)
	if err == nil && r.cached && !joined {
		s.usage.cached.Add(1)
		return r.page, nil
	}
	s.usage.count(joined, time.Since(began))
	if joined && r != nil && r.by.IsValid() {
		trace.SpanFromContext(ctx).AddLink(trace.Link{SpanContext: r.by})
	}
	if err == nil {
		return r.page, nil
	}
	if _, classified := errors.AsType[*Error](err); !classified && errors.Is(err, context.DeadlineExceeded) {
		err = &Error{Kind: Timeout, Stage: Sending, Cause: context.DeadlineExceeded} // ctx's own deadline
	}
	return Page{}, err
}

// cached returns a page that does not depend on other replicas: any cached page,
// unless replicas share pages, and otherwise a user of a cached page.
func (c *Client) cached(key APIKey, q *PageQuery) (Page, bool) {
	if c.sharedPages == nil {
		return c.cache.get(key, q)
	}
	user, _, ok := c.cache.user(key, q)
	return Page{Users: []User{user}}, ok
}

// join makes a call, or joins an equal one. If the joined call ran out of time
// while it waited, and this caller has time left, it makes the call anew.
func (s *Session) join(ctx context.Context, q *PageQuery) (r *result, joined bool, err error) {
	c := s.client
	for {
		r, joined, err = c.flights.Do(ctx, call{s.caller.Key, *q}, func(ctx context.Context) (*result, error) {
			page, cached, err := c.page(ctx, s.caller, q)
			return &result{page, c.telemetry.spanOf(ctx), cached}, err
		})
		if !joined || !errors.Is(err, errNoTime) || expiresWithin(ctx, c.margin) {
			return r, joined, err
		}
	}
}

// fetch makes a call. If it fails and a second attempt may succeed, fetch makes
// that attempt.
func (c *Client) fetch(ctx context.Context, caller Caller, q *PageQuery) (Page, error) {
	if c.strangers.refuses(c.strangers.hash(caller.Key)) {
		err := refusedKey()
		c.telemetry.refused(ctx, err)
		return Page{}, err
	}
	l := c.limiters.of(caller.Key)
	defer c.limiters.release(l)
	charged := false
	charge := func() {
		if !charged && c.onCall != nil {
			c.onCall(caller)
		}
		charged = true
	}
	c.budget.earn()
	page, err := c.attempt(ctx, l, charge, q, 0)
	wait, again := retryable(err)
	switch {
	case !again:
		return page, err
	case !fits(ctx, wait):
		c.telemetry.retries.Add(ctx, 1, retryTooLate...)
		return page, err
	case !c.budget.spend():
		c.telemetry.retries.Add(ctx, 1, retryNoBudget...)
		return page, err
	}
	c.telemetry.retries.Add(ctx, 1, retried...)
	if sleep(ctx, wait) != nil {
		return Page{}, context.Cause(ctx)
	}
	return c.attempt(ctx, l, charge, q, 1)
}

// attempt makes one request when it is admitted; n is 0 for the first attempt. It
// charges the caller for a request with an accepted key when the request is sent,
// and for a request with a stranger's key when the upstream has accepted the key.
func (c *Client) attempt(ctx context.Context, l *limiter, charge func(), q *PageQuery, n int) (page Page, err error) {
	defer func() { c.telemetry.refused(ctx, err) }()
	admitted, err := c.admit(ctx, l)
	if err != nil {
		return Page{}, err
	}
	began := time.Now()
	defer func() { // also after a panic
		admitted.queue.observe(time.Since(began), err)
		c.release(admitted)
	}()
	page, err = c.breaker.Execute(func() (page Page, err error) {
		if admitted.class == preferred {
			charge()
		}
		attempt, cancel := context.WithTimeout(ctx, c.timeout/5*4)
		defer cancel()
		attempt, request := c.telemetry.begin(attempt, n)
		defer func() { request.end(attempt, err) }()
		page, err = c.get(attempt, l, q)
		c.strangers.observe(l.hash, err)
		switch {
		case err == nil:
			charge()
		case ctx.Err() != nil:
			err = context.Cause(ctx) // the caller left or is out of time, which is not the server's fault
		}
		return page, err
	})
	return page, breakerError(err)
}
