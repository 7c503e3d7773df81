package graph

import (
	"fmt"
	"testing"

	"github.com/vektah/gqlparser/v2/lexer"
)

// TestTextKeys compares the keys of texts. A string that contains the number of a
// kind of token must not have the key of two tokens.
func TestTextKeys(t *testing.T) {
	inString := fmt.Sprintf(`{a(b:"x\u%04xc")}`, int(lexer.Name))
	for name, c := range map[string]struct {
		a, b  string
		equal bool
	}{
		"spaces, commas and comments": {"{a,b}", "{ a # first\n b }", true},
		"spellings of a string":       {`{a(b:"x\u0041")}`, `{a(b:"xA")}`, true},
		"names that are joined":       {"{a b}", "{ab}", false},
		"a name and a string":         {"{a(b:x)}", `{a(b:"x")}`, false},
		"two tokens in a string":      {inString, `{a(b:"x"c)}`, false},
	} {
		if (keyOf(c.a) == keyOf(c.b)) != c.equal {
			t.Errorf("%s: equal keys of %s and %s: %v", name, c.a, c.b, !c.equal)
		}
	}
}
