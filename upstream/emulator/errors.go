package emulator

import (
	"encoding/json"
	"net/http"
)

// refusal is an answer that is no page. Its detail has one of the upstream's
// three forms: a list of faults, an object, a string.
type refusal struct {
	status int
	detail any
}

// The refusals that do not depend on the request. Their words are those of the
// live API where they have been seen, and else guesses of its style.
var (
	notFound           = &refusal{404, "Not Found"}
	methodNotAllowed   = &refusal{405, "Method Not Allowed"}
	needsAuthorization = refuse(401, "authentication_error", "needs_authorization", "No API key was sent in the header xi-api-key.", "")
	invalidKey         = refuse(401, "authentication_error", "invalid_api_key", "This API key is not known.", "")
	malformedKey       = refuse(400, "authentication_error", "invalid_api_key", "The header xi-api-key does not hold an API key.", "")
	unknownAgent       = refuse(404, "not_found", "document_not_found", "There is no such agent in this workspace.", "agent_id")
	invalidCursor      = refuse(400, "invalid_request", "invalid_cursor", "The cursor does not belong to this list.", "cursor")
)

type detail struct {
	Type      string `json:"type"`
	Code      string `json:"code"`
	Status    string `json:"status"`
	Message   string `json:"message"`
	RequestID string `json:"request_id"`
	Param     string `json:"param,omitempty"`
}

func refuse(status int, kind, code, message, param string) *refusal {
	return &refusal{status, detail{Type: kind, Code: code, Status: code, Message: message, Param: param}}
}

func (no *refusal) write(w http.ResponseWriter, trace string) {
	body := map[string]any{"detail": no.detail}
	if d, ok := no.detail.(detail); ok {
		d.RequestID = trace
		body["detail"] = d
	}
	if no.status == http.StatusMethodNotAllowed {
		w.Header().Set("Allow", http.MethodGet)
	}
	writeJSON(w, no.status, body)
}

func writeJSON(w http.ResponseWriter, status int, body any) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(body) // a client that has left is told nothing
}
