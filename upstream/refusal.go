package upstream

import (
	"io"
	"net/http"
	"slices"
	"time"
)

// Denial is what a [Forbidden] key lacks.
type Denial uint8

// The denials. A status, or a word in the upstream's detail, decides.
const (
	// NoAccess is a 403 without a word that this package knows.
	NoAccess Denial = iota
	// NoPermission is a key that was created without a permission: a 401 or 403
	// with missing_permissions or insufficient_permissions.
	NoPermission
	// NoCredit is a workspace that has to pay: 402, or a 401 or 403 with
	// quota_exceeded.
	NoCredit
	// NoFeature is a plan without this endpoint: a 403 with feature_not_available.
	NoFeature
)

// denials are the reasons why a known key was refused.
var denials = [...]string{NoAccess: "", NoPermission: "the key lacks a permission", NoCredit: "the quota is exhausted", NoFeature: "the plan lacks the feature"}

// The causes of a 404 that does not report an unknown agent or branch.
const (
	errNoSuchPath = contractError("the upstream has no such path: does the base URL end in /v1?")
	errUnasked404 = contractError("a 404, but the request named no agent or branch")
)

// statusError returns the error of a response with a status other than 200.
func statusError(resp *http.Response, key APIKey, q *PageQuery) error {
	// The status decides, so the call does not depend on reading the detail.
	body, _ := io.ReadAll(io.LimitReader(resp.Body, maxErrorBody))
	e := &Error{
		Kind:       kindOf(resp.StatusCode),
		Stage:      Status,
		Status:     resp.StatusCode,
		Detail:     decodeDetail(body).redacted(key),
		TraceID:    traceIDOf(resp, key),
		RetryAfter: retryAfter(resp.Header.Get("Retry-After"), time.Now()),
	}
	if e.TraceID == "" {
		e.TraceID = traceID(e.Detail.RequestID)
	}
	switch e.Kind {
	case InvalidArgument:
		if e.Detail.has("authentication_error") {
			e.Kind = Unauthenticated
		}
	case NotFound:
		if cause := notFoundCause(e.Detail, q); cause != "" {
			e.Kind, e.Cause = BadResponse, cause
		}
	}
	if e.Kind == Unauthenticated || e.Kind == Forbidden {
		e.Denial = denialOf(e.Status, e.Detail)
	}
	if e.Denial != NoAccess {
		e.Kind = Forbidden // the upstream knows the key
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
	if status >= http.StatusInternalServerError {
		return Unavailable
	}
	return BadResponse
}

// denialOf returns what the key lacks, or NoAccess if neither the status nor the
// detail names it.
func denialOf(status int, d Detail) Denial {
	switch {
	case d.has("missing_permissions"), d.has("insufficient_permissions"):
		return NoPermission
	case status == http.StatusPaymentRequired, d.has("quota_exceeded"), d.has("payment_required"):
		return NoCredit
	case d.has("feature_not_available"):
		return NoFeature
	}
	return NoAccess
}

// notFoundCause returns why a 404 cannot be about an agent or a branch, or "" if
// it can. The detail {"detail":"Not Found"} comes from the upstream's framework:
// no route has the request's path.
func notFoundCause(d Detail, q *PageQuery) contractError {
	switch {
	case d.Message == "Not Found" && d.Status == "" && d.Code == "" && d.Type == "":
		return errNoSuchPath
	case q.Filter.AgentID == "" && q.Filter.BranchID == "":
		return errUnasked404
	}
	return ""
}

// has reports whether one of the detail's machine-readable words is word. The
// two object forms have it in different members.
func (d Detail) has(word string) bool {
	return slices.Contains([]string{d.Status, d.Code, d.Type}, word)
}
