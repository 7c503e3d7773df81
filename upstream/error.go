package upstream

import (
	"fmt"
	"strings"
	"time"
)

// Kind says what went wrong with a call, from the caller's point of view.
type Kind uint8

// The kinds of failure. Where a status is given, it alone decides, except that
// a 400 may also be the upstream's word for a malformed key.
const (
	// BadResponse is an answer that the contract does not allow.
	BadResponse Kind = iota
	// InvalidArgument is a parameter that the upstream refused: 400, 422.
	InvalidArgument
	// Unauthenticated is a missing or unknown key: 401, or a 400 of type
	// authentication_error.
	Unauthenticated
	// Forbidden is a key that may not do this, or has no credit left: 402, 403.
	Forbidden
	// NotFound is what this key's workspace does not have, which can only be an
	// agent or a branch: 404.
	NotFound
	// RateLimited is too many calls, or too many at once: 429.
	RateLimited
	// Timeout is no answer in time, or a 408.
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

// Stage says how far a call had come when it failed.
type Stage uint8

// The stages of a call.
const (
	Sending  Stage = iota // before an answer's head had arrived
	Status                // the head told
	Reading               // while the body arrived
	Decoding              // the body was whole
)

func (s Stage) String() string {
	return [...]string{Sending: "sending", Status: "status", Reading: "reading", Decoding: "decoding"}[s]
}

// Error is every failure of a call but one: where the caller left, the error
// is its context's own.
//
// Error's text is safe to log: it names neither the key nor a cursor, a user
// or anything else that the upstream wrote. Detail is what the upstream wrote.
type Error struct {
	Kind   Kind
	Stage  Stage
	Status int // the HTTP status; 0 where none arrived
	Detail Detail
	// TraceID is the upstream's x-trace-id, which its support asks for.
	TraceID string
	// RetryAfter is what the upstream asked for, five minutes at most; 0 where it
	// asked for nothing.
	RetryAfter time.Duration
	// Cause is the failure beneath, free of URLs; nil where a status says all.
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
	if e.Cause != nil {
		fmt.Fprintf(&b, ": %v", e.Cause)
	}
	return b.String()
}

// Unwrap returns the cause.
func (e *Error) Unwrap() error { return e.Cause }

// Detail is the upstream's own account of a failure, whichever of its three
// forms it took. Its texts may quote what was sent, but for the key: show them
// to the caller who sent it, and log them nowhere.
type Detail struct {
	// Faults is the list form of a 422, a fault for each wrong parameter.
	Faults []Fault
	// Type, Code and Status are the machine-readable words of the object form.
	Type, Code, Status string
	// Message is the sentence of the object form, or the whole string form.
	Message string
	// Param is the parameter that the object form blames, if any.
	Param string
	// RequestID equals the x-trace-id header.
	RequestID string
}

// Fault is what is wrong with one parameter.
type Fault struct {
	// Param is the last name in the fault's location; empty where it has none.
	Param string
	// Message is the upstream's sentence.
	Message string
}
