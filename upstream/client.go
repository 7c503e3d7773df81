// Package upstream is a client for one endpoint of the ElevenLabs REST API,
// List users (GET /v1/convai/users). It knows pages and cursors; of GraphQL,
// connections or callers' requests it knows nothing.
//
// The contract is the vendor's reference page; what goes beyond it says where it
// comes from.
//
// A call passes, in this order: the cache, if there is one; flights, in which
// equal calls become one; the rules for strangers, if callers bring their own
// keys; the key's limiter, with its queue; a slot of the process; the breaker,
// which spares a server that is down; and the request itself. A failure that may
// be temporary is tried once more, within a budget.
//
// Whose is what: the upstream's response depends on the API key and the query
// alone, so flights and cached pages belong to the key, whichever of its callers
// made the call. Only [Config.OnCall] knows callers.
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

// Config is what a client needs to know. The zero values of all fields but
// BaseURL mean the defaults.
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
	// Connections is how many connections there may be for all keys together,
	// idle ones included; default 256. It is at least Concurrency.
	Connections int
	// CallersKeys reports that callers bring their own keys, and so can make up
	// any number of them.
	CallersKeys bool
	// CacheTTL is how old a page may be served to the callers of the key that it
	// was fetched with; default 0, which keeps none. With it, the client has to be
	// closed.
	CacheTTL time.Duration
	// OnCall, if it is not nil, is called for each call that is sent upstream, with
	// the caller that it is sent for: the first one, if several share it. Second
	// attempts are not counted, and neither are the calls of a key that the
	// upstream does not accept.
	OnCall func(Caller)
	// SharedPages returns the pages that replicas share for a key, or nil; default:
	// nil. It needs CacheTTL.
	SharedPages func(key APIKey) SharedPages
	// NewLimiter returns the limiter of an accepted key; default: one for this
	// process alone, [NewLimiter].
	NewLimiter func(key APIKey, limit int) Limiter
	// Transport replaces the client's own, for tests. An [http.Transport] is the
	// template for that of each key; any other sends the requests of all keys.
	Transport http.RoundTripper
	// TracerProvider and MeterProvider receive the client's telemetry; nil for none.
	TracerProvider trace.TracerProvider
	MeterProvider  metric.MeterProvider
	// Log gets a line about failing calls, at most one a second for each kind of
	// failure, and about the breaker; nil for none.
	Log *slog.Logger
}

// Client calls one server on behalf of any number of callers. It is safe for
// concurrent use.
type Client struct {
	endpoint    url.URL
	timeout     time.Duration
	margin      time.Duration // how long before its deadline a waiting call is refused
	flights     flight.Group[call, result]
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

// call is what makes two calls the same. Only callers with the same key share
// one: they could each make it, with the same response.
type call struct {
	key  APIKey
	page PageQuery
}

// result is what a call returned, and the span that it was made for.
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
		base.Path = "/" // otherwise JoinPath makes a relative one
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
	client.connections = newConnections(c.Connections, client.limiters.makeRoom)
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

// Close ends what the client does in the background, and closes its idle
// connections. Further calls are possible.
func (c *Client) Close() {
	c.cache.close()
	c.limiters.close()
}

// As returns the client for one caller. Each session has a [Session.Usage] of
// its own.
func (c *Client) As(caller Caller) *Session { return &Session{client: c, caller: caller} }

// Session is a client for one caller.
type Session struct {
	client *Client
	caller Caller
	usage  usage
}

// ListUsers fetches one page, or returns a cached one, which may have more users
// than were requested. Equal calls with the same key that are in flight at the
// same time are one call. The error is an [*Error], or the cause of ctx's
// cancellation if the caller left.
func (s *Session) ListUsers(ctx context.Context, q PageQuery) (Page, error) {
	began := time.Now()
	if !expiresWithin(ctx, s.client.timeout) {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, s.client.timeout)
		defer cancel()
	}
	if page, ok := s.client.cached(s.caller.Key, q); ok {
		s.usage.cached.Add(1)
		return page, nil
	}
	r, joined, err := s.join(ctx, q)
	if r.cached && !joined {
		s.usage.cached.Add(1)
		return r.page, nil
	}
	s.usage.count(joined, time.Since(began))
	if joined && r.by.IsValid() {
		trace.SpanFromContext(ctx).AddLink(trace.Link{SpanContext: r.by})
	}
	if _, classified := errors.AsType[*Error](err); !classified && errors.Is(err, context.DeadlineExceeded) {
		err = &Error{Kind: Timeout, Stage: Sending, Cause: context.DeadlineExceeded} // the caller's own deadline
	}
	return r.page, err
}

// cached returns a page that needs no agreement with other replicas: any, unless
// pages are shared, and otherwise a user that a page has.
func (c *Client) cached(key APIKey, q PageQuery) (Page, bool) {
	if c.sharedPages == nil {
		return c.cache.get(key, q)
	}
	user, _, ok := c.cache.user(key, q)
	return Page{Users: []User{user}}, ok
}

// join makes a call, or joins an equal one. If the other one's caller ran out of
// time while it waited, and this one has time left, it makes the call anew.
func (s *Session) join(ctx context.Context, q PageQuery) (r result, joined bool, err error) {
	c := s.client
	for {
		r, joined, err = c.flights.Do(ctx, call{s.caller.Key, q}, func(ctx context.Context) (result, error) {
			page, cached, err := c.page(ctx, s.caller, q)
			return result{page, c.telemetry.spanOf(ctx), cached}, err
		})
		if !joined || !errors.Is(err, errNoTime) || expiresWithin(ctx, c.margin) {
			return r, joined, err
		}
	}
}

// fetch makes a call, and makes it once more if that may succeed.
func (c *Client) fetch(ctx context.Context, caller Caller, q PageQuery) (Page, error) {
	if c.strangers.refuses(c.strangers.hash(caller.Key)) {
		err := refusedKey()
		c.telemetry.refused(ctx, err)
		return Page{}, err
	}
	l := c.limiters.of(caller.Key)
	defer c.limiters.release(l)
	charge := sync.OnceFunc(func() {
		if c.onCall != nil {
			c.onCall(caller)
		}
	})
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

// attempt makes one request, as the n-th repetition, once it is admitted. It
// charges the caller for a request of an accepted key when it is sent, and for
// that of a stranger's key when the upstream has accepted the key.
func (c *Client) attempt(ctx context.Context, l *limiter, charge func(), q PageQuery, n int) (page Page, err error) {
	defer func() { c.telemetry.refused(ctx, err) }()
	admitted, err := c.admit(ctx, l)
	if err != nil {
		return Page{}, err
	}
	began := time.Now()
	defer func() { // also after a panic
		admitted.queue.observe(time.Since(began), err)
		admitted.release()
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
