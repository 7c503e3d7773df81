package graph

import (
	"crypto/sha256"
	"encoding/hex"
	"sync"

	"github.com/99designs/gqlgen/graphql"
	"github.com/maypok86/otter/v2"
	"github.com/vektah/gqlparser/v2/ast"
	"github.com/vektah/gqlparser/v2/lexer"

	"rollcall/graph/document"
	"rollcall/graph/render"
)

// Parsing, validating and reading a document costs more than the rest of a
// request. Documents come from programs, which send the same ones again and
// again.

const (
	// documentsBytes is how much memory the cached documents may take.
	documentsBytes = 16 << 20
	// documentBytes, nodeBytes and one byte for each byte of its text are the
	// most that a document takes. Documents whose fields and literals have one
	// byte come close to nodeBytes for each node; a document that a person writes
	// takes half of it.
	documentBytes = 2 << 10
	nodeBytes     = 320
)

// documents reads documents, and caches those that are valid and within the limits.
type documents struct {
	reader     *document.Reader
	unrendered bool // see prepared
	cache      *otter.Cache[string, *prepared]
}

// prepared is a valid document with what execution needs to know about it.
type prepared struct {
	*document.Document
	// fingerprint identifies it in the log.
	fingerprint string
	// plain reports that no directive makes the selection depend on variables.
	plain bool
	// agents has the fields Agent.users of each operation, as long as the document
	// is plain.
	agents map[*ast.OperationDefinition][]*ast.Field
	// fields has the []graphql.CollectedField of each *ast.OperationDefinition, as
	// long as the document is plain.
	fields sync.Map
	// selections has the *render.Selection of each *ast.Field that is a list of
	// users, as long as the document is plain. It depends on no argument.
	selections sync.Map
	// unrendered has gqlgen write all responses, for comparison in tests.
	unrendered bool
}

func newDocuments(reader *document.Reader, unrendered bool) documents {
	return documents{reader, unrendered, otter.Must(&otter.Options[string, *prepared]{
		MaximumWeight: documentsBytes,
		Weigher: func(text string, document *prepared) uint32 {
			return uint32(documentBytes + nodeBytes*document.Nodes + len(text))
		},
		Executor: func(task func()) { task() },
	})}
}

// read returns the document that a text contains.
func (d documents) read(text string) (*prepared, *document.Refusal) {
	if known, ok := d.cache.GetIfPresent(text); ok {
		return known, nil
	}
	read, refused := d.reader.Read(text)
	if refused != nil {
		return nil, refused
	}
	known := &prepared{Document: read, fingerprint: fingerprint(text), plain: true, unrendered: d.unrendered, agents: make(map[*ast.OperationDefinition][]*ast.Field)}
	for _, operation := range read.Operations {
		known.agents[operation] = agentLists(operation, func(directives ast.DirectiveList) bool {
			known.plain = known.plain && len(directives) == 0
			return true
		})
	}
	d.cache.Set(text, known)
	return known, nil
}

// roots returns the fields at the operation's root, as they are executed.
func (d *prepared) roots(request *graphql.OperationContext) []graphql.CollectedField {
	if known, ok := d.fields.Load(request.Operation); ok {
		return known.([]graphql.CollectedField)
	}
	fields := graphql.CollectFields(request, request.Operation.SelectionSet, []string{"Query"})
	if d.plain {
		d.fields.Store(request.Operation, fields)
	}
	return fields
}

// agentLists returns the fields Agent.users that the operation may execute, on
// any type.
func (d *prepared) agentLists(request *graphql.OperationContext) []*ast.Field {
	lists := d.agents[request.Operation]
	if d.plain || len(lists) == 0 {
		return lists
	}
	return agentLists(request.Operation, func(directives ast.DirectiveList) bool { return document.Included(directives, request.Variables) })
}

// selection returns the selection of a field that is a list.
func (d *prepared) selection(request *graphql.OperationContext, field graphql.CollectedField) *render.Selection {
	// Fields with the same response key are merged where they meet, which depends
	// on the position at which a fragment is spread.
	merged := len(field.Selections) != len(field.SelectionSet)
	if !d.plain || merged {
		return render.Select(request, field.Selections)
	}
	if known, ok := d.selections.Load(field.Field); ok {
		return known.(*render.Selection)
	}
	selection := render.Select(request, field.Selections)
	d.selections.Store(field.Field, selection)
	return selection
}

// renders reports whether a list with a selection is written without gqlgen.
func (d *prepared) renders(selection *render.Selection) bool {
	return selection.Complete() && !d.unrendered
}

// agentLists returns the fields Agent.users of an operation, those of each
// fragment once, without those that are not included.
func agentLists(operation *ast.OperationDefinition, included func(ast.DirectiveList) bool) (lists []*ast.Field) {
	visited := make(map[*ast.FragmentDefinition]bool)
	var visit func(ast.SelectionSet)
	visit = func(set ast.SelectionSet) {
		for _, selection := range set {
			switch s := selection.(type) {
			case *ast.Field:
				if !included(s.Directives) {
					continue
				}
				if s.Name == "users" && s.ObjectDefinition.Name == "Agent" {
					lists = append(lists, s)
				}
				visit(s.SelectionSet)
			case *ast.InlineFragment:
				if included(s.Directives) {
					visit(s.SelectionSet)
				}
			case *ast.FragmentSpread:
				if included(s.Directives) && !visited[s.Definition] {
					visited[s.Definition] = true
					visit(s.Definition.SelectionSet)
				}
			}
		}
	}
	visit(operation.SelectionSet)
	return lists
}

// fingerprint returns a hash that distinguishes documents. It covers the
// document's tokens without the values of its literals: these may be personal
// data, and a hash of them could be reversed by guessing.
func fingerprint(document string) string {
	hash := sha256.New()
	text := lexer.New(&ast.Source{Input: document})
	for {
		token, err := text.ReadToken()
		if err != nil || token.Kind == lexer.EOF {
			break
		}
		hash.Write([]byte{byte(token.Kind)})
		if token.Kind == lexer.Name { // punctuation is its kind, and literals do not count
			hash.Write([]byte(token.Value))
		}
	}
	return hex.EncodeToString(hash.Sum(nil)[:8])
}
