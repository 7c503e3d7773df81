package upstream

import (
	"errors"
	"net/http"
	"time"

	"github.com/sony/gobreaker/v2"
)

// The breaker spares a server that is down, and callers who would wait for it. It
// opens if at least twenty recent requests have ended and half of them failed. It
// admits one request after five seconds, and closes if that one succeeds. A request
// is recent for as long as four calls may take: if the server hangs, too few
// requests end in a shorter time.
const (
	breakerCalls    = 4
	breakerRequests = 20
	breakerPause    = 5 * time.Second
)

// errOpen is the cause of a call that the breaker refused.
var errOpen = errors.New("the breaker is open: too many calls failed")

func newBreaker(timeout time.Duration, changed func(name string, from, to gobreaker.State)) *gobreaker.CircuitBreaker[Page] {
	window := max(10*time.Second, breakerCalls*timeout)
	return gobreaker.NewCircuitBreaker[Page](gobreaker.Settings{
		Interval:     window,
		BucketPeriod: window / 10,
		Timeout:      breakerPause,
		MaxRequests:  1,
		ReadyToTrip: func(c gobreaker.Counts) bool {
			// c.Requests also counts requests in flight and those of callers who
			// left.
			ended := c.TotalSuccesses + c.TotalFailures
			return ended >= breakerRequests && 2*c.TotalFailures >= ended
		},
		IsSuccessful:  serverSucceeded,
		IsExcluded:    unclassified,
		OnStateChange: changed,
	})
}

// unclassified reports whether an error says nothing about the server: the
// caller's context was cancelled.
func unclassified(err error) bool {
	_, classified := errors.AsType[*Error](err)
	return err != nil && !classified
}

// serverSucceeded returns false for failures of the server (5xx, no response in
// time, responses that cannot be read), and true for those of a caller (4xx) and
// of both (429).
func serverSucceeded(err error) bool {
	e, ok := errors.AsType[*Error](err)
	if !ok {
		return err == nil
	}
	return e.Status >= http.StatusBadRequest && e.Status < http.StatusInternalServerError && e.Status != http.StatusRequestTimeout
}

// breakerError replaces the breaker's own errors with the client's.
func breakerError(err error) error {
	if errors.Is(err, gobreaker.ErrOpenState) || errors.Is(err, gobreaker.ErrTooManyRequests) {
		return &Error{Kind: Unavailable, Stage: Sending, Cause: errOpen}
	}
	return err
}
