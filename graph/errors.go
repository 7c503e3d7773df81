package graph

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math"
	"strings"

	"github.com/99designs/gqlgen/graphql"
	"github.com/vektah/gqlparser/v2/ast"
	"github.com/vektah/gqlparser/v2/gqlerror"

	"rollcall/graph/connection"
	"rollcall/graph/datetime"
	"rollcall/graph/document"
	"rollcall/graph/loader"
	"rollcall/internal/flight"
	"rollcall/upstream"
)

// Every error that leaves the service gets its code and its sentence here.

// The values of extensions.code.
const (
	codeBadUserInput        = "BAD_USER_INPUT"
	codeUnauthenticated     = "UNAUTHENTICATED"
	codeForbidden           = "FORBIDDEN"
	codeUpstreamCredentials = "UPSTREAM_CREDENTIALS"
	codeNotFound            = "NOT_FOUND"
	codeRateLimited         = "RATE_LIMITED"
	codeUpstreamTimeout     = "UPSTREAM_TIMEOUT"
	codeUpstreamUnavailable = "UPSTREAM_UNAVAILABLE"
	codeUpstreamBadResponse = "UPSTREAM_BAD_RESPONSE"
	codeTooComplex          = "OPERATION_TOO_COMPLEX"
	codeInternal            = "INTERNAL_SERVER_ERROR"
	codeParseFailed         = "GRAPHQL_PARSE_FAILED"
	codeValidationFailed    = "GRAPHQL_VALIDATION_FAILED"
)

// errorCodes are all codes, the gravest first: faults of the service, of its
// operator, of the upstream, and then of the caller.
var errorCodes = [...]string{
	codeInternal, codeUpstreamCredentials, codeUpstreamBadResponse, codeUpstreamUnavailable, codeUpstreamTimeout,
	codeRateLimited, codeUnauthenticated, codeForbidden, codeNotFound, codeTooComplex,
	codeParseFailed, codeValidationFailed, codeBadUserInput,
}

// isFault reports whether a code stands for something that callers cannot mend.
func isFault(code string) bool {
	switch code {
	case codeInternal, codeUpstreamCredentials, codeUpstreamBadResponse, codeUpstreamUnavailable, codeUpstreamTimeout:
		return true
	}
	return false
}

// public is what a caller gets to see of an error.
type public struct {
	code     string
	sentence string
	argument string // the argument that is to blame, if one is
}

// presenter words errors for callers.
type presenter struct {
	log *slog.Logger
	// callersKey says that the key upstream is the caller's own.
	callersKey bool
}

// present implements gqlgen's ErrorPresenterFunc.
func (p *presenter) present(ctx context.Context, err error) *gqlerror.Error {
	located := &gqlerror.Error{Path: graphql.GetPath(ctx)}
	if inner, ok := errors.AsType[*gqlerror.Error](err); ok {
		located = inner
	}
	path, argument := paths(ctx, located.Path)
	seen := p.classify(ctx, err, located, argument)
	shown := &gqlerror.Error{
		Message:    seen.sentence,
		Path:       path,
		Locations:  located.Locations,
		Extensions: map[string]any{"code": seen.code},
	}
	if seen.argument != "" {
		shown.Extensions["argument"] = seen.argument
	}
	if call, ok := errors.AsType[*upstream.Error](err); ok {
		if call.TraceID != "" {
			shown.Extensions["upstreamTraceId"] = call.TraceID
		}
		if call.Kind == upstream.RateLimited && call.RetryAfter > 0 {
			shown.Extensions["retryAfter"] = int(math.Ceil(call.RetryAfter.Seconds()))
		}
	}
	return shown
}

// paths tells where in the response an error belongs, and the argument that it
// is about. gqlgen spells the way into an argument as if it went on in the
// response, and that into a variable as one that begins with "variable". An
// alias may be named like either, so the field that is being resolved decides.
func paths(ctx context.Context, path ast.Path) (response, argument ast.Path) {
	field := graphql.GetFieldContext(ctx)
	if field == nil {
		return nil, nil // nothing is being resolved yet
	}
	for i := len(field.Path()); i < len(path); i++ {
		if _, ok := path[i].(ast.PathName); ok { // and not a place in a list
			return path[:i], path[i:]
		}
	}
	return path, nil
}

func (p *presenter) classify(ctx context.Context, err error, located *gqlerror.Error, argument ast.Path) public {
	if wrong, ok := errors.AsType[*connection.ArgumentError](err); ok {
		return public{codeBadUserInput, wrong.Error(), wrong.Argument}
	}
	if call, ok := errors.AsType[*upstream.Error](err); ok {
		return p.classifyCall(ctx, call)
	}
	switch {
	case errors.Is(err, datetime.ErrFormat):
		return public{codeBadUserInput, argument.String() + ": " + datetime.ErrFormat.Error(), argument.String()}
	case errors.Is(err, loader.ErrTooManyCalls):
		return public{codeTooComplex, "The operation needs too many calls of the upstream; ask for less at once.", ""}
	case errors.Is(err, context.DeadlineExceeded):
		return public{codeUpstreamTimeout, "The upstream did not answer in time.", ""}
	case errors.Is(err, context.Canceled):
		return public{codeUpstreamTimeout, "The request was cancelled.", ""}
	case located.Extensions["code"] != nil:
		return public{fmt.Sprint(located.Extensions["code"]), clip(located.Message), ""}
	}
	if panicked, ok := errors.AsType[*flight.PanicError](err); ok {
		p.log.ErrorContext(ctx, "panic", "request_id", requestIDOf(ctx), "panic", panicked.What, "stack", string(panicked.Stack))
	} else {
		p.log.ErrorContext(ctx, "internal error", "request_id", requestIDOf(ctx), "error", err)
	}
	return public{codeInternal, "Something went wrong inside the service.", ""}
}

func (p *presenter) classifyCall(ctx context.Context, e *upstream.Error) public {
	switch e.Kind {
	case upstream.InvalidArgument:
		return refusedArgument(ctx, e.Detail)
	case upstream.Unauthenticated, upstream.Forbidden:
		switch {
		case !p.callersKey:
			return public{codeUpstreamCredentials, "The upstream refused this service's own key. Whoever runs the service has to mend that.", ""}
		case e.Kind == upstream.Forbidden:
			return public{codeForbidden, "The upstream does not let your key do this.", ""}
		default:
			return public{codeUnauthenticated, "The upstream does not accept your key.", ""}
		}
	case upstream.NotFound:
		return public{codeNotFound, "The upstream knows no such agent or branch.", ""}
	case upstream.RateLimited:
		return public{codeRateLimited, "The upstream takes no more calls right now.", ""}
	case upstream.Timeout:
		return public{codeUpstreamTimeout, "The upstream did not answer in time.", ""}
	case upstream.Unavailable:
		return public{codeUpstreamUnavailable, "The upstream cannot be reached, or is down.", ""}
	default:
		return public{codeUpstreamBadResponse, "The upstream's answer could not be understood.", ""}
	}
}

// refusedArgument words the upstream's 400 or 422 in our arguments' names.
func refusedArgument(ctx context.Context, d upstream.Detail) public {
	faults := d.Faults
	if len(faults) == 0 {
		faults = []upstream.Fault{{Param: d.Param, Message: d.Message}}
	}
	seen := public{code: codeBadUserInput}
	var sentences []string
	for _, fault := range faults {
		sentence := clip(strings.TrimPrefix(fault.Message, fault.Param+": ")) // it is named in our words
		if sentence == "" {
			sentence = "is refused by the upstream"
		}
		if name := argumentName(graphql.GetFieldContext(ctx), fault.Param); name != "" {
			sentence = name + ": " + sentence
			if seen.argument == "" {
				seen.argument = name
			}
		}
		sentences = append(sentences, sentence)
	}
	seen.sentence = clip(strings.Join(sentences, "; "))
	return seen
}

// argumentName is the schema's name for a parameter of the upstream, from the
// point of view of the field being resolved; empty where it has none.
func argumentName(field *graphql.FieldContext, param string) string {
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

// maxSentence bounds what is passed on of the upstream's words, in bytes.
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
	document.TooComplex:  codeTooComplex,
	document.ParseFailed: codeParseFailed,
	document.Invalid:     codeValidationFailed,
	document.BadVariable: codeBadUserInput,
}

// coded returns a refusal's errors with their code.
func coded(refused *document.Refusal) gqlerror.List {
	for _, err := range refused.Errors {
		err.Extensions = map[string]any{"code": codeOf[refused.Kind]}
	}
	return refused.Errors
}
