package main

import (
	"encoding/json"
	"errors"
	"io"
	"maps"
	"os/exec"
	"slices"
	"strings"
	"testing"
)

// allowed has, for each package, the packages that it may import: those of this
// project, and third-party ones. A pattern that ends in * allows all paths that
// begin with it.
var allowed = map[string][]string{
	"rollcall": {
		"rollcall/graph", "rollcall/graph/persisted", "rollcall/graph/transport", "rollcall/upstream", "rollcall/upstream/emulator", "rollcall/upstream/shared", "rollcall/internal/*",
	},
	"rollcall/deploy": nil, // tests
	"rollcall/graph": {
		"rollcall/graph/connection", "rollcall/graph/datetime", "rollcall/graph/document", "rollcall/graph/globalid", "rollcall/graph/internal/generated",
		"rollcall/graph/loader", "rollcall/graph/persisted", "rollcall/graph/render", "rollcall/upstream", "rollcall/internal/budget", "rollcall/internal/panics",
		"github.com/99designs/gqlgen/*", "github.com/vektah/gqlparser/*", "github.com/maypok86/otter/v2",
		"go.opentelemetry.io/otel/trace", "golang.org/x/time/rate",
	},
	"rollcall/graph/transport": {
		"rollcall/graph", "rollcall/graph/persisted", "rollcall/upstream", "rollcall/internal/flight", "rollcall/internal/instrument", "rollcall/internal/panics",
		"github.com/vektah/gqlparser/v2/gqlerror", "github.com/go-faster/jx",
		"go.opentelemetry.io/otel/attribute", "go.opentelemetry.io/otel/codes", "go.opentelemetry.io/otel/metric",
		"go.opentelemetry.io/otel/propagation", "go.opentelemetry.io/otel/semconv/*", "go.opentelemetry.io/otel/trace",
	},
	"rollcall/graph/internal/graphtest": { // for tests
		"rollcall/graph", "rollcall/graph/transport", "rollcall/upstream", "rollcall/upstream/emulator",
		"go.opentelemetry.io/otel/metric", "go.opentelemetry.io/otel/trace",
	},
	"rollcall/graph/connection": {"rollcall/upstream", "github.com/dchest/siphash"},
	"rollcall/graph/loader":     {"rollcall/graph/connection", "rollcall/upstream", "rollcall/internal/pace", "github.com/maypok86/otter/v2"},
	"rollcall/graph/persisted":  {"github.com/go-faster/jx", "github.com/maypok86/otter/v2"},
	"rollcall/graph/render": {
		"rollcall/graph/connection", "rollcall/graph/globalid", "rollcall/upstream",
		"github.com/99designs/gqlgen/graphql", "github.com/vektah/gqlparser/v2/ast",
	},
	"rollcall/graph/document": {"rollcall/graph/datetime", "github.com/vektah/gqlparser/*"},
	"rollcall/graph/datetime": nil,
	"rollcall/graph/globalid": nil,
	"rollcall/graph/internal/generated": {
		"rollcall/graph/connection", "rollcall/graph/datetime",
		"github.com/99designs/gqlgen/*", "github.com/vektah/gqlparser/*",
	},
	"rollcall/upstream": {
		"rollcall/internal/flight", "rollcall/internal/instrument", "rollcall/internal/pace", "github.com/go-faster/jx", "github.com/maypok86/otter/v2", "github.com/sony/gobreaker/v2", "github.com/hashicorp/golang-lru/v2",
		"go.opentelemetry.io/otel/attribute", "go.opentelemetry.io/otel/codes", "go.opentelemetry.io/otel/metric*",
		"go.opentelemetry.io/otel/semconv/*", "go.opentelemetry.io/otel/trace",
	},
	"rollcall/upstream/shared": {
		"rollcall/internal/instrument", "github.com/hashicorp/golang-lru/v2", "github.com/redis/rueidis", "golang.org/x/time/rate",
		"go.opentelemetry.io/otel/attribute", "go.opentelemetry.io/otel/metric", "go.opentelemetry.io/otel/semconv/*",
	},
	"rollcall/upstream/shared/redistest":      nil, // for tests
	"rollcall/upstream/emulator":              nil,
	"rollcall/upstream/limitertest":           {"rollcall/upstream"},
	"rollcall/upstream/emulator/cmd/emulator": {"rollcall/upstream/emulator"},
	"rollcall/internal/admin":                 nil,
	"rollcall/internal/auth":                  {"github.com/MicahParks/jwkset", "github.com/golang-jwt/jwt/v5", "golang.org/x/sync/singleflight", "golang.org/x/time/rate"},
	"rollcall/internal/budget":                nil,
	"rollcall/internal/build":                 nil,
	"rollcall/internal/config":                nil,
	"rollcall/internal/cork":                  nil,
	"rollcall/internal/drain":                 nil,
	"rollcall/internal/flight":                {"rollcall/internal/panics"},
	"rollcall/internal/instrument":            {"go.opentelemetry.io/otel/attribute", "go.opentelemetry.io/otel/metric*"},
	"rollcall/internal/pace":                  nil,
	"rollcall/internal/panics":                nil,
	"rollcall/internal/origin":                {"github.com/rs/cors"},
	"rollcall/internal/playground":            nil,
	"rollcall/internal/standardlog":           {"rollcall/internal/instrument", "go.opentelemetry.io/otel/metric"},
	"rollcall/internal/telemetry":             {"go.opentelemetry.io/otel*", "github.com/go-logr/logr", "github.com/prometheus/client_golang/*"},
	"rollcall/internal/quota":                 {"github.com/hashicorp/golang-lru/v2", "golang.org/x/time/rate"},
}

// commands are the programs, and what starts one for tests.
var commands = []string{"rollcall", "rollcall/upstream/emulator/cmd/emulator", "rollcall/upstream/shared/redistest"}

// TestImports checks that dependencies have one direction: server.go imports
// graph, upstream and internal; graph imports what is below it; graph and
// upstream share flight; the rest of internal imports nothing of the project. It
// also checks that only the programs access the process.
func TestImports(t *testing.T) {
	imports := listImports(t)
	if got, want := slices.Sorted(maps.Keys(imports)), slices.Sorted(maps.Keys(allowed)); !slices.Equal(got, want) {
		t.Errorf("the packages are\n%v\nand the rules cover\n%v", got, want)
	}
	for pkg, list := range imports {
		for _, imported := range list {
			standard := !strings.Contains(strings.Split(imported, "/")[0], ".") && !strings.HasPrefix(imported, "rollcall")
			permitted := slices.ContainsFunc(allowed[pkg], func(pattern string) bool {
				prefix, isPrefix := strings.CutSuffix(pattern, "*")
				return imported == pattern || isPrefix && strings.HasPrefix(imported, prefix)
			})
			if !standard && !permitted {
				t.Errorf("%s must not import %s", pkg, imported)
			}
			if imported == "os" && !slices.Contains(commands, pkg) {
				t.Errorf("%s must not import os: only a program accesses the process", pkg)
			}
		}
	}
}

func listImports(t *testing.T) map[string][]string {
	t.Helper()
	out, err := exec.Command("go", "list", "-json=ImportPath,Imports", "./...").Output()
	if err != nil {
		t.Fatal(err)
	}
	imports := make(map[string][]string)
	for d := json.NewDecoder(strings.NewReader(string(out))); ; {
		var pkg struct {
			ImportPath string
			Imports    []string
		}
		if err := d.Decode(&pkg); errors.Is(err, io.EOF) {
			return imports
		} else if err != nil {
			t.Fatal(err)
		}
		imports[pkg.ImportPath] = pkg.Imports
	}
}
