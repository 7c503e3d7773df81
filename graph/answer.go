package graph

import (
	"encoding/json"
	"fmt"
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
	// data is the value of the member data; empty where there was nothing to
	// execute.
	data []byte
	// work is what went into it.
	work work
}

// newAnswer is the answer to a well-formed request.
func newAnswer(r *graphql.Response, executed bool) *answer {
	a := &answer{executed: executed, errors: bounded(r.Errors)}
	if executed {
		a.data = r.Data
	}
	return a
}

// after is the answer with what went into it.
func (a *answer) after(w work) *answer {
	a.work = w
	return a
}

// maxFieldErrors is how many errors an answer has of its own; what is left out
// of them is null in the data like the others.
const maxFieldErrors = 100

// bounded keeps an answer small in which very much went wrong: one more error,
// of no place, stands for those beyond the first ones.
func bounded(errs gqlerror.List) gqlerror.List {
	more := len(errs) - maxFieldErrors
	if more <= 0 {
		return errs
	}
	rest := &gqlerror.Error{
		Message:    fmt.Sprintf("%d more errors are left out.", more),
		Extensions: map[string]any{"code": errs[maxFieldErrors].Extensions["code"]},
	}
	return append(errs[:maxFieldErrors:maxFieldErrors], rest)
}

// refusal is the error of a request that does not become an operation.
func refusal(code, sentence string) gqlerror.List {
	return gqlerror.List{{Message: sentence, Extensions: map[string]any{"code": code}}}
}

// malformed is the answer to a body that is no request.
func malformed(sentence string) *answer {
	return &answer{status: http.StatusBadRequest, errors: refusal(codeBadUserInput, sentence)}
}

// contentTypes are the media types as headers. They are shared: nobody adds to
// them.
var contentTypes = map[string][]string{
	typeJSON:    {typeJSON + "; charset=utf-8"},
	typeGraphQL: {typeGraphQL + "; charset=utf-8"},
}

// send writes the answer to one of those who asked.
func (a *answer) send(w http.ResponseWriter, mediaType, requestID string) {
	start := a.start(requestID)
	header := w.Header()
	header["Content-Type"] = contentTypes[mediaType]
	header["Content-Length"] = []string{strconv.Itoa(len(start) + len(a.data) + len("}"))}
	w.WriteHeader(a.statusIn(mediaType))
	for _, part := range [][]byte{start, a.data, []byte("}")} {
		_, _ = w.Write(part) // a caller that has left is told nothing
	}
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

// start is the response as JSON up to its data. Its errors carry the ID of the
// request that is answered.
func (a *answer) start(requestID string) []byte {
	if len(a.errors) == 0 {
		return []byte(`{"data":`)
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
	start := append([]byte(`{"errors":`), text...)
	if len(a.data) > 0 {
		start = append(start, `,"data":`...)
	}
	return start
}
