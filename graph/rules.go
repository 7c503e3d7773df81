package graph

import (
	"github.com/vektah/gqlparser/v2/ast"
	"github.com/vektah/gqlparser/v2/validator/core"
	"github.com/vektah/gqlparser/v2/validator/rules"
)

// validationRules are GraphQL's own and the service's.
func validationRules(introspection bool) func() *rules.Rules {
	return func() *rules.Rules {
		set := rules.NewDefaultRules()
		set.AddRule("NoDefer", noDefer)
		set.AddRule("NoOtherRepresentations", noOtherRepresentations)
		if !introspection {
			set.AddRule("NoIntrospection", noIntrospection)
		}
		return set
	}
}

// noDefer refuses @defer, which gqlgen's schema offers and a response of plain
// JSON cannot carry: the deferred part would be lost.
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
