package graph_test

import (
	"bytes"
	"encoding/json"
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"rollcall/graph/internal/graphtest"
	"rollcall/upstream/emulator"
)

var update = flag.Bool("update", false, "renew the golden files")

// TestGolden runs each query of testdata against the same generated world, and
// compares the whole reply with the file beside it.
func TestGolden(t *testing.T) {
	queries, err := filepath.Glob("testdata/*.graphql")
	if err != nil || len(queries) == 0 {
		t.Fatalf("%d queries, %v", len(queries), err)
	}
	s := graphtest.New(t, graphtest.Options{Upstream: emulator.New(emulator.Options{Users: 500})})
	for _, path := range queries {
		t.Run(filepath.Base(path), func(t *testing.T) {
			query, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			body, err := json.Marshal(map[string]string{"query": string(query)})
			if err != nil {
				t.Fatal(err)
			}
			var got bytes.Buffer
			if err := json.Indent(&got, s.Post(string(body)).Body.Bytes(), "", "  "); err != nil {
				t.Fatal(err)
			}
			got.WriteByte('\n')
			golden := strings.TrimSuffix(path, ".graphql") + ".json"
			if *update {
				if err := os.WriteFile(golden, got.Bytes(), 0o644); err != nil {
					t.Fatal(err)
				}
			}
			want, err := os.ReadFile(golden)
			if err != nil || got.String() != string(want) {
				t.Errorf("%v; got:\n%s", err, got.String())
			}
		})
	}
}
