package emulator

import (
	"fmt"
	"net/http"
)

// The upstream reports errors in three forms, all under "detail": a list of
// faults (422), an object, and a sentence (the web framework's own errors). The
// forms and the words in status are as recorded from the vendor's other
// endpoints. The sentences are made up.

// refusal is a response other than a page.
type refusal struct {
	status int
	detail any     // a sentence, or a list of faults
	object *reason // instead of detail
	allow  string  // the methods that the path supports
}

// reason is the form of detail that is an object.
type reason struct {
	Type      string `json:"type"`
	Code      string `json:"code"`
	Message   string `json:"message"`
	Status    string `json:"status"`
	RequestID string `json:"request_id"`
	Param     string `json:"param,omitempty"`
}

// fault is one fault of a parameter, in pydantic's form.
type fault struct {
	Type     string         `json:"type"`
	Location []string       `json:"loc"`
	Message  string         `json:"msg"`
	Input    string         `json:"input"`
	Context  map[string]any `json:"ctx,omitempty"`
}

// refuse sends a refusal. The trace ID becomes the detail's request_id.
func refuse(w http.ResponseWriter, trace string, r *refusal) {
	detail := r.detail
	if r.object != nil {
		object := *r.object
		object.RequestID = trace
		detail = object
	}
	if r.allow != "" {
		w.Header().Set("Allow", r.allow)
	}
	write(w, r.status, map[string]any{"detail": detail})
}

func invalidParameters(faults []fault) *refusal {
	return &refusal{status: http.StatusUnprocessableEntity, detail: faults}
}

// objectRefusal returns a refusal whose detail is an object. In all of the
// vendor's recorded errors that have both code and status, the two are the same
// word.
func objectRefusal(status int, kind, code, message string) *refusal {
	return &refusal{status: status, object: &reason{Type: kind, Code: code, Message: message, Status: code}}
}

func needsAuthorization() *refusal {
	return objectRefusal(http.StatusUnauthorized, "authentication_error", "needs_authorization",
		"Neither authorization header nor xi-api-key received, please provide one.")
}

func invalidKey() *refusal {
	return objectRefusal(http.StatusUnauthorized, "authentication_error", "invalid_api_key", "Invalid API key")
}

// malformedKey is a 400, unlike invalidKey. Its code is a guess.
func malformedKey() *refusal {
	return objectRefusal(http.StatusBadRequest, "authentication_error", "invalid_api_key", "The API key is malformed")
}

func unknownAgent(id string) *refusal {
	return objectRefusal(http.StatusNotFound, "not_found", "document_not_found",
		fmt.Sprintf("Document with id %s not found.", id))
}

// invalidCursor is a 400. That is a guess: it may be a 422 as well.
func invalidCursor() *refusal {
	r := objectRefusal(http.StatusBadRequest, "invalid_request", "invalid_cursor",
		"The cursor is not one of this list with these filters and this order")
	r.object.Param = "cursor"
	return r
}

func unavailable() *refusal {
	return objectRefusal(http.StatusServiceUnavailable, "service_unavailable", "service_unavailable", "The request has ended")
}

// notFound and methodNotAllowed are FastAPI's own.
func notFound() *refusal {
	return &refusal{status: http.StatusNotFound, detail: "Not Found"}
}

func methodNotAllowed() *refusal {
	return &refusal{status: http.StatusMethodNotAllowed, detail: "Method Not Allowed", allow: http.MethodGet}
}
