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

// Parsing, validating and reading a document costs more than all the rest of a
// request. Documents come from programs, which send the same ones again and again.

const (
	// documentsBytes is how much memory the known documents may take.
	documentsBytes = 16 << 20
	// documentBytes is about what a document takes for each byte of its text.
	documentBytes = 40
)

// documents are those that are known to be valid, and within the limits.
type documents struct {
	reader *document.Reader
	cache  *otter.Cache[string, *prepared]
}

// prepared is a valid document with what has been found out about it.
type prepared struct {
	*document.Document
	// plain reports that no directive makes what it selects depend on variables.
	plain bool
	// alone reports that it is plain and has but one field users.
	alone bool
	// fingerprint names it in the log.
	fingerprint string
	// selections has the *render.Selection of each *ast.Field that is a list of
	// users, as long as the document is plain.
	selections sync.Map
	// roots has the []graphql.CollectedField of each *ast.OperationDefinition, as
	// long as the document is plain.
	roots sync.Map
}

func newDocuments(reader *document.Reader) documents {
	return documents{reader, otter.Must(&otter.Options[string, *prepared]{
		MaximumWeight: documentsBytes,
		Weigher:       func(text string, _ *prepared) uint32 { return uint32(documentBytes * (len(text) + 64)) },
		Executor:      func(task func()) { task() },
	})}
}

// read returns the document with a text.
func (d documents) read(text string) (*prepared, *document.Refusal) {
	if known, ok := d.cache.GetIfPresent(text); ok {
		return known, nil
	}
	read, refused := d.reader.Read(text)
	if refused != nil {
		return nil, refused
	}
	plain := isPlain(read.QueryDocument)
	known := &prepared{Document: read, plain: plain, alone: plain && countLists(read.QueryDocument) == 1, fingerprint: fingerprint(text)}
	d.cache.Set(text, known)
	return known, nil
}

// fields returns what a plain document's operation has at its root.
func (d *prepared) fields(op *graphql.OperationContext) []graphql.CollectedField {
	if known, ok := d.roots.Load(op.Operation); ok {
		return known.([]graphql.CollectedField)
	}
	fields := graphql.CollectFields(op, op.Operation.SelectionSet, []string{"Query"})
	d.roots.Store(op.Operation, fields)
	return fields
}

// selection returns what the field that is being resolved selects of its list.
func (d *prepared) selection(op *graphql.OperationContext, field graphql.CollectedField) *render.Selection {
	// Fields of the same name are merged where they meet, which depends on the
	// place that a fragment is spread at.
	merged := len(field.Selections) != len(field.SelectionSet)
	if !d.plain || merged {
		return render.Select(op, field.Selections)
	}
	if known, ok := d.selections.Load(field.Field); ok {
		return known.(*render.Selection)
	}
	selection := render.Select(op, field.Selections)
	d.selections.Store(field.Field, selection)
	return selection
}

// isPlain reports whether a document has no directives inside its selections.
func isPlain(d *ast.QueryDocument) bool {
	for _, o := range d.Operations {
		if !isPlainSet(o.SelectionSet) {
			return false
		}
	}
	for _, f := range d.Fragments {
		if !isPlainSet(f.SelectionSet) {
			return false
		}
	}
	return true
}

func isPlainSet(set ast.SelectionSet) bool {
	for _, selection := range set {
		var directives ast.DirectiveList
		var inner ast.SelectionSet
		switch s := selection.(type) {
		case *ast.Field:
			directives, inner = s.Directives, s.SelectionSet
		case *ast.InlineFragment:
			directives, inner = s.Directives, s.SelectionSet
		case *ast.FragmentSpread:
			directives = s.Directives // what is spread is a definition's
		}
		if len(directives) > 0 || !isPlainSet(inner) {
			return false
		}
	}
	return true
}

// fingerprint returns a hash that distinguishes documents. It is over the
// document's tokens without the values of its literals: those may be personal
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
