package graph

import (
	"fmt"
	"strings"

	"github.com/vektah/gqlparser/v2/ast"
	"github.com/vektah/gqlparser/v2/gqlerror"
	"github.com/vektah/gqlparser/v2/lexer"
	"github.com/vektah/gqlparser/v2/parser"
)

// A document of one kilobyte can keep a GraphQL server busy for minutes: the
// validator, and whoever else walks it, follows each spread of a fragment anew.
// So a document is measured before anything else reads it, each fragment once.

// Limits are the most that a document and its operation may be. All of them have to be set.
type Limits struct {
	Tokens     int // of a document
	Depth      int // of nested fields, outside introspection
	Aliases    int // in an operation, with its fragments spread out
	RootFields int // in an operation, with its fragments spread out
	Fields     int // in an operation, with its fragments spread out
	Directives int // on any one place
	Cost       int // users that an operation could fetch; see costOf
	Calls      int // of the upstream, by an operation
}

// screen parses a document that has not been seen, and refuses one that is
// beyond the limits.
func (l Limits) screen(query string) gqlerror.List {
	source := &ast.Source{Input: query}
	if no := l.refuseTokens(source); no != "" {
		return tooComplex(no)
	}
	document, err := parser.ParseQuery(source)
	if err == nil { // else the executor will come to the same end, and words it
		m := measure{document: document, fragments: make(map[string]shape)}
		for _, operation := range document.Operations {
			if no := l.refuse(m.operation(operation)); no != "" {
				return tooComplex(no)
			}
		}
	}
	return nil
}

// maxName is the longest name that a document may use, in bytes. The validator
// compares an unknown name with every known one, at a cost of their product.
const maxName = 256

// refuseTokens returns what is too much about a document's text, up to where it
// stops being GraphQL; "" where nothing is.
func (l Limits) refuseTokens(source *ast.Source) string {
	text := lexer.New(source)
	for tokens := 0; ; tokens++ {
		token, err := text.ReadToken()
		switch {
		case err != nil || token.Kind == lexer.EOF:
			return ""
		case token.Kind == lexer.Name && len(token.Value) > maxName:
			return fmt.Sprintf("The document has a name of more than %d bytes.", maxName)
		case tokens == l.Tokens:
			return fmt.Sprintf("The document has more than %d tokens.", l.Tokens)
		}
	}
}

// refuse returns what is too much about an operation; "" where nothing is.
func (l Limits) refuse(s shape) string {
	switch {
	case s.depth > l.Depth:
		return fmt.Sprintf("The operation nests its fields deeper than %d levels.", l.Depth)
	case s.aliases > l.Aliases:
		return fmt.Sprintf("The operation has more than %d aliases.", l.Aliases)
	case s.width > l.RootFields:
		return fmt.Sprintf("The operation has more than %d fields at its root.", l.RootFields)
	case s.fields > l.Fields:
		return fmt.Sprintf("The operation has more than %d fields.", l.Fields)
	case s.directives > l.Directives:
		return fmt.Sprintf("The operation has more than %d directives in one place.", l.Directives)
	}
	return ""
}

func tooComplex(sentence string) gqlerror.List {
	return Refusal(CodeTooComplex, sentence)
}

// shape is the size of a selection set with its fragments spread out.
type shape struct {
	depth, aliases, width, fields int
	directives                    int // the most in one place
}

// huge is beyond every limit; sums stop there.
const huge = 1 << 30

// merge adds another part of the same set.
func (s *shape) merge(other shape) {
	s.depth = max(s.depth, other.depth)
	s.aliases = min(s.aliases+other.aliases, huge)
	s.width = min(s.width+other.width, huge)
	s.fields = min(s.fields+other.fields, huge)
	s.directives = max(s.directives, other.directives)
}

// measure takes the shape of one document, which may not be valid.
type measure struct {
	document  *ast.QueryDocument
	fragments map[string]shape
}

func (m *measure) operation(o *ast.OperationDefinition) shape {
	s := m.set(o.SelectionSet)
	s.directives = max(s.directives, len(o.Directives))
	for _, v := range o.VariableDefinitions {
		s.directives = max(s.directives, len(v.Directives))
	}
	return s
}

func (m *measure) set(set ast.SelectionSet) (s shape) {
	for _, selection := range set {
		switch selection := selection.(type) {
		case *ast.Field:
			s.merge(m.field(selection))
		case *ast.InlineFragment:
			s.merge(m.set(selection.SelectionSet))
			s.directives = max(s.directives, len(selection.Directives))
		case *ast.FragmentSpread:
			s.merge(m.fragment(selection.Name))
			s.directives = max(s.directives, len(selection.Directives))
		}
	}
	return s
}

func (m *measure) field(f *ast.Field) shape {
	inner := m.set(f.SelectionSet)
	s := shape{depth: inner.depth + 1, aliases: inner.aliases, width: 1, fields: min(inner.fields+1, huge)}
	if strings.HasPrefix(f.Name, "__") {
		s.depth = 1 // how deep introspection may go is a rule of the validator's
	}
	if f.Alias != f.Name {
		s.aliases = min(s.aliases+1, huge)
	}
	s.directives = max(inner.directives, len(f.Directives))
	return s
}

// fragment measures a fragment once. One that spreads itself is nothing inside
// itself; the validator refuses it.
func (m *measure) fragment(name string) shape {
	if s, ok := m.fragments[name]; ok {
		return s
	}
	m.fragments[name] = shape{}
	if f := m.document.Fragments.ForName(name); f != nil {
		s := m.set(f.SelectionSet)
		s.directives = max(s.directives, len(f.Directives))
		m.fragments[name] = s
	}
	return m.fragments[name]
}
