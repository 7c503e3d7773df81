package graph_test

import (
	"os"
	"testing"

	"github.com/vektah/gqlparser/v2/ast"
	"github.com/vektah/gqlparser/v2/parser"
)

// TestSchemaDescriptions checks that everything in the schema has a description.
func TestSchemaDescriptions(t *testing.T) {
	file, err := os.ReadFile("schema.graphqls")
	if err != nil {
		t.Fatal(err)
	}
	schema, err := parser.ParseSchema(&ast.Source{Name: "schema.graphqls", Input: string(file)})
	if err != nil {
		t.Fatal(err)
	}
	described := 0
	check := func(name, description string) {
		described++
		if description == "" {
			t.Errorf("%s has no description", name)
		}
	}
	for _, d := range schema.Definitions {
		check(d.Name, d.Description)
		for _, f := range d.Fields {
			check(d.Name+"."+f.Name, f.Description)
			for _, a := range f.Arguments {
				check(d.Name+"."+f.Name+"("+a.Name+":)", a.Description)
			}
		}
		for _, v := range d.EnumValues {
			check(d.Name+"."+v.Name, v.Description)
		}
	}
	if described < 100 {
		t.Errorf("only %d descriptions were checked", described)
	}
}
