package document

import (
	"strconv"

	"github.com/vektah/gqlparser/v2/ast"
	"github.com/vektah/gqlparser/v2/validator/core"
)

// literals checks the literals of one document against their types, according to
// the specification's rule "Values of Correct Type". It replaces gqlparser's
// rule, which accepts objects and lists for scalars and enums.
//
// It also collects the values that must be rewritten once the document is valid,
// so that gqlgen reads the values that were checked.
type literals struct {
	schema        *ast.Schema
	introspection bool
	fail          func(position *ast.Position, message string)

	seen     map[*ast.Value]bool
	rewrites []rewrite
	// nullable reports that a nullable variable is used in a position that does
	// not accept null.
	nullable bool
}

// rewrite changes the kind of a value.
type rewrite struct {
	value *ast.Value
	kind  ast.ValueKind
}

func (l *literals) observe(observers *core.Events) {
	observers.OnField(func(_ *core.Walker, f *ast.Field) {
		if f.Definition != nil {
			l.arguments(f.Definition.Arguments, f.Arguments)
		}
	})
	observers.OnDirective(func(_ *core.Walker, d *ast.Directive) {
		if d.Definition != nil {
			l.arguments(d.Definition.Arguments, d.Arguments)
		}
	})
	observers.OnOperation(func(_ *core.Walker, o *ast.OperationDefinition) {
		for _, v := range o.VariableDefinitions {
			if v.DefaultValue != nil {
				l.check("$"+v.Variable, v.Type, v.DefaultValue)
			}
		}
	})
	observers.OnValue(func(_ *core.Walker, v *ast.Value) {
		if v.Kind == ast.Variable && v.ExpectedType != nil && v.ExpectedType.NonNull && v.VariableDefinition != nil && !v.VariableDefinition.Type.NonNull {
			l.nullable = true
		}
	})
}

func (l *literals) arguments(definitions ast.ArgumentDefinitionList, arguments ast.ArgumentList) {
	for _, a := range arguments {
		if l.seen[a.Value] { // a fragment is walked for each operation
			continue
		}
		l.seen[a.Value] = true
		if definition := definitions.ForName(a.Name); definition != nil {
			l.check(a.Name, definition.Type, a.Value)
		}
	}
}

// check adds an error for each fault of a value at a path.
func (l *literals) check(path string, t *ast.Type, v *ast.Value) {
	switch {
	case v.Kind == ast.Variable: // the rule for variables' positions checks it
		l.untyped(v)
		return
	case v.Kind == ast.NullValue:
		if t.NonNull {
			l.fail(v.Position, path+": must not be null.")
		}
		return
	case t.Elem != nil:
		if v.Kind != ast.ListValue { // a single value is coerced to a list
			l.check(path, t.Elem, v)
			return
		}
		for i, child := range v.Children {
			l.check(path+"["+strconv.Itoa(i)+"]", t.Elem, child.Value)
		}
		return
	}
	definition := l.schema.Types[t.NamedType]
	if definition == nil {
		return // another rule reports the unknown type
	}
	switch definition.Kind {
	case ast.InputObject:
		l.object(path, definition, v)
	case ast.Enum:
		if v.Kind != ast.EnumValue {
			l.wrongKind(path, definition, v)
		} else if definition.EnumValues.ForName(v.Raw) == nil {
			l.fail(v.Position, path+": "+notAValue(definition, l.introspection))
		}
	case ast.Scalar:
		l.scalar(path, definition, v)
	}
}

func (l *literals) object(path string, definition *ast.Definition, v *ast.Value) {
	if v.Kind != ast.ObjectValue {
		l.wrongKind(path, definition, v)
		return
	}
	for _, field := range definition.Fields {
		if field.Type.NonNull && field.DefaultValue == nil && v.Children.ForName(field.Name) == nil {
			l.fail(v.Position, path+": "+lacks(field, l.introspection))
		}
	}
	for _, child := range v.Children {
		field := definition.Fields.ForName(child.Name)
		if field == nil {
			l.fail(child.Position, path+"."+child.Name+": "+unknownField(definition, child.Name, l.introspection))
			continue
		}
		l.check(path+"."+child.Name, field.Type, child.Value)
	}
}

func (l *literals) scalar(path string, definition *ast.Definition, v *ast.Value) {
	isString := v.Kind == ast.StringValue || v.Kind == ast.BlockValue
	switch definition.Name {
	case "Int":
		if v.Kind != ast.IntValue {
			l.wrongKind(path, definition, v)
		} else if _, err := strconv.ParseInt(v.Raw, 10, 32); err != nil {
			l.fail(v.Position, path+": must be "+expected(definition)+".")
		}
	case "Float":
		switch v.Kind {
		case ast.FloatValue:
		case ast.IntValue:
			l.rewrites = append(l.rewrites, rewrite{v, ast.FloatValue})
		default:
			l.wrongKind(path, definition, v)
		}
	case "Boolean":
		if v.Kind != ast.BooleanValue {
			l.wrongKind(path, definition, v)
		}
	case "ID":
		if v.Kind == ast.IntValue { // an integer of any size is the ID that its digits are
			l.rewrites = append(l.rewrites, rewrite{v, ast.StringValue})
		} else if !isString {
			l.wrongKind(path, definition, v)
		}
	case representation:
		if v.Kind != ast.ObjectValue {
			l.wrongKind(path, definition, v)
			return
		}
		l.untyped(v)
	default: // String, and DateTime, which checks the text
		if !isString {
			l.wrongKind(path, definition, v)
		}
	}
}

// untyped prepares a value without a type. Its meaning is the caller's.
func (l *literals) untyped(v *ast.Value) {
	switch v.Kind {
	case ast.Variable:
		l.rewrites = append(l.rewrites, rewrite{v, ast.Variable})
	case ast.IntValue:
		if _, err := strconv.ParseInt(v.Raw, 10, 64); err != nil { // its digits may be an ID
			l.rewrites = append(l.rewrites, rewrite{v, ast.StringValue})
		}
	case ast.FloatValue:
		if _, err := strconv.ParseFloat(v.Raw, 64); err != nil { // no number is large enough
			l.rewrites = append(l.rewrites, rewrite{v, ast.NullValue})
		}
	}
	for _, child := range v.Children {
		l.untyped(child.Value)
	}
}

func (l *literals) wrongKind(path string, definition *ast.Definition, v *ast.Value) {
	l.fail(v.Position, path+": must be "+expected(definition)+", not "+literalKinds[v.Kind]+".")
}

// rewrite applies the collected changes. It removes the definition from
// variables: if operations share a fragment, it is that of one operation, and
// gqlparser would use its default in all of them. Coercion supplies all defaults.
func (l *literals) rewrite() {
	for _, r := range l.rewrites {
		r.value.Kind = r.kind
		r.value.VariableDefinition = nil
	}
}
