package document

import (
	"encoding/json"
	"math"
	"strconv"
	"strings"

	"github.com/vektah/gqlparser/v2/ast"
	"github.com/vektah/gqlparser/v2/gqlerror"

	"rollcall/graph/datetime"
)

// Variables returns the values of an operation's variables. Each is coerced to
// its type according to the specification's section "Coercing Variable Values".
// given are the values as decoded from JSON, with json.Number for numbers. A
// variable that is not given and has no default is absent from the result.
//
// The Go types in the result are int64 for Int, float64 for Float, string for
// String, ID, enums and DateTime, bool, []any, and map[string]any for input
// objects. A representation is the map[string]any of its JSON object. It is empty
// if the value is not an object: it then fails at its own position.
func (r *Reader) Variables(d *Document, operation *ast.OperationDefinition, given map[string]any) (map[string]any, *Refusal) {
	c := &coercion{schema: r.schema, introspection: r.introspection}
	values := make(map[string]any, len(operation.VariableDefinitions))
	for _, v := range operation.VariableDefinitions {
		c.position = v.Position
		value, ok := given[v.Variable]
		switch {
		case ok:
			values[v.Variable] = c.value("$"+v.Variable, v.Type, value)
		case v.DefaultValue != nil:
			values[v.Variable] = c.literal(v.Type, v.DefaultValue)
		case v.Type.NonNull:
			c.fail("$"+v.Variable, "must be defined.")
		}
	}
	if len(c.errs) == 0 && d.nullable {
		refuseNulls(operation, values, func(position *ast.Position, name, use string) {
			c.position = position
			c.fail("$"+name, "cannot be null in "+use+".")
		})
	}
	if len(c.errs) > 0 {
		return nil, &Refusal{Kind: BadVariable, Errors: c.errs}
	}
	return values, nil
}

// coercion coerces the variables of one request.
type coercion struct {
	schema        *ast.Schema
	introspection bool
	position      *ast.Position // of the variable's definition
	errs          gqlerror.List
}

// fail adds an error at a path. Errors beyond maxErrors are left out.
func (c *coercion) fail(path, reason string) {
	if len(c.errs) < maxErrors {
		c.errs = append(c.errs, at(c.position, path+": "+reason))
	}
}

func (c *coercion) value(path string, t *ast.Type, value any) any {
	if value == nil {
		if t.NonNull {
			c.fail(path, "cannot be null.")
		}
		return nil
	}
	if t.Elem != nil {
		list, ok := value.([]any)
		if !ok { // a single value is coerced to a list
			return []any{c.value(path, t.Elem, value)}
		}
		coerced := make([]any, len(list))
		for i := range list {
			coerced[i] = c.value(path+"["+strconv.Itoa(i)+"]", t.Elem, list[i])
		}
		return coerced
	}
	definition := c.schema.Types[t.NamedType] // an input type, because the document is valid
	switch definition.Kind {
	case ast.InputObject:
		return c.object(path, definition, value)
	case ast.Enum:
		name, ok := value.(string)
		if !ok {
			return c.wrongKind(path, definition, value)
		}
		if definition.EnumValues.ForName(name) == nil {
			c.fail(path, notAValue(definition, c.introspection))
		}
		return name
	default:
		return c.scalar(path, definition, value)
	}
}

func (c *coercion) object(path string, definition *ast.Definition, value any) any {
	object, ok := value.(map[string]any)
	if !ok {
		return c.wrongKind(path, definition, value)
	}
	coerced := make(map[string]any, len(object))
	for _, field := range definition.Fields {
		value, ok := object[field.Name]
		switch {
		case ok:
			coerced[field.Name] = c.value(path+"."+field.Name, field.Type, value)
		case field.DefaultValue != nil:
			coerced[field.Name] = c.literal(field.Type, field.DefaultValue)
		case field.Type.NonNull:
			c.fail(path, lacks(field, c.introspection))
		}
	}
	for name := range object {
		if definition.Fields.ForName(name) == nil {
			// The name is not repeated: it may be any text.
			c.fail(path, "has an unknown field.")
			break
		}
	}
	return coerced
}

func (c *coercion) scalar(path string, definition *ast.Definition, value any) any {
	text, isString := value.(string)
	number, isNumber := value.(json.Number)
	switch definition.Name {
	case "Int":
		if !isNumber {
			break
		}
		n, ok := integer(number)
		switch {
		case ok && math.MinInt32 <= n && n <= math.MaxInt32:
			return int64(n)
		case ok:
			c.fail(path, "must be "+expected(definition)+".")
			return nil
		}
	case "Float":
		if !isNumber {
			break
		}
		f, err := number.Float64()
		if err != nil {
			c.fail(path, "must be a number that a double can hold.")
		}
		return f
	case "Boolean":
		if b, ok := value.(bool); ok {
			return b
		}
	case "ID":
		if isString {
			return text
		}
		if !isNumber {
			break
		}
		if !strings.ContainsAny(number.String(), ".eE") { // with all of its digits
			return number.String()
		}
		if n, ok := integer(number); ok {
			return strconv.FormatFloat(n, 'f', -1, 64)
		}
	case representation:
		if object, ok := value.(map[string]any); ok {
			return object
		}
		return map[string]any{}
	case "DateTime":
		if !isString {
			break
		}
		if _, err := datetime.Parse(text); err != nil {
			c.fail(path, err.Error()+".")
		}
		return text
	default:
		if isString {
			return text
		}
	}
	return c.wrongKind(path, definition, value)
}

func (c *coercion) wrongKind(path string, definition *ast.Definition, value any) any {
	c.fail(path, "must be "+expected(definition)+", not "+kindOf(value)+".")
	return nil
}

// integer returns a number without a fraction, in any notation.
func integer(number json.Number) (n float64, ok bool) {
	n, err := number.Float64()
	return n, err == nil && n == math.Trunc(n)
}

// literal returns the value of a valid default.
func (c *coercion) literal(t *ast.Type, v *ast.Value) any {
	if v.Kind == ast.NullValue {
		return nil
	}
	if t.Elem != nil {
		if v.Kind != ast.ListValue {
			return []any{c.literal(t.Elem, v)}
		}
		list := make([]any, len(v.Children))
		for i, child := range v.Children {
			list[i] = c.literal(t.Elem, child.Value)
		}
		return list
	}
	definition := c.schema.Types[t.NamedType]
	if definition.Kind != ast.InputObject {
		value, _ := v.Value(nil) // the only error is that a Float is infinite
		return value
	}
	object := make(map[string]any)
	for _, field := range definition.Fields {
		if child := v.Children.ForName(field.Name); child != nil {
			object[field.Name] = c.literal(field.Type, child)
		} else if field.DefaultValue != nil {
			object[field.Name] = c.literal(field.Type, field.DefaultValue)
		}
	}
	return object
}
