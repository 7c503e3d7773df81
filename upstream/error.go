package upstream

import (
	"fmt"
	"strings"
	"time"
)

// Kind is what failed, from the caller's point of view.
type Kind uint8

// The kinds of failure. If a status is given, it alone decides, with two
// exceptions: a 400 may also report a malformed key, and a 401 may report a key
// that is known and lacks something.
const (
	// BadResponse is a response that the contract does not allow.
	BadResponse Kind = iota
	// InvalidArgument is a parameter that the upstream refused: 400, 422.
	InvalidArgument
	// Unauthenticated is a key that the upstream does not accept: 401, or a 400 of
	// type authentication_error. The key itself was refused.
	Unauthenticated
	// Forbidden is a key that the upstream knows and that lacks something, as
	// [Error.Denial] says: 402, 403, or a 401 with missing_permissions or
	// quota_exceeded.
	Forbidden
	// NotFound is an agent or a branch that this key's workspace does not have:
	// 404, if the request named one.
	NotFound
	// RateLimited is too many calls, or too many at once: 429.
	RateLimited
	// Timeout is no response in time, or a 408.
	Timeout
	// Unavailable is a 5xx, or no connection.
	Unavailable
	// Overloaded is a call that was not sent because this process has no
	// connection for it.
	Overloaded
)

func (k Kind) String() string {
	return [...]string{
		BadResponse:     "bad response",
		InvalidArgument: "invalid argument",
		Unauthenticated: "unauthenticated",
		Forbidden:       "forbidden",
		NotFound:        "not found",
		RateLimited:     "rate limited",
		Timeout:         "timeout",
		Unavailable:     "unavailable",
		Overloaded:      "overloaded",
	}[k]
}

// Stage is the step of a call that failed.
type Stage uint8

// The stages of a call.
const (
	Sending  Stage = iota // before the response's head arrived
	Status                // the response's status reports the failure
	Reading               // while the body arrived
	Decoding              // after the whole body arrived
)

func (s Stage) String() string {
	return [...]string{Sending: "sending", Status: "status", Reading: "reading", Decoding: "decoding"}[s]
}

// Error is every failure of a call but one: if the caller left, the error is that
// of its context.
//
// Error's text is safe to log: it contains neither the key nor a cursor, a user
// ID or anything else that the upstream wrote. Detail is what the upstream wrote.
type Error struct {
	Kind   Kind
	Stage  Stage
	Status int    // the HTTP status; 0 if none arrived
	Denial Denial // with Forbidden
	Detail Detail
	// TraceID is the upstream's x-trace-id, which its support requests.
	TraceID string
	// RetryAfter is the wait that the upstream requested, at most five minutes; 0
	// if it requested none.
	RetryAfter time.Duration
	// Cause is the underlying failure; nil if the status says it all. Its text may
	// quote URLs: log [Error.Reason] instead.
	Cause error
}

func (e *Error) Error() string {
	var b strings.Builder
	fmt.Fprintf(&b, "list users: %s while %s", e.Kind, e.Stage)
	if e.Stage == Status {
		b.Reset()
		fmt.Fprintf(&b, "list users: %s", e.Kind)
	}
	if e.Status != 0 {
		fmt.Fprintf(&b, " (status %d)", e.Status)
	}
	if reason := e.Reason(); reason != "" {
		fmt.Fprintf(&b, ": %s", reason)
	}
	return b.String()
}

// Unwrap returns the cause.
func (e *Error) Unwrap() error { return e.Cause }

// Detail is the upstream's own description of a failure, in any of its three
// forms. Its texts may quote what was sent, except the key: show them to the
// caller who sent it, and never log them.
type Detail struct {
	// Faults is the list form of a 422, with one fault for each wrong parameter.
	Faults []Fault
	// Type, Code and Status are the machine-readable words of the object form.
	Type, Code, Status string
	// Message is the sentence of the object form, or the whole string form.
	Message string
	// Param is the parameter that the object form names, if any.
	Param string
	// RequestID equals the x-trace-id header.
	RequestID string
}

// Fault is what is wrong with one parameter.
type Fault struct {
	// Param is the last name in the fault's location; empty if it has none.
	Param string
	// Message is the upstream's sentence.
	Message string
}
