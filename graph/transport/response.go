package transport

import (
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"net/http"
	"slices"
	"strconv"

	"github.com/vektah/gqlparser/v2/gqlerror"

	"rollcall/graph"
)

// response is the response to a request. Equal requests share it, so it is never
// modified.
type response struct {
	// status is the HTTP status; 0 for the one that the media type implies for a
	// well-formed request.
	status int
	*graph.Result
}

// refuse returns the response to a request that is not executed.
func refuse(status int, code, sentence string) *response {
	return &response{status, &graph.Result{Errors: graph.Refusal(code, sentence)}}
}

// malformed returns the response to a body that is not a GraphQL request.
func malformed(sentence string) *response {
	return refuse(http.StatusBadRequest, graph.CodeBadUserInput, sentence)
}

// fault returns the response to a request that failed before its execution.
func fault(r *graph.Result) *response {
	return &response{http.StatusInternalServerError, &graph.Result{Errors: r.Errors}}
}

// contentTypes are the media types as headers. The slices are shared and never
// modified.
var contentTypes = map[string][]string{
	typeJSON:    {typeJSON + "; charset=utf-8"},
	typeGraphQL: {typeGraphQL + "; charset=utf-8"},
}

// send writes the response to one of the requests that share it.
func (r *response) send(w http.ResponseWriter, mediaType, requestID string) {
	start := r.start(requestID)
	header := w.Header()
	header["Content-Type"] = contentTypes[mediaType]
	size := len(start) + len(r.Data) + len("}")
	header["Content-Length"] = []string{strconv.Itoa(size)}
	if r.isOverloaded() {
		header["Retry-After"] = []string{fmt.Sprint(r.Errors[0].Extensions["retryAfter"])}
	}
	w.WriteHeader(r.statusIn(mediaType))
	var body io.Writer = w
	if size > pieceSize {
		body = newPieces(w)
	}
	for _, part := range [...][]byte{start, r.Data, []byte("}")} {
		if _, err := body.Write(part); err != nil {
			return // the caller has disconnected, or does not read
		}
	}
}

func (r *response) statusIn(mediaType string) int {
	switch {
	case r.status != 0:
		return r.status
	case r.Malformed:
		return http.StatusBadRequest
	case r.isOverloaded():
		return http.StatusServiceUnavailable
	case len(r.Data) > 0 || mediaType != typeGraphQL:
		return http.StatusOK
	case slices.Contains(graph.CodesOf(r.Errors), graph.CodeInternal):
		return http.StatusInternalServerError
	default:
		return http.StatusBadRequest
	}
}

// isOverloaded reports whether there is no data because the service has no
// capacity for the request.
func (r *response) isOverloaded() bool {
	return len(r.Data) == 0 && len(r.Errors) > 0 && graph.CodeOf(r.Errors[0]) == graph.CodeOverloaded
}

// start returns the response's JSON up to its data. Its errors carry the ID of
// the request.
func (r *response) start(requestID string) []byte {
	if len(r.Errors) == 0 {
		return []byte(`{"data":`)
	}
	errs := make(gqlerror.List, len(r.Errors))
	for i, e := range r.Errors {
		stamped := *e
		stamped.Extensions = maps.Clone(e.Extensions)
		if requestID != "" {
			stamped.Extensions["requestId"] = requestID
		}
		errs[i] = &stamped
	}
	text, _ := json.Marshal(errs) // of strings, numbers and maps of them: it cannot fail
	start := append([]byte(`{"errors":`), text...)
	if len(r.Data) > 0 {
		start = append(start, `,"data":`...)
	}
	return start
}
