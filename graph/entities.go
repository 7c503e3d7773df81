package graph

import (
	"context"

	"github.com/99designs/gqlgen/graphql"
	"github.com/99designs/gqlgen/plugin/federation/fedruntime"

	"rollcall/graph/connection"
	"rollcall/graph/internal/generated"
)

// entities resolves Query._entities in place of gqlgen's own dispatch, which has
// an error of one representation either fail others or have no place in the
// list. The entities themselves are the resolvers' as ever.
type entities struct{ resolvers generated.EntityResolver }

// all resolves representations, each in its place.
func (e entities) all(ctx context.Context, representations []map[string]any) []fedruntime.Entity {
	return inPlaces(ctx, len(representations), func(ctx context.Context, i int) (fedruntime.Entity, error) {
		return e.entity(ctx, representations[i])
	})
}

// entity resolves one representation. Nothing of it but its key is looked at.
func (e entities) entity(ctx context.Context, representation map[string]any) (fedruntime.Entity, error) {
	switch representation["__typename"] {
	case "User":
		id, err := key(representation, "userId")
		if err != nil {
			return nil, err
		}
		return e.resolvers.FindUserByUserID(ctx, id)
	case "Agent":
		id, err := key(representation, "agentId")
		if err != nil {
			return nil, err
		}
		return e.resolvers.FindAgentByAgentID(ctx, id)
	}
	return nil, &connection.ArgumentError{Argument: "representations", Reason: "this service resolves the types User and Agent alone"}
}

// key reads a representation's key, an ID.
func key(representation map[string]any, name string) (string, error) {
	id, err := graphql.UnmarshalID(representation[name])
	if err != nil || representation[name] == nil {
		return "", &connection.ArgumentError{Argument: "representations", Reason: name + " has to be there, and an ID"}
	}
	return id, nil
}

// onlyKey reports whether a query wants nothing of the entity but what is known
// from its key.
func onlyKey(ctx context.Context) bool {
	field := graphql.GetFieldContext(ctx)
	if field == nil || field.Field.Name != "_entities" {
		return false
	}
	for _, f := range graphql.CollectFields(graphql.GetOperationContext(ctx), field.Field.Selections, []string{"User", "Node", "_Entity"}) {
		switch f.Name {
		case "__typename", "id", "userId":
		default:
			return false
		}
	}
	return true
}
