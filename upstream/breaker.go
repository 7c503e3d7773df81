package upstream

import (
	"errors"
	"net/http"
	"time"

	"github.com/sony/gobreaker/v2"
)

// The breaker spares a server that is down, and the callers who would wait for it.
// It opens when half of at least twenty recent requests failed, admits one request
// after five seconds, and closes when that one succeeds. A request is recent for
// as long as four calls may take: in a shorter time too few requests can hang.
const (
	breakerCalls    = 4
	breakerRequests = 20
	breakerPause    = 5 * time.Second
)

// errOpen is the cause of a call that the breaker did not admit.
var errOpen = errors.New("the breaker is open: too many calls failed")

func newBreaker(timeout time.Duration, changed func(name string, from, to gobreaker.State)) *gobreaker.CircuitBreaker[Page] {
	window := max(10*time.Second, breakerCalls*timeout)
	return gobreaker.NewCircuitBreaker[Page](gobreaker.Settings{
		Interval:     window,
		BucketPeriod: window / 10,
		Timeout:      breakerPause,
		MaxRequests:  1,
		ReadyToTrip: func(c gobreaker.Counts) bool {
			// Requests would also count those in flight and those of callers who left.
			ended := c.TotalSuccesses + c.TotalFailures
			return ended >= breakerRequests && 2*c.TotalFailures >= ended
		},
		IsSuccessful:  serverIsWell,
		IsExcluded:    saysNothing,
		OnStateChange: changed,
	})
}

// saysNothing reports whether a call's outcome says nothing about the server: its
// caller left.
func saysNothing(err error) bool {
	_, classified := errors.AsType[*Error](err)
	return err != nil && !classified
}

// serverIsWell returns false for failures of the server (5xx, no response in time,
// responses that cannot be read), and true for those of a caller (4xx) and of
// both (429).
func serverIsWell(err error) bool {
	e, ok := errors.AsType[*Error](err)
	if !ok {
		return err == nil
	}
	return e.Status >= http.StatusBadRequest && e.Status < http.StatusInternalServerError && e.Status != http.StatusRequestTimeout
}

// brokenOpen replaces the breaker's own errors with the client's.
func brokenOpen(err error) error {
	if errors.Is(err, gobreaker.ErrOpenState) || errors.Is(err, gobreaker.ErrTooManyRequests) {
		return &Error{Kind: Unavailable, Stage: Sending, Cause: errOpen}
	}
	return err
}
