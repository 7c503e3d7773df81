package document

import (
	"maps"
	"slices"

	"github.com/vektah/gqlparser/v2/ast"
	"github.com/vektah/gqlparser/v2/gqlerror"
	"github.com/vektah/gqlparser/v2/validator/core"
	gqlrules "github.com/vektah/gqlparser/v2/validator/rules"
)

type rule struct {
	name    string
	observe core.RuleFunc
}

// rules returns GraphQL's rules and the service's. The rule for literals is
// separate, because it has a result; see literals.
func rules(introspection bool) []rule {
	set := gqlrules.NewDefaultRules()
	replace := func(old, with core.Rule) {
		set.RemoveRule(old.Name)
		set.AddRule(with.Name, with.RuleFunc)
	}
	set.RemoveRule(gqlrules.ValuesOfCorrectTypeRule.Name)
	set.AddRule("NoDefer", noDefer)
	if !introspection {
		set.AddRule("NoIntrospection", noIntrospection)
		replace(gqlrules.FieldsOnCorrectTypeRule, gqlrules.FieldsOnCorrectTypeRuleWithoutSuggestions)
		replace(gqlrules.KnownArgumentNamesRule, gqlrules.KnownArgumentNamesRuleWithoutSuggestions)
		replace(gqlrules.KnownTypeNamesRule, gqlrules.KnownTypeNamesRuleWithoutSuggestions)
		replace(gqlrules.ScalarLeafsRule, gqlrules.ScalarLeafsRuleWithoutSuggestions)
	}
	// typename comes first: rules see a field in this order.
	all := []rule{{"Typename", typename}}
	inner := set.GetInner()
	for _, name := range slices.Sorted(maps.Keys(inner)) {
		all = append(all, rule{name, inner[name]})
	}
	return all
}

// tooManyErrors is the value of the panic that ends a validation after maxErrors
// errors. gqlparser's walk cannot be ended in another way.
type tooManyErrors struct{}

// validate returns a document that is valid and prepared for execution.
func (r *Reader) validate(query *ast.QueryDocument) (_ *Document, refused *Refusal) {
	var errs gqlerror.List
	add := func(err *gqlerror.Error) {
		if !r.introspection {
			err.Message = withoutSchema(err.Message, query)
		}
		if slices.ContainsFunc(errs, func(e *gqlerror.Error) bool {
			return e.Message == err.Message && slices.Equal(e.Locations, err.Locations)
		}) {
			return // found in a fragment, which is walked for each operation
		}
		if errs = append(errs, err); len(errs) == maxErrors {
			panic(tooManyErrors{})
		}
	}
	observers := &core.Events{}
	for _, rule := range r.rules {
		rule.observe(observers, func(options ...core.ErrorOption) {
			err := &gqlerror.Error{Rule: rule.name}
			for _, option := range options {
				option(err)
			}
			add(err)
		})
	}
	l := &literals{
		schema: r.schema, introspection: r.introspection, seen: make(map[*ast.Value]bool),
		fail: func(position *ast.Position, message string) { add(at(position, message)) },
	}
	l.observe(observers)
	defer func() {
		if p := recover(); p != nil {
			if _, ok := p.(tooManyErrors); !ok {
				panic(p)
			}
			refused = &Refusal{Kind: Invalid, Errors: errs}
		}
	}()
	core.Walk(r.schema, query, observers)
	if len(errs) > 0 {
		return nil, &Refusal{Kind: Invalid, Errors: errs}
	}
	l.rewrite()
	return &Document{QueryDocument: query, nullable: l.nullable}, nil
}

// typename corrects the type of __typename, which is never null. With gqlparser's
// type, it could be merged with a nullable field of another type.
func typename(observers *core.Events, _ core.AddErrFunc) {
	observers.OnField(func(_ *core.Walker, f *ast.Field) {
		if f.Name == "__typename" && f.Definition != nil {
			f.Definition.Type = ast.NonNullNamedType("String", nil) // of this field alone
		}
	})
}

// noDefer refuses @defer, which gqlgen's schema has and a response of plain JSON
// cannot carry: the deferred part would be lost.
func noDefer(observers *core.Events, addError core.AddErrFunc) {
	observers.OnDirective(func(_ *core.Walker, d *ast.Directive) {
		if d.Name == "defer" {
			addError(core.Message("@defer is not supported."), core.At(d.Position))
		}
	})
}

// noIntrospection refuses the fields that describe the schema.
func noIntrospection(observers *core.Events, addError core.AddErrFunc) {
	observers.OnField(func(_ *core.Walker, f *ast.Field) {
		switch f.Name {
		case "__schema", "__type", "_service":
			addError(core.Message("Introspection is off; %s is not available.", f.Name), core.At(f.Position))
		}
	})
}
