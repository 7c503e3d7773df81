package render

import (
	"strings"
	"testing"

	"github.com/99designs/gqlgen/graphql"
)

// TestStrings compares strings with gqlgen's: every byte at every position of
// strings whose lengths are around multiples of eight.
func TestStrings(t *testing.T) {
	for length := 1; length <= 17; length++ {
		for at := range length {
			for c := range 256 {
				text := []byte(strings.Repeat("é~ \x7f", length)[:length])
				text[at] = byte(c)
				var want strings.Builder
				graphql.MarshalString(string(text)).MarshalGQL(&want)
				if got := str(nil, string(text)); string(got) != want.String() {
					t.Fatalf("%q is %s, but gqlgen writes %s", text, got, want.String())
				}
			}
		}
	}
}
