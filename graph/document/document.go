// Package document reads GraphQL documents and their variables. It measures,
// parses and validates a document, and coerces values as GraphQL's specification
// and graphql-js 16 do. A document that it returns can be executed without
// further checks: each literal and each variable's value has its type.
//
// gqlparser's validator accepts more than the specification: objects and lists
// for scalars, enum values in another case, and null for a variable that is valid
// only because of its default. Only this package corrects that, before any
// resolver runs.
//
// It depends on the schema's scalars. It must not depend on execution, and knows
// nothing of gqlgen, users or costs.
package document

import (
	"slices"

	"github.com/vektah/gqlparser/v2/ast"
	"github.com/vektah/gqlparser/v2/gqlerror"
	"github.com/vektah/gqlparser/v2/parser"
)

// Kind is the reason for a refusal.
type Kind int

// The kinds of refusals.
const (
	TooComplex  Kind = iota + 1 // the document exceeds the limits
	ParseFailed                 // the text is not GraphQL
	Invalid                     // the document does not fit the schema
	BadVariable                 // a variable's value does not have its type
)

// Refusal reports why a document or a variable is not accepted. Its messages are
// for callers, and repeat no value.
type Refusal struct {
	Kind   Kind
	Errors gqlerror.List
	// Mutation reports that the document has a mutation. The schema has none, so that
	// the document is not valid.
	Mutation bool
}

func refuse(kind Kind, message string) *Refusal {
	return &Refusal{Kind: kind, Errors: gqlerror.List{{Message: message}}}
}

// maxErrors is how many errors a refusal has. Validation stops there.
const maxErrors = 5

// Reader reads documents for one schema. It is safe for concurrent use.
type Reader struct {
	schema *ast.Schema
	limits Limits
	// introspection reports that messages may name what the caller did not write.
	introspection bool
	rules         []rule
}

// NewReader returns a reader. Without introspection, fields that describe the
// schema are refused, and messages name only what the caller wrote.
func NewReader(schema *ast.Schema, limits Limits, introspection bool) *Reader {
	return &Reader{schema, limits, introspection, rules(introspection)}
}

// Document is a valid document. It is never modified.
type Document struct {
	*ast.QueryDocument
	// Nodes is the most nodes that the syntax tree can have, as a measure of the
	// memory that it takes.
	Nodes int
	// nullable reports that a nullable variable is used in a position that does
	// not accept null; see refuseNulls.
	nullable bool
}

// Read returns the document that a text contains.
func (r *Reader) Read(text string) (*Document, *Refusal) {
	source := &ast.Source{Input: text}
	nodes, reason := r.limits.checkText(source)
	if reason != "" {
		return nil, refuse(TooComplex, reason)
	}
	query, err := parser.ParseQuery(source)
	if err != nil {
		return nil, &Refusal{Kind: ParseFailed, Errors: gqlerror.List{gqlerror.WrapIfUnwrapped(err)}}
	}
	if refused := checkSyntax(query); refused != nil {
		return nil, refused
	}
	if reason := r.limits.check(query); reason != "" {
		return nil, refuse(TooComplex, reason)
	}
	document, refused := r.validate(query)
	if refused != nil {
		refused.Mutation = slices.ContainsFunc(query.Operations, func(o *ast.OperationDefinition) bool { return o.Operation == ast.Mutation })
		return nil, refused
	}
	document.Nodes = nodes
	return document, nil
}

// checkSyntax refuses what gqlparser accepts but the specification's grammar does
// not.
func checkSyntax(query *ast.QueryDocument) *Refusal {
	if len(query.Operations) == 0 && len(query.Fragments) == 0 {
		return refuse(ParseFailed, "The document is empty.")
	}
	for _, f := range query.Fragments {
		if len(f.VariableDefinition) > 0 {
			return &Refusal{Kind: ParseFailed, Errors: gqlerror.List{at(f.Position, "A fragment cannot define variables.")}}
		}
	}
	if len(query.Operations) == 0 {
		return refuse(Invalid, "The document has no operation.")
	}
	return nil
}

// Operation returns the operation with a name, or the only operation if name is
// "".
func (d *Document) Operation(name string) (*ast.OperationDefinition, *Refusal) {
	operation := d.Operations.ForName(name)
	switch {
	case operation != nil:
		return operation, nil
	case name != "":
		return nil, refuse(Invalid, "The document has no operation of that name.")
	default:
		return nil, refuse(Invalid, "The document does not have exactly one operation, so operationName has to name one.")
	}
}

func at(position *ast.Position, message string) *gqlerror.Error {
	err := &gqlerror.Error{Message: message}
	if position != nil {
		err.Locations = []gqlerror.Location{{Line: position.Line, Column: position.Column}}
	}
	return err
}
