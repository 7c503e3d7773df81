package document

import (
	"fmt"
	"strings"

	"github.com/vektah/gqlparser/v2/ast"
	"github.com/vektah/gqlparser/v2/lexer"
)

// A document of one kilobyte can keep a GraphQL server busy for minutes: the
// validator follows a fragment again for each spread, and compares all fields
// that share a response key with each other. Therefore a document is measured,
// each fragment once, before anything else reads it.

// Limits bound a document and its operation. All of them must be set.
type Limits struct {
	Tokens     int // of a document
	Depth      int // of nested fields, outside introspection
	Aliases    int // in an operation, with its fragments spread out
	RootFields int // in an operation, with its fragments spread out
	Fields     int // in an operation, with its fragments spread out
	Directives int // on any one place
}

const (
	// maxName is the longest name that a document may use, in bytes. The
	// validator compares an unknown name with every known one, at a cost of the
	// product of their lengths.
	maxName = 256
	// maxPairs is how many pairs of fields with the same position in the response
	// a document may have: the validator compares the two fields of each pair. A
	// hundred fragments that all select id and __typename of one object have
	// 9,900.
	maxPairs = 20_000
	// maxOperations is how many times Limits.Fields all operations of a document
	// may have together: the validator walks a fragment again for each operation.
	maxOperations = 2
)

// checkText returns how many nodes the document can have, and how its text
// exceeds the limits, or "" if it does not. It stops where the text is no longer
// GraphQL.
func (l Limits) checkText(source *ast.Source) (nodes int, reason string) {
	text := lexer.New(source)
	for tokens := 0; ; tokens++ {
		token, err := text.ReadToken()
		switch {
		case err != nil || token.Kind == lexer.EOF:
			return nodes, ""
		case token.Kind == lexer.Name && len(token.Value) > maxName:
			return 0, fmt.Sprintf("The document has a name of more than %d bytes.", maxName)
		case tokens == l.Tokens:
			return 0, fmt.Sprintf("The document has more than %d tokens.", l.Tokens)
		}
		switch token.Kind {
		case lexer.BraceR, lexer.BracketR, lexer.ParenL, lexer.ParenR, lexer.Colon, lexer.Equals, lexer.Bang, lexer.Dollar, lexer.At:
		default:
			nodes++
		}
	}
}

// check returns how a document exceeds the limits, or "" if it does not. The
// document need not be valid.
func (l Limits) check(document *ast.QueryDocument) string {
	m := measure{document: document, fragments: make(map[string]shape)}
	total, pairs := 0, 0
	for _, operation := range document.Operations {
		s := m.operation(operation)
		if reason := l.checkShape(s); reason != "" {
			return reason
		}
		if total += s.fields; total > maxOperations*l.Fields {
			return fmt.Sprintf("The operations have more than %d fields together.", maxOperations*l.Fields)
		}
		pairs += m.pairs(operation.SelectionSet)
	}
	for _, f := range document.Fragments { // the validator walks each by itself, even an unused one
		pairs += m.pairs(f.SelectionSet)
	}
	if pairs > maxPairs {
		return "The document selects fields of the same name in one place too often."
	}
	return ""
}

// checkShape returns how an operation exceeds the limits, or "" if it does not.
func (l Limits) checkShape(s shape) string {
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

// shape is the size of a selection set with its fragments spread out.
type shape struct {
	depth, aliases, width, fields int
	directives                    int // the most in any one place
}

// huge exceeds every limit: sums are capped there.
const huge = 1 << 30

// merge adds another part of the same set.
func (s *shape) merge(other shape) {
	s.depth = max(s.depth, other.depth)
	s.aliases = min(s.aliases+other.aliases, huge)
	s.width = min(s.width+other.width, huge)
	s.fields = min(s.fields+other.fields, huge)
	s.directives = max(s.directives, other.directives)
}

// measure computes the shapes of one document, which need not be valid.
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
		s.depth = 1 // a rule of the validator bounds the depth of introspection
	}
	if f.Alias != f.Name {
		s.aliases = min(s.aliases+1, huge)
	}
	s.directives = max(inner.directives, len(f.Directives))
	return s
}

// fragment measures a fragment once. A fragment that spreads itself counts as
// empty inside itself; the validator refuses it.
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

// pairs returns how many pairs of fields the validator compares in the sets of
// one position in the response, and in all positions below it. It stops counting
// soon after maxPairs.
func (m *measure) pairs(sets ...ast.SelectionSet) (pairs int) {
	counts := make(map[string]int)
	inner := make(map[string][]ast.SelectionSet)
	visited := make(map[string]bool)
	deepest := 0 // of nested inline fragments: each compares its fields again
	var collect func(set ast.SelectionSet, depth int)
	collect = func(set ast.SelectionSet, depth int) {
		deepest = max(deepest, depth)
		for _, selection := range set {
			switch s := selection.(type) {
			case *ast.Field:
				pairs += counts[s.Alias]
				counts[s.Alias]++
				if len(s.SelectionSet) > 0 {
					inner[s.Alias] = append(inner[s.Alias], s.SelectionSet)
				}
			case *ast.InlineFragment:
				collect(s.SelectionSet, depth+1)
			case *ast.FragmentSpread:
				if f := m.document.Fragments.ForName(s.Name); f != nil && !visited[s.Name] {
					visited[s.Name] = true
					collect(f.SelectionSet, depth)
				}
			}
		}
	}
	for _, set := range sets {
		collect(set, 1)
	}
	pairs *= deepest
	for _, sets := range inner {
		if pairs > maxPairs {
			break
		}
		pairs += m.pairs(sets...)
	}
	return pairs
}
