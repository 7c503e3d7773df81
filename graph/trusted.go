package graph

import (
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"

	"github.com/vektah/gqlparser/v2/ast"
	"github.com/vektah/gqlparser/v2/lexer"

	"rollcall/graph/document"
	"rollcall/graph/persisted"
)

// TrustMode determines which requests are served if there are trusted documents.
type TrustMode string

// The modes.
const (
	// TrustOnly serves trusted documents by their ID.
	TrustOnly TrustMode = "only"
	// TrustSafelist serves trusted documents by their ID, and by their text.
	TrustSafelist TrustMode = "safelist"
	// TrustPrefer serves other documents too, and the log marks them.
	TrustPrefer TrustMode = "prefer"
)

// trusted has the documents that an operator trusts. A nil *trusted has none, and
// serves all documents. It is never modified.
type trusted struct {
	mode   TrustMode
	byID   map[string]*entry // by canonical ID
	byText map[textKey]*entry
}

// entry is a trusted document.
type entry struct {
	id   string // as the operator's file has it
	text string
	key  textKey
}

// textKey identifies a document by its tokens: clients print one document in
// several ways.
type textKey [sha256.Size]byte

// keyOf returns the key of a text. The key of a text that is not GraphQL is that
// of no document.
func keyOf(text string) textKey {
	var list []byte // of the tokens, each with its length
	tokens := lexer.New(&ast.Source{Input: text})
	for {
		token, err := tokens.ReadToken()
		switch {
		case err != nil:
			return textKey{}
		case token.Kind == lexer.EOF:
			return sha256.Sum256(list)
		case token.Kind != lexer.Comment:
			list = binary.AppendUvarint(append(list, byte(token.Kind)), uint64(len(token.Value)))
			list = append(list, token.Value...)
		}
	}
}

// maxReported is how many documents an error names.
const maxReported = 5

// Trust replaces the trusted documents. Each must be valid and within the static
// limits; otherwise the error names its file and ID, and nothing changes.
func (e *Executor) Trust(mode TrustMode, documents []persisted.Document) error {
	t := &trusted{mode, make(map[string]*entry), make(map[textKey]*entry)}
	var errs []error
	for _, d := range documents {
		if _, refused := e.documents.read(d.Text); refused != nil { // which also fills the cache
			errs = append(errs, d.Errorf("%w", reasonOf(refused)))
			continue
		}
		known := &entry{d.ID, d.Text, keyOf(d.Text)}
		t.byID[persisted.Canonical(d.ID)] = known
		t.byText[known.key] = known
	}
	if more := len(errs) - maxReported; more > 0 {
		errs = append(errs[:maxReported], fmt.Errorf("%d more documents cannot be used", more))
	}
	if len(errs) > 0 {
		return errors.Join(errs...)
	}
	e.lookup.trusted.Store(t)
	return nil
}

// reasonOf describes why a document is refused.
func reasonOf(refused *document.Refusal) error {
	first := refused.Errors[0]
	if len(first.Locations) > 0 {
		return fmt.Errorf("%s in line %d: %s", codeOf[refused.Kind], first.Locations[0].Line, first.Message)
	}
	return fmt.Errorf("%s: %s", codeOf[refused.Kind], first.Message)
}

// named returns the document with a canonical ID, or nil.
func (t *trusted) named(id string) *entry {
	if t == nil {
		return nil
	}
	return t.byID[id]
}

// written returns the document with the tokens of a text, or nil.
func (t *trusted) written(text string) *entry {
	if t == nil {
		return nil
	}
	return t.byText[keyOf(text)]
}

// is reports whether there are trusted documents, with this mode.
func (t *trusted) is(mode TrustMode) bool { return t != nil && t.mode == mode }
