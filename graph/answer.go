package graph

import (
	"encoding/json"
	"maps"
	"net/http"
	"strconv"

	"github.com/99designs/gqlgen/graphql"
	"github.com/vektah/gqlparser/v2/gqlerror"
)

// answer is what a request comes to. Requests that are equal share one, so it
// is not written to once it is made.
type answer struct {
	// status is the HTTP status; 0 for what the media type has for a request
	// that was well formed.
	status int
	// executed says that there was an operation to execute.
	executed bool
	errors   gqlerror.List
	// data is the member data with its value. It is empty where there was
	// nothing to execute, and the whole body where there are no errors.
	data []byte
	// work is what went into it.
	work work
}

// newAnswer is the answer to a well-formed request.
func newAnswer(r *graphql.Response, executed bool) *answer {
	a := &answer{executed: executed, errors: r.Errors}
	if !executed || len(r.Data) == 0 {
		return a
	}
	a.data = make([]byte, 0, len(`{"data":}`)+len(r.Data))
	if len(a.errors) == 0 {
		a.data = append(a.data, '{')
	}
	a.data = append(append(a.data, `"data":`...), r.Data...)
	if len(a.errors) == 0 {
		a.data = append(a.data, '}')
	}
	return a
}

// refusal is the error of a request that does not become an operation.
func refusal(code, sentence string) gqlerror.List {
	return gqlerror.List{{Message: sentence, Extensions: map[string]any{"code": code}}}
}

// malformed is the answer to a body that is no request.
func malformed(sentence string) *answer {
	return &answer{status: http.StatusBadRequest, errors: refusal(codeBadUserInput, sentence)}
}

// send writes the answer to one of those who asked.
func (a *answer) send(w http.ResponseWriter, mediaType, requestID string) {
	body := a.body(requestID)
	header := w.Header()
	header["Content-Type"] = []string{mediaType + "; charset=utf-8"}
	header["Content-Length"] = []string{strconv.Itoa(len(body))}
	w.WriteHeader(a.statusIn(mediaType))
	_, _ = w.Write(body) // a caller that has left is told nothing
}

func (a *answer) statusIn(mediaType string) int {
	switch {
	case a.status != 0:
		return a.status
	case !a.executed && mediaType == typeGraphQL:
		return http.StatusBadRequest
	default:
		return http.StatusOK
	}
}

// body is the response as JSON. Its errors carry the ID of the request that is
// answered.
func (a *answer) body(requestID string) []byte {
	if len(a.errors) == 0 {
		return a.data
	}
	errs := make(gqlerror.List, len(a.errors))
	for i, e := range a.errors {
		stamped := *e
		stamped.Extensions = maps.Clone(e.Extensions)
		if requestID != "" {
			stamped.Extensions["requestId"] = requestID
		}
		errs[i] = &stamped
	}
	text, _ := json.Marshal(errs) // of strings, numbers and maps of them: they marshal
	body := make([]byte, 0, len(text)+len(a.data)+len(`{"errors":,}`))
	body = append(append(body, `{"errors":`...), text...)
	if len(a.data) > 0 {
		body = append(append(body, ','), a.data...)
	}
	return append(body, '}')
}
