package graph

import (
	"fmt"

	"github.com/99designs/gqlgen/graphql"
	"github.com/vektah/gqlparser/v2/gqlerror"

	"rollcall/graph/document"
)

// Limits bound a document and its operation. All of them must be set.
type Limits struct {
	Tokens     int // of a document
	Depth      int // of nested fields, outside introspection
	Aliases    int // in an operation, with its fragments spread out
	RootFields int // in an operation, with its fragments spread out
	Fields     int // in an operation, with its fragments spread out
	Directives int // on any one place
	Cost       int // users that an operation could fetch; see costOf
	Calls      int // of the upstream, by an operation
	Answer     int // bytes of a response
	Answers    int // bytes of all large responses in memory; at least twice Answer
}

// document returns the limits of a document, whatever its variables are.
func (l Limits) document() document.Limits {
	return document.Limits{Tokens: l.Tokens, Depth: l.Depth, Aliases: l.Aliases, RootFields: l.RootFields, Fields: l.Fields, Directives: l.Directives}
}

// checkCost returns the error of an operation that could fetch too many users, or
// makes too many look-ups. It returns nil if neither is the case.
func (l Limits) checkCost(request *graphql.OperationContext, cost int) gqlerror.List {
	switch {
	case cost > l.Cost:
		return tooComplex(fmt.Sprintf("The operation could fetch more than %d users; request fewer at once.", l.Cost))
	case cost > l.Calls && lookUps(request) > l.Calls: // each costs at least one
		return tooComplex(fmt.Sprintf("The operation looks up more than %d users; request fewer at once.", l.Calls))
	}
	return nil
}

func tooComplex(sentence string) gqlerror.List {
	return Refusal(CodeTooComplex, sentence)
}
