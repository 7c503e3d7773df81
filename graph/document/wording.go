package document

import (
	"encoding/json"
	"regexp"
	"strings"

	"github.com/vektah/gqlparser/v2/ast"
	"github.com/vektah/gqlparser/v2/lexer"
	"github.com/vektah/gqlparser/v2/validator/core"
)

// Messages name the position and the kind of a wrong value, and never the value.
// Without introspection they also name nothing that the caller did not write: no
// types, fields, arguments or enum values.

// representation is the name of Federation's scalar: an object with the key of an
// entity.
const representation = "_Any"

// expected describes the values of a type.
func expected(definition *ast.Definition) string {
	switch definition.Kind {
	case ast.Enum:
		return "an enum value"
	case ast.InputObject:
		return "an object"
	}
	switch definition.Name {
	case "Int":
		return "an integer of 32 bits"
	case "Float":
		return "a number"
	case "Boolean":
		return "a boolean"
	case "ID":
		return "a string or an integer"
	case representation:
		return "an object"
	}
	return "a string"
}

// literalKinds describes the kinds of literals.
var literalKinds = map[ast.ValueKind]string{
	ast.IntValue:     "an integer",
	ast.FloatValue:   "a number with a fraction or an exponent",
	ast.StringValue:  "a string",
	ast.BlockValue:   "a string",
	ast.BooleanValue: "a boolean",
	ast.NullValue:    "null",
	ast.EnumValue:    "an enum value",
	ast.ListValue:    "a list",
	ast.ObjectValue:  "an object",
}

// kindOf describes the kind of a variable's value.
func kindOf(value any) string {
	switch value := value.(type) {
	case nil:
		return "null"
	case bool:
		return "a boolean"
	case string:
		return "a string"
	case json.Number:
		if strings.ContainsAny(value.String(), ".eE") {
			return "a number with a fraction or an exponent"
		}
		return "an integer"
	case []any:
		return "a list"
	}
	return "an object"
}

// notAValue returns the message for a name that is not in an enum.
func notAValue(definition *ast.Definition, introspection bool) string {
	if !introspection {
		return "is not a value of this enum; upper and lower case differ."
	}
	names := make([]string, len(definition.EnumValues))
	for i, v := range definition.EnumValues {
		names[i] = v.Name
	}
	return "must be " + core.OrList(names...) + "; upper and lower case differ."
}

// lacks returns the message for an object without a required field.
func lacks(field *ast.FieldDefinition, introspection bool) string {
	if !introspection {
		return "lacks a required field."
	}
	return "lacks the required field " + field.Name + "."
}

// unknownField returns the message for a field that an object does not have.
func unknownField(definition *ast.Definition, name string, introspection bool) string {
	const message = "unknown field."
	if !introspection {
		return message
	}
	names := make([]string, len(definition.Fields))
	for i, f := range definition.Fields {
		names[i] = f.Name
	}
	if similar := core.SuggestionList(name, names); len(similar) > 0 {
		return message + " Did you mean " + core.QuotedOrList(similar...) + "?"
	}
	return message
}

// withoutNames replaces the parts of gqlparser's messages that describe the schema.
// Each pattern covers the messages of one rule.
var withoutNames = []struct {
	pattern     *regexp.Regexp
	replacement string
}{
	{regexp.MustCompile(`^Cannot query field "(.*)" on type ".*"\.$`), `Unknown field "$1".`},
	{regexp.MustCompile(`^Unknown argument "(.*)" on field ".*\.(.*)"\.$`), `Unknown argument "$1" on field "$2".`},
	{regexp.MustCompile(`^(Field|Directive) "(.*?)" argument .* is required, but it was not provided\.$`), `$1 "$2" lacks a required argument.`},
	{regexp.MustCompile(`^Field "(.*?)" of type .* must have a selection of subfields\.$`), `Field "$1" must have a selection of subfields.`},
	{regexp.MustCompile(`^Field "(.*?)" must not have a selection since type .* has no subfields\.$`), `Field "$1" must not have a selection.`},
	{regexp.MustCompile(`^Variable "(.*?)" of type "(.*?)" used in position expecting type .*\.$`), `Variable "$1" of type "$2" cannot be used here.`},
	{regexp.MustCompile(`^Fragment (".*?" )?cannot be spread here as objects of type .*\.$`), `Fragment ${1}cannot be spread here.`},
	{regexp.MustCompile(`they return conflicting types "[^"]*" and "[^"]*"`), `they return conflicting types`},
}

// withoutSchema returns a message that names only what the document contains. A
// message that no pattern covers is replaced if it quotes a name that the
// document does not have.
func withoutSchema(message string, document *ast.QueryDocument) string {
	for _, d := range withoutNames {
		message = d.pattern.ReplaceAllString(message, d.replacement)
	}
	written := names(document)
	for i, quoted := range strings.Split(message, `"`) {
		if i%2 == 0 {
			continue
		}
		for _, name := range identifier.FindAllString(quoted, -1) {
			if !written[name] {
				return "The document is not valid here."
			}
		}
	}
	return message
}

var identifier = regexp.MustCompile(`[_A-Za-z][_0-9A-Za-z]*`)

// names returns the names that a document contains.
func names(document *ast.QueryDocument) map[string]bool {
	written := make(map[string]bool)
	text := lexer.New(&ast.Source{Input: document.Position.Src.Input})
	for {
		token, err := text.ReadToken()
		if err != nil || token.Kind == lexer.EOF {
			return written
		}
		if token.Kind == lexer.Name {
			written[token.Value] = true
		}
	}
}
