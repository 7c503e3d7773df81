package graph

import (
	"encoding/json"
	"fmt"
	"strconv"

	"github.com/99designs/gqlgen/graphql"
	"github.com/vektah/gqlparser/v2/ast"

	"rollcall/graph/connection"
	"rollcall/graph/globalid"
)

// frustratedGuess is the number of mostFrustratedConversations that a user is assumed
// to have.
const frustratedGuess = 10

// huge exceeds every limit; sums stop there.
const huge = 1 << 30

// costOf returns how many users a valid operation could fetch. A list costs its
// size, and for each of its users the cost of what is selected there; a look-up and
// a representation cost one, and the cost of what is selected there.
func costOf(request *graphql.OperationContext) int {
	c := costing{variables: request.Variables, fragments: make(map[*ast.FragmentDefinition]int)}
	return c.set(request.Operation.SelectionSet)
}

type costing struct {
	variables map[string]any
	fragments map[*ast.FragmentDefinition]int
}

func (c *costing) set(set ast.SelectionSet) (sum int) {
	for _, selection := range set {
		switch selection := selection.(type) {
		case *ast.Field:
			sum += c.field(selection)
		case *ast.InlineFragment:
			sum += c.set(selection.SelectionSet)
		case *ast.FragmentSpread:
			sum += c.fragment(selection.Definition)
		}
		sum = min(sum, huge)
	}
	return sum
}

func (c *costing) fragment(f *ast.FragmentDefinition) int {
	cost, ok := c.fragments[f]
	if !ok {
		cost = c.set(f.SelectionSet)
		c.fragments[f] = cost
	}
	return cost
}

func (c *costing) field(f *ast.Field) int {
	if len(f.SelectionSet) == 0 {
		return 0 // it is part of an object whose cost is counted already
	}
	inner := c.set(f.SelectionSet)
	switch f.ObjectDefinition.Name + "." + f.Name {
	case "Query.users", "Agent.users":
		n := c.first(f)
		return min(max(n, 1)+n*inner, huge)
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

// first returns the size of a list, or 0 if its field will refuse it.
func (c *costing) first(f *ast.Field) int {
	value := f.ArgumentMap(c.variables)["first"]
	if value == nil {
		return connection.DefaultSize
	}
	var text string
	switch value := value.(type) {
	case json.Number:
		text = value.String()
	default:
		text = fmt.Sprint(value)
	}
	n, err := strconv.Atoi(text)
	if err != nil || n < 0 || n > connection.MaxSize {
		return 0
	}
	return n
}

func (c *costing) length(f *ast.Field, argument string) int {
	list, ok := f.ArgumentMap(c.variables)[argument].([]any)
	if !ok {
		return 1 // a single value stands for a list of it
	}
	return len(list)
}

// lookUps returns how many users a valid operation is certain to look up, each with
// a call of its own.
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
