package graph

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"mime"
	"net/http"
	"strconv"
	"strings"

	"github.com/99designs/gqlgen/graphql"
	"github.com/vektah/gqlparser/v2/ast"
	"github.com/vektah/gqlparser/v2/gqlerror"

	"rollcall/graph/connection"
	"rollcall/graph/loader"
	"rollcall/upstream"
)

// The transport is GraphQL over HTTP as its specification has it, restricted to
// POST with a JSON body. gqlgen's own repeats a broken body in its answer, and
// fails some of the specification's audits.

const (
	// maxErrors is how many errors a refused document gets.
	maxErrors = 5

	typeGraphQL = "application/graphql-response+json"
	typeJSON    = "application/json"
)

type transport struct {
	config    Config
	documents graphql.Cache[*ast.QueryDocument] // those that are known to be valid
}

// Supports is true of everything: what cannot be served is refused by Do, in
// the words of GraphQL.
func (*transport) Supports(*http.Request) bool { return true }

// refusal is a request that does not become an operation.
type refusal struct {
	status     int
	code       string
	sentence   string
	retryAfter int // seconds; 0 where waiting does not help
}

// Do serves one request.
func (t *transport) Do(w http.ResponseWriter, r *http.Request, exec graphql.GraphExecutor) {
	w.Header().Set("Cache-Control", "no-store")
	w.Header().Set("X-Content-Type-Options", "nosniff")

	mediaType, acceptable := negotiate(r.Header.Values("Accept"))
	caller, params, no := t.read(w, r)
	if no == nil && !acceptable {
		no = &refusal{status: http.StatusNotAcceptable, code: codeBadUserInput, sentence: "This service answers in " + typeGraphQL + " or " + typeJSON + "."}
	}
	if no != nil {
		if no.status == http.StatusMethodNotAllowed {
			w.Header().Set("Allow", http.MethodPost)
		}
		extensions := map[string]any{"code": no.code, "requestId": requestIDOf(r.Context())}
		if no.retryAfter > 0 {
			w.Header().Set("Retry-After", strconv.Itoa(no.retryAfter))
			extensions["retryAfter"] = no.retryAfter
		}
		write(w, mediaType, no.status, &graphql.Response{Errors: gqlerror.List{{Message: no.sentence, Extensions: extensions}}})
		return
	}
	response, executed := t.execute(r.Context(), exec, caller, params)
	status := http.StatusOK
	if !executed && mediaType == typeGraphQL {
		status = http.StatusBadRequest
	}
	if response != nil {
		write(w, mediaType, status, response)
	}
}

// execute runs an operation. Without a valid one there are errors instead, and
// executed is false. There is no response for a caller that has left already.
func (t *transport) execute(ctx context.Context, exec graphql.GraphExecutor, caller upstream.Caller, params *graphql.RawParams) (response *graphql.Response, executed bool) {
	if errs := t.config.Limits.screen(ctx, t.documents, params.Query); len(errs) > 0 {
		return exec.DispatchError(ctx, errs), false
	}
	request, errs := exec.CreateOperationContext(ctx, params)
	if len(errs) == 0 && costOf(request) > t.config.Limits.Cost {
		errs = tooComplex(fmt.Sprintf("The operation could fetch more than %d users; ask for less at once.", t.config.Limits.Cost))
	}
	if len(errs) > 0 {
		errs = errs[:min(len(errs), maxErrors)]
		return exec.DispatchError(graphql.WithOperationContext(ctx, request), errs), false
	}
	ctx, cancel := context.WithTimeout(ctx, t.config.Timeout)
	defer cancel()
	op := &operation{
		sealer: connection.NewSealer(cmp.Or(caller.Key.Reveal(), t.config.CursorSecret), caller.Subject),
		loader: loader.New(t.source(caller), t.config.Limits.Calls),
	}
	emptyNoObjects(request)
	op.forecast = foresee(request, op)
	respond, ctx := exec.DispatchOperation(withOperation(ctx, op), request)
	return respond(ctx), true
}

// source is the upstream for one caller.
func (t *transport) source(caller upstream.Caller) loader.Source {
	session := t.config.Client.As(caller)
	if t.config.Quota == nil {
		return session
	}
	return rationed{session, t.config.Quota, caller}
}

// rationed counts a caller's calls.
type rationed struct {
	loader.Source
	quota  Quota
	caller upstream.Caller
}

func (r rationed) ListUsers(ctx context.Context, q upstream.PageQuery) (upstream.Page, error) {
	r.quota.Spend(r.caller)
	return r.Source.ListUsers(ctx, q)
}

// read takes everything off a request.
func (t *transport) read(w http.ResponseWriter, r *http.Request) (upstream.Caller, *graphql.RawParams, *refusal) {
	var caller upstream.Caller
	if r.Method != http.MethodPost {
		return caller, nil, &refusal{status: http.StatusMethodNotAllowed, code: codeBadUserInput, sentence: "GraphQL is served by POST alone."}
	}
	if no := checkContentType(r.Header.Get("Content-Type")); no != nil {
		return caller, nil, no
	}
	caller, err := t.config.Authenticate(r)
	if err != nil {
		return caller, nil, &refusal{status: http.StatusUnauthorized, code: codeUnauthenticated, sentence: "The service does not know who you are: " + err.Error() + "."}
	}
	if t.config.Quota != nil {
		if wait := t.config.Quota.Wait(caller); wait > 0 {
			seconds := int(math.Ceil(wait.Seconds()))
			return caller, nil, &refusal{status: http.StatusTooManyRequests, code: codeRateLimited, sentence: "You have used up your upstream calls for now.", retryAfter: seconds}
		}
	}
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, int64(t.config.Limits.Body)))
	if err != nil {
		if _, tooLarge := errors.AsType[*http.MaxBytesError](err); tooLarge {
			return caller, nil, &refusal{status: http.StatusRequestEntityTooLarge, code: codeBadUserInput, sentence: "The body is larger than " + strconv.Itoa(t.config.Limits.Body) + " bytes."}
		}
		return caller, nil, &refusal{status: http.StatusBadRequest, code: codeBadUserInput, sentence: "The body did not arrive whole."}
	}
	params, no := parseBody(body)
	return caller, params, no
}

func checkContentType(header string) *refusal {
	mediaType, params, err := mime.ParseMediaType(header)
	charset := strings.ToLower(params["charset"])
	if err != nil || mediaType != typeJSON || charset != "" && charset != "utf-8" {
		return &refusal{status: http.StatusUnsupportedMediaType, code: codeBadUserInput, sentence: "The body has to be " + typeJSON + " in UTF-8."}
	}
	return nil
}

// parseBody reads the parameters of a request, and does not repeat them in a
// refusal.
func parseBody(body []byte) (*graphql.RawParams, *refusal) {
	malformed := func(sentence string) (*graphql.RawParams, *refusal) {
		return nil, &refusal{status: http.StatusBadRequest, code: codeBadUserInput, sentence: sentence}
	}
	var request struct {
		Query         *string        `json:"query"`
		OperationName *string        `json:"operationName"`
		Variables     map[string]any `json:"variables"`
		Extensions    map[string]any `json:"extensions"`
	}
	decoder := json.NewDecoder(bytes.NewReader(body))
	decoder.UseNumber()
	err := decoder.Decode(&request)
	wrongType, isWrongType := errors.AsType[*json.UnmarshalTypeError](err)
	switch {
	case isWrongType && wrongType.Field == "":
		return malformed("The body has to be a JSON object.")
	case isWrongType:
		return malformed("The body's members have the wrong types: query and operationName are strings, variables and extensions are objects.")
	case err != nil:
		return malformed("The body is not JSON.")
	}
	if _, err := decoder.Token(); !errors.Is(err, io.EOF) {
		return malformed("There is something after the JSON object.")
	}
	if request.Query == nil || *request.Query == "" {
		return malformed("The body has no query.")
	}
	params := &graphql.RawParams{Query: *request.Query, Variables: request.Variables, Extensions: request.Extensions}
	if request.OperationName != nil {
		params.OperationName = *request.OperationName
	}
	return params, nil
}

// negotiate picks the media type of the answer by the Accept headers. Whoever
// accepts anything gets application/json, which every client understands.
func negotiate(accept []string) (mediaType string, ok bool) {
	if len(accept) == 0 {
		return typeJSON, true
	}
	best, bestQuality := typeJSON, 0.0
	for entry := range strings.SplitSeq(strings.Join(accept, ","), ",") {
		wanted, params, err := mime.ParseMediaType(entry)
		if err != nil {
			continue
		}
		if charset := strings.ToLower(params["charset"]); charset != "" && charset != "utf-8" {
			continue
		}
		quality := 1.0
		if q, err := strconv.ParseFloat(params["q"], 64); err == nil {
			quality = q
		}
		switch wanted {
		case "*/*", "application/*":
			wanted = typeJSON
		case typeGraphQL, typeJSON:
		default:
			continue
		}
		if quality > bestQuality {
			best, bestQuality = wanted, quality
		}
	}
	return best, bestQuality > 0
}

// write sends a response. Without data there is no member data: the request
// was not executed.
func write(w http.ResponseWriter, mediaType string, status int, response *graphql.Response) {
	var b bytes.Buffer
	b.WriteByte('{')
	if len(response.Errors) > 0 {
		// Errors are of strings, numbers and maps of them: they marshal.
		text, _ := json.Marshal(response.Errors)
		b.WriteString(`"errors":`)
		b.Write(text)
	}
	if len(response.Data) > 0 {
		if len(response.Errors) > 0 {
			b.WriteByte(',')
		}
		b.WriteString(`"data":`)
		b.Write(response.Data)
	}
	b.WriteByte('}')
	w.Header().Set("Content-Type", mediaType+"; charset=utf-8")
	w.Header().Set("Content-Length", strconv.Itoa(b.Len()))
	w.WriteHeader(status)
	_, _ = w.Write(b.Bytes()) // a caller that has left is told nothing
}
