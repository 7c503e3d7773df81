package graph

import (
	"github.com/99designs/gqlgen/graphql"
	"github.com/vektah/gqlparser/v2/ast"

	"rollcall/graph/connection"
	"rollcall/graph/globalid"
)

// frustratedGuess is the number of mostFrustratedConversations that a user is assumed
// to have.
const frustratedGuess = 10

// countsPerUser is how many counted users cost as much as one that is fetched.
const countsPerUser = 10

// huge exceeds every limit: sums are capped there.
const huge = 1 << 30

// costOf returns how many users a valid operation could fetch. A list costs its
// size, plus the cost of its selection for each of its users. A look-up and a
// representation each cost one, plus the cost of their selection. A count costs a
// tenth of its limit.
func costOf(request *graphql.OperationContext) int {
	c := costing{variables: request.Variables}
	return c.set(request.Operation.SelectionSet)
}

type costing struct {
	variables map[string]any
	fragments costs // of their selections
	counted   costs // of their counts
}

// costs has the costs of fragments that are known.
type costs map[*ast.FragmentDefinition]int

// of returns the cost of a fragment, which compute computes once.
func (c *costs) of(f *ast.FragmentDefinition, compute func(ast.SelectionSet) int) int {
	cost, known := (*c)[f]
	if !known {
		cost = compute(f.SelectionSet)
		if *c == nil {
			*c = make(costs)
		}
		(*c)[f] = cost
	}
	return cost
}

func (c *costing) set(set ast.SelectionSet) (sum int) {
	for _, selection := range set {
		switch selection := selection.(type) {
		case *ast.Field:
			sum += c.field(selection)
		case *ast.InlineFragment:
			sum += c.set(selection.SelectionSet)
		case *ast.FragmentSpread:
			sum += c.fragments.of(selection.Definition, c.set)
		}
		sum = min(sum, huge)
	}
	return sum
}

func (c *costing) field(f *ast.Field) int {
	if len(f.SelectionSet) == 0 {
		return 0 // part of an object whose cost is counted already
	}
	inner := c.set(f.SelectionSet)
	switch f.ObjectDefinition.Name + "." + f.Name {
	case "Query.users", "Agent.users":
		n := c.size(f)
		return min(max(n, 1)+n*inner+c.counts(f.SelectionSet), huge)
	case "Query.user", "Query.node":
		return min(1+inner, huge)
	case "Query.nodes":
		return min(c.length(f, "ids")*(1+inner), huge)
	case "Query._entities":
		return min(c.length(f, "representations")*(1+inner), huge)
	case "User.mostFrustratedConversations":
		return min(frustratedGuess*inner, huge)
	}
	return inner
}

// size returns the size of a list, or 0 if the size is invalid.
func (c *costing) size(f *ast.Field) int {
	size := c.argument(f, "last")
	if size == nil {
		size = c.argument(f, "first")
	}
	if size == nil {
		return connection.DefaultSize
	}
	return within(size, 0, connection.MaxSize)
}

// argument returns the value of a field's argument; nil if it is null, or absent
// without a default value.
func (c *costing) argument(f *ast.Field, name string) any {
	if a := f.Arguments.ForName(name); a != nil {
		if a.Value.Kind != ast.Variable {
			value, _ := a.Value.Value(c.variables) // it is valid
			return value
		}
		if value, ok := c.variables[a.Value.Raw]; ok {
			return value
		}
	}
	if d := f.Definition.Arguments.ForName(name); d != nil && d.DefaultValue != nil {
		value, _ := d.DefaultValue.Value(nil)
		return value
	}
	return nil
}

// counts returns the cost of the totalCount fields of a list. They count once for
// the list, not for each of its users.
func (c *costing) counts(set ast.SelectionSet) (sum int) {
	for _, selection := range set {
		switch s := selection.(type) {
		case *ast.Field:
			if s.Name == "totalCount" {
				sum += c.count(s)
			}
		case *ast.InlineFragment:
			sum += c.counts(s.SelectionSet)
		case *ast.FragmentSpread:
			sum += c.counted.of(s.Definition, c.counts)
		}
		sum = min(sum, huge)
	}
	return sum
}

// count returns the cost of a field totalCount, or 0 if its limit is invalid.
func (c *costing) count(f *ast.Field) int {
	limit := c.argument(f, "limit")
	if limit == nil {
		return defaultCountLimit / countsPerUser
	}
	return (within(limit, 1, maxCountLimit) + countsPerUser - 1) / countsPerUser
}

// within returns an argument of type Int, or 0 if it is out of bounds.
func within(value any, low, high int) int {
	n, ok := value.(int64) // the type of literals that were read, and of coerced variables
	if !ok || n < int64(low) || n > int64(high) {
		return 0
	}
	return int(n)
}

func (c *costing) length(f *ast.Field, argument string) int {
	list, ok := c.argument(f, argument).([]any)
	if !ok {
		return 1 // a single value is coerced to a list
	}
	return len(list)
}

// lookUps returns how many users a valid operation certainly looks up. Each
// look-up needs a call of its own.
func lookUps(request *graphql.OperationContext) int {
	users := make(map[string]bool)
	add := func(id string) {
		if globalid.Fault(id) == "" {
			users[id] = true
		}
	}
	addNode := func(id any) {
		text, _ := id.(string)
		if typeName, own, ok := globalid.Parse(text); ok && typeName == "User" {
			add(own)
		}
	}
	for _, f := range graphql.CollectFields(request, request.Operation.SelectionSet, []string{"Query"}) {
		args := f.ArgumentMap(request.Variables)
		switch f.Name {
		case "user":
			id, _ := args["userId"].(string)
			add(id)
		case "node":
			addNode(args["id"])
		case "nodes":
			ids, _ := args["ids"].([]any)
			for _, id := range ids {
				addNode(id)
			}
		case "_entities":
			if onlyKey(request, f) {
				continue
			}
			list, _ := args["representations"].([]any)
			for _, r := range list {
				if r := objectOf(r); r["__typename"] == "User" {
					if id, err := key(r, "userId"); err == nil {
						add(id)
					}
				}
			}
		}
	}
	return len(users)
}
