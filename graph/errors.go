package graph

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math"
	"slices"
	"strings"

	"github.com/99designs/gqlgen/graphql"
	"github.com/vektah/gqlparser/v2/ast"
	"github.com/vektah/gqlparser/v2/gqlerror"

	"rollcall/graph/connection"
	"rollcall/graph/datetime"
	"rollcall/graph/document"
	"rollcall/graph/loader"
	"rollcall/internal/panics"
	"rollcall/upstream"
)

// Every error that leaves the service gets its code and its message here.

// The values of extensions.code.
const (
	CodeBadUserInput        = "BAD_USER_INPUT"
	CodeUnauthenticated     = "UNAUTHENTICATED"
	CodeForbidden           = "FORBIDDEN"
	CodeUpstreamCredentials = "UPSTREAM_CREDENTIALS"
	CodeNotFound            = "NOT_FOUND"
	CodeRateLimited         = "RATE_LIMITED"
	CodeOverloaded          = "OVERLOADED"
	CodeUpstreamTimeout     = "UPSTREAM_TIMEOUT"
	CodeUpstreamUnavailable = "UPSTREAM_UNAVAILABLE"
	CodeUpstreamBadResponse = "UPSTREAM_BAD_RESPONSE"
	CodeTooComplex          = "OPERATION_TOO_COMPLEX"
	CodeInternal            = "INTERNAL_SERVER_ERROR"
	CodeParseFailed         = "GRAPHQL_PARSE_FAILED"
	CodeValidationFailed    = "GRAPHQL_VALIDATION_FAILED"

	CodePersistedQueryNotFound     = "PERSISTED_QUERY_NOT_FOUND"
	CodePersistedQueryNotSupported = "PERSISTED_QUERY_NOT_SUPPORTED"
	CodePersistedQueryNotInList    = "PERSISTED_QUERY_NOT_IN_LIST"
	CodePersistedQueryIDRequired   = "PERSISTED_QUERY_ID_REQUIRED"
	CodeQueryNotInSafelist         = "QUERY_NOT_IN_SAFELIST"
)

// errorCodes has all codes, the most severe first: faults of the service, of its
// operator, of the upstream, and then of the caller.
var errorCodes = [...]string{
	CodeInternal, CodeUpstreamCredentials, CodeUpstreamBadResponse, CodeUpstreamUnavailable, CodeUpstreamTimeout, CodeOverloaded,
	CodeRateLimited, CodeUnauthenticated, CodeForbidden, CodeNotFound, CodeTooComplex,
	CodeParseFailed, CodeValidationFailed, CodeBadUserInput,
	CodeQueryNotInSafelist, CodePersistedQueryIDRequired, CodePersistedQueryNotInList, CodePersistedQueryNotSupported, CodePersistedQueryNotFound,
}

// Codes returns all codes, the most severe first.
func Codes() []string { return slices.Clone(errorCodes[:]) }

// CodeOf returns an error's code. An error without one is a fault of the service.
func CodeOf(err *gqlerror.Error) string { return errorCodes[severity(err)] }

// CodesOf returns the codes of errors, each once, the most severe first.
func CodesOf(errs gqlerror.List) []string {
	if len(errs) == 0 {
		return nil
	}
	var present [len(errorCodes)]bool
	for _, err := range errs {
		present[severity(err)] = true
	}
	var codes []string
	for i, code := range errorCodes {
		if present[i] {
			codes = append(codes, code)
		}
	}
	return codes
}

// severity is the index of an error's code in errorCodes: lower is more severe.
func severity(err *gqlerror.Error) int {
	for i, code := range errorCodes {
		if err.Extensions["code"] == code {
			return i
		}
	}
	return 0
}

// IsFault reports whether a code is that of an error which callers cannot
// correct.
func IsFault(code string) bool {
	switch code {
	case CodeInternal, CodeUpstreamCredentials, CodeUpstreamBadResponse, CodeUpstreamUnavailable, CodeUpstreamTimeout, CodeOverloaded:
		return true
	}
	return false
}

// Refusal returns the errors of a request that is not executed.
func Refusal(code, sentence string) gqlerror.List {
	return gqlerror.List{{Message: sentence, Extensions: map[string]any{"code": code}}}
}

// publicError is the part of an error that a caller sees.
type publicError struct {
	code     string
	sentence string
	argument string // the argument that is wrong, if any
}

// presenter turns errors into those that callers see.
type presenter struct {
	log *slog.Logger
	// callersKey reports that the key for the upstream is the caller's own.
	callersKey bool
}

// present implements gqlgen's ErrorPresenterFunc.
func (p *presenter) present(ctx context.Context, err error) *gqlerror.Error {
	located := &gqlerror.Error{Path: graphql.GetPath(ctx)}
	if inner, ok := errors.AsType[*gqlerror.Error](err); ok {
		located = inner
	}
	locations := located.Locations
	if field := graphql.GetFieldContext(ctx); len(locations) == 0 && field != nil && field.Field.Field != nil && field.Field.Position != nil {
		// gqlgen reports no location for an error of an argument or of a list's
		// element.
		locations = []gqlerror.Location{{Line: field.Field.Position.Line, Column: field.Field.Position.Column}}
	}
	path, argument := paths(ctx, located.Path)
	public := p.classify(ctx, err, located, argument)
	shown := &gqlerror.Error{
		Message:    public.sentence,
		Path:       path,
		Locations:  locations,
		Extensions: map[string]any{"code": public.code},
	}
	if public.argument != "" {
		shown.Extensions["argument"] = public.argument
	}
	if call, ok := errors.AsType[*upstream.Error](err); ok {
		if call.TraceID != "" {
			shown.Extensions["upstreamTraceId"] = call.TraceID
		}
		if (call.Kind == upstream.RateLimited || call.Kind == upstream.Overloaded) && call.RetryAfter > 0 {
			shown.Extensions["retryAfter"] = int(math.Ceil(call.RetryAfter.Seconds()))
		}
	}
	return shown
}

// paths returns an error's path in the response, and its path in an argument.
// gqlgen appends the second to the first. An alias may be equal to an argument's
// name, so the path of the field that is being resolved decides.
func paths(ctx context.Context, path ast.Path) (response, argument ast.Path) {
	field := graphql.GetFieldContext(ctx)
	if field == nil {
		return nil, nil // no field is being resolved
	}
	for i := len(field.Path()); i < len(path); i++ {
		if _, ok := path[i].(ast.PathName); ok { // not an index in a list
			return path[:i], path[i:]
		}
	}
	return path, nil
}

func (p *presenter) classify(ctx context.Context, err error, located *gqlerror.Error, argument ast.Path) publicError {
	if wrong, ok := errors.AsType[*connection.ArgumentError](err); ok {
		return publicError{CodeBadUserInput, wrong.Error(), wrong.Argument}
	}
	if call, ok := errors.AsType[*upstream.Error](err); ok {
		return p.classifyCall(ctx, call)
	}
	switch {
	case errors.Is(err, datetime.ErrFormat):
		return publicError{CodeBadUserInput, argument.String() + ": " + datetime.ErrFormat.Error(), argument.String()}
	case errors.Is(err, loader.ErrTooManyCalls):
		return publicError{CodeTooComplex, "The operation needs too many calls of the upstream; request less at once.", ""}
	case errors.Is(err, loader.ErrTooFar):
		return publicError{CodeTooComplex, "The users on this side of the cursor are too many upstream calls away; start from the other end of the list.", ""}
	case errors.Is(err, context.DeadlineExceeded):
		return publicError{CodeUpstreamTimeout, "The upstream did not answer in time.", ""}
	case errors.Is(err, context.Canceled):
		return publicError{CodeUpstreamTimeout, "The request was cancelled.", ""}
	case located.Extensions["code"] != nil:
		return publicError{fmt.Sprint(located.Extensions["code"]), clip(located.Message), ""}
	}
	if panicked, ok := errors.AsType[*panics.Error](err); ok {
		p.log.ErrorContext(ctx, "panic", "request_id", RequestID(ctx), "panic", panicked.What, "stack", string(panicked.Stack))
	} else {
		p.log.ErrorContext(ctx, "internal error", "request_id", RequestID(ctx), "error", err)
	}
	return publicError{CodeInternal, "Something went wrong inside the service.", ""}
}

func (p *presenter) classifyCall(ctx context.Context, e *upstream.Error) publicError {
	switch e.Kind {
	case upstream.InvalidArgument:
		return refusedArgument(ctx, e.Detail)
	case upstream.Unauthenticated, upstream.Forbidden:
		switch {
		case !p.callersKey:
			return publicError{CodeUpstreamCredentials, "The upstream refused this service's own key. The operator of the service has to correct that.", ""}
		case e.Kind == upstream.Forbidden:
			return publicError{CodeForbidden, denials[e.Denial], ""}
		default:
			return publicError{CodeUnauthenticated, "The upstream does not accept your key.", ""}
		}
	case upstream.NotFound:
		return publicError{CodeNotFound, "The upstream knows no such agent or branch.", ""}
	case upstream.RateLimited:
		return publicError{CodeRateLimited, "The upstream takes no more calls right now.", ""}
	case upstream.Overloaded:
		return publicError{CodeOverloaded, "The service has no connection to the upstream left for this request.", ""}
	case upstream.Timeout:
		return publicError{CodeUpstreamTimeout, "The upstream did not answer in time.", ""}
	case upstream.Unavailable:
		return publicError{CodeUpstreamUnavailable, "The upstream cannot be reached, or is down.", ""}
	default:
		return publicError{CodeUpstreamBadResponse, "The upstream's answer could not be understood.", ""}
	}
}

// denials are the messages for a caller's own key that lacks something.
var denials = [...]string{
	upstream.NoAccess:     "The upstream does not allow your key to do this.",
	upstream.NoPermission: "Your key lacks a permission: it must be allowed to read conversational AI (convai_read).",
	upstream.NoCredit:     "The quota of your key's workspace is exhausted, or a payment is required.",
	upstream.NoFeature:    "The plan of your key's workspace does not include this feature.",
}

// refusedArgument returns the upstream's 400 or 422, with our names for the
// arguments.
func refusedArgument(ctx context.Context, d upstream.Detail) publicError {
	faults := d.Faults
	if len(faults) == 0 {
		faults = []upstream.Fault{{Param: d.Param, Message: d.Message}}
	}
	public := publicError{code: CodeBadUserInput}
	var sentences []string
	for _, fault := range faults {
		sentence := clip(strings.TrimPrefix(fault.Message, fault.Param+": ")) // the message begins with our name instead
		if sentence == "" {
			sentence = "is refused by the upstream"
		}
		if name := argumentName(ctx, fault.Param); name != "" {
			sentence = name + ": " + sentence
			if public.argument == "" {
				public.argument = name
			}
		}
		sentences = append(sentences, sentence)
	}
	public.sentence = clip(strings.Join(sentences, "; "))
	return public
}

// argumentName returns the schema's name for a parameter of the upstream, as an
// argument of the field that is being resolved. It returns "" if there is none.
func argumentName(ctx context.Context, param string) string {
	field := graphql.GetFieldContext(ctx)
	if field != nil && param == "search" {
		switch field.Field.Name {
		case "user":
			return "userId"
		case "node":
			return "id"
		case "nodes":
			return "ids"
		case "_entities":
			return "representations"
		}
	}
	if field != nil && param == "agent_id" && field.Object == "Agent" {
		return "agentId"
	}
	if field != nil {
		switch {
		case field.Field.Name == "totalCount" && (param == "page_size" || param == "cursor"):
			return "" // chosen by the service
		case isBackward(ctx, field) && param == "page_size":
			return "last"
		case isBackward(ctx, field) && param == "cursor":
			return "before"
		}
	}
	return map[string]string{
		"page_size":              "first",
		"cursor":                 "after",
		"search":                 "filter.userId",
		"agent_id":               "filter.agentId",
		"branch_id":              "filter.branchId",
		"call_start_after_unix":  "filter.callStartedAfter",
		"call_start_before_unix": "filter.callStartedBefore",
		"sort_by":                "sortBy",
		"sort_direction":         "sortDirection",
	}[param]
}

// isBackward reports whether a field is a list with last or before.
func isBackward(ctx context.Context, field *graphql.FieldContext) bool {
	args := field.Field.ArgumentMap(graphql.GetOperationContext(ctx).Variables)
	before, _ := args["before"].(string)
	return args["last"] != nil || before != ""
}

// maxSentence is how many bytes of the upstream's text are passed on.
const maxSentence = 500

func clip(s string) string {
	s = strings.ToValidUTF8(strings.TrimSpace(s), "")
	if len(s) <= maxSentence {
		return s
	}
	return strings.ToValidUTF8(s[:maxSentence], "") + "…"
}

// codeOf has the codes of refused documents and variables.
var codeOf = map[document.Kind]string{
	document.TooComplex:  CodeTooComplex,
	document.ParseFailed: CodeParseFailed,
	document.Invalid:     CodeValidationFailed,
	document.BadVariable: CodeBadUserInput,
}

// coded returns a refusal's errors with their code.
func coded(refused *document.Refusal) gqlerror.List {
	for _, err := range refused.Errors {
		err.Extensions = map[string]any{"code": codeOf[refused.Kind]}
	}
	return refused.Errors
}
