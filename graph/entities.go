package graph

import (
	"context"
	"encoding/json"
	"strings"

	"github.com/99designs/gqlgen/graphql"
	"github.com/99designs/gqlgen/plugin/federation/fedruntime"

	"rollcall/graph/connection"
	"rollcall/graph/internal/generated"
)

// entities resolves Query._entities instead of gqlgen's own dispatch, with which
// the error of one representation either fails others or has no index in its path.
// It calls the same entity resolvers.
type entities struct{ resolvers generated.EntityResolver }

// all resolves representations, each at its own position.
func (e entities) all(ctx context.Context, representations []map[string]any) []fedruntime.Entity {
	return resolveEach(ctx, len(representations), func(ctx context.Context, i int) (fedruntime.Entity, error) {
		return e.entity(ctx, representations[i])
	})
}

// entity resolves one representation. It reads nothing but the type and the key.
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
	return nil, &connection.ArgumentError{Argument: "representations", Reason: "its __typename is not a type that this service resolves"}
}

// key reads a representation's key: an ID, which is a string or an integer.
func key(representation map[string]any, name string) (string, error) {
	switch id := representation[name].(type) {
	case string, int64:
		return graphql.UnmarshalID(id)
	case json.Number:
		if !strings.ContainsAny(id.String(), ".eE") {
			return id.String(), nil
		}
	}
	return "", &connection.ArgumentError{Argument: "representations", Reason: "its key is missing, or is not an ID"}
}

func objectOf(value any) map[string]any {
	if object, ok := value.(map[string]any); ok {
		return object
	}
	return map[string]any{}
}

// onlyKey reports whether a field _entities selects nothing of users but what
// their keys determine.
func onlyKey(request *graphql.OperationContext, field graphql.CollectedField) bool {
	for _, f := range graphql.CollectFields(request, field.Selections, []string{"User", "Node", "_Entity"}) {
		switch f.Name {
		case "__typename", "id", "userId":
		default:
			return false
		}
	}
	return true
}
