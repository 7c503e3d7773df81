package transport

import (
	"net/http"
	"time"

	"go.opentelemetry.io/otel/trace"

	"rollcall/graph"
	"rollcall/upstream"
)

// record is what is known of one request. The handler completes it. When the
// request ends, it becomes a line in the log, a span and a few measurements.
type record struct {
	requestID string
	began     time.Time
	method    string
	route     string
	span      trace.Span // nil if spans are off

	caller upstream.Caller
	status int    // of HTTP; 0 if there was no response
	reason string // why its credentials were refused; empty unless they were
	result graph.Result
}

// answered records the response. A request that joined another one records the
// response without its work.
func (r *record) answered(resp *response, status int, joined bool) {
	r.result, r.status = *resp.Result, status
	if joined {
		r.result.Work = resp.Work.Shared()
		if r.span != nil && resp.Work.Span.IsValid() {
			r.span.AddLink(trace.Link{SpanContext: resp.Work.Span})
		}
	}
}

// disconnected records that the caller disconnected before the response. The
// errors are left out: they follow from the cancelled work.
func (r *record) disconnected(resp *response) {
	r.result = *resp.Result
	r.result.Errors = nil
}

// refusals are the reasons for which a request is not executed.
var refusals = []string{
	"origin", "method", "media_type", "accept", "credentials", "quota", "size", "malformed", "parse", "validation", "too_complex", "unknown_document", "untrusted_document", "internal",
}

// refusal returns the reason for which the request was not executed, or "" if it
// was executed or its caller disconnected.
func (r *record) refusal() string {
	if r.result.Executed || r.status == 0 {
		return ""
	}
	switch r.status {
	case http.StatusForbidden:
		if r.reason != "" {
			return "credentials"
		}
		return "origin"
	case http.StatusMethodNotAllowed:
		return "method"
	case http.StatusUnsupportedMediaType:
		return "media_type"
	case http.StatusNotAcceptable:
		return "accept"
	case http.StatusUnauthorized:
		return "credentials"
	case http.StatusTooManyRequests:
		return "quota"
	case http.StatusRequestEntityTooLarge, http.StatusRequestURITooLong:
		return "size"
	case http.StatusInternalServerError:
		return "internal"
	}
	switch r.code() {
	case graph.CodeParseFailed:
		return "parse"
	case graph.CodeValidationFailed:
		return "validation"
	case graph.CodeTooComplex:
		return "too_complex"
	case graph.CodePersistedQueryNotInList, graph.CodePersistedQueryIDRequired, graph.CodeQueryNotInSafelist:
		return "untrusted_document"
	case graph.CodePersistedQueryNotFound, graph.CodePersistedQueryNotSupported:
		return "unknown_document"
	case graph.CodeInternal:
		return "internal"
	}
	return "malformed"
}

// code returns the code of the most severe error, or "" if there is none.
func (r *record) code() string {
	if codes := graph.CodesOf(r.result.Errors); len(codes) > 0 {
		return codes[0]
	}
	return ""
}

// failure returns the request's error.type.
func (r *record) failure() string {
	if r.status == 0 {
		return "canceled"
	}
	return r.code()
}
