package graph_test

import (
	"fmt"
	"runtime"
	"strings"
	"testing"

	"rollcall/graph"
	"rollcall/graph/internal/graphtest"
)

// TestDocumentCacheBound fills the cache of documents with one kind of document
// after the other, and compares what is in memory with the cache's bound.
func TestDocumentCacheBound(t *testing.T) {
	if raceFactor > 1 {
		t.Skip("measures memory, which the race detector changes")
	}
	const bound = 16 << 20
	for name, kind := range map[string]struct{ format, repeated string }{
		"fields of one key":       {"query q%d { users(first: 0) { nodes { %s } } }", strings.Repeat("id ", 190)},
		"literals of one byte":    {"query q%d { nodes(ids: [%s]) { id } }", strings.Repeat("1,", 500)},
		"literals in an entity":   {`query q%d { _entities(representations: [{__typename: "X", a: [%s]}]) { __typename } }`, strings.Repeat("[]{}", 200)},
		"inline fragments":        {"query q%d { users(first: 0) { nodes { %s } } }", strings.Repeat("...{id} ", 100)},
		"spreads of a fragment":   {"query q%d { users(first: 0) { nodes { %s } } } fragment f on User { id }", strings.Repeat("...f ", 190)},
		"directives":              {"query q%d { users(first: 0) { nodes { %s } } }", strings.Repeat("id@skip(if:true)", 110)},
		"small documents":         {"query q%d { users(first: 0) { nodes { id } } } #%s", ""},
		"a long comment":          {"query q%d { users(first: 0) { nodes { id } } } #%s", strings.Repeat("x", 5_000)},
		"what a frontend selects": {"query q%d { users(first: 0) { edges { cursor node { %s } } pageInfo { hasNextPage endCursor } } }", "id userId conversationCount"},
	} {
		t.Run(name, func(t *testing.T) {
			s := graphtest.New(t, graphtest.Options{Graph: func(c *graph.Config) { c.Introspection = true }})
			before, documents := heap(), 0
			send := func(n int) {
				for range n {
					w := s.Post(body(fmt.Sprintf(kind.format, documents, kind.repeated)))
					if answer := w.Body.String(); strings.Contains(answer, "VALIDATION") || strings.Contains(answer, "TOO_COMPLEX") {
						t.Fatalf("the document is refused: %.300s", answer)
					}
					documents++
				}
			}
			send(100)
			each := (heap() - before) / 100
			send(bound / int(each) * 3 / 2)
			taken := heap() - before
			t.Logf("%d documents of %d bytes: %.1f MiB", documents, each, float64(taken)/(1<<20))
			if taken > bound || taken < bound/4 {
				t.Errorf("a cache of %d MiB takes %.1f MiB", bound>>20, float64(taken)/(1<<20))
			}
		})
	}
}

// heap returns the bytes of what is in use.
func heap() uint64 {
	runtime.GC()
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.HeapAlloc
}
