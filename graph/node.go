package graph

import (
	"context"
	"errors"

	"github.com/99designs/gqlgen/graphql"

	"rollcall/graph/globalid"
	"rollcall/graph/internal/generated"
	"rollcall/graph/loader"
)

// user resolves a look-up by user ID. It returns nil if there is no such user.
func user(ctx context.Context, userID string) (*generated.User, error) {
	if err := checkID("userId", userID); err != nil {
		return nil, err
	}
	return lookUp(ctx, userID)
}

func lookUp(ctx context.Context, userID string) (*generated.User, error) {
	u, err := operationOf(ctx).loader.LookUp(ctx, userID)
	if errors.Is(err, loader.ErrNoUser) {
		return nil, nil //nolint:nilnil // this is how gqlgen spells null
	}
	if err != nil {
		return nil, err
	}
	return newUser(u), nil
}

// node resolves a global ID. It returns nil if the ID is malformed or there is no
// such object. Nothing but its ID is known of an agent, so every agent with a
// valid ID exists.
func node(ctx context.Context, id string) (generated.Node, error) {
	typeName, own, ok := globalid.Parse(id)
	if !ok {
		return nil, nil //nolint:nilnil // this is how gqlgen spells null
	}
	switch typeName {
	case "User":
		u, err := lookUp(ctx, own)
		if u == nil { // a Node that holds a nil *User would not be null
			return nil, err
		}
		return u, nil
	case "Agent":
		return newAgent(own), nil
	}
	return nil, nil //nolint:nilnil // this is how gqlgen spells null
}

// nodes resolves global IDs.
func nodes(ctx context.Context, ids []string) []generated.Node {
	return resolveEach(ctx, len(ids), func(ctx context.Context, i int) (generated.Node, error) { return node(ctx, ids[i]) })
}

// userEntity resolves a User of another service. A user without conversations is
// not an error.
func userEntity(ctx context.Context, userID string) (*generated.User, error) {
	if err := checkID("userId", userID); err != nil {
		return nil, err
	}
	field := graphql.GetFieldContext(ctx)
	if field.Field.Name == "_entities" && onlyKey(graphql.GetOperationContext(ctx), field.Field) {
		return newStranger(userID), nil
	}
	u, err := lookUp(ctx, userID)
	if u == nil && err == nil {
		return newStranger(userID), nil
	}
	return u, err
}

// agentEntity resolves an Agent of another service.
func agentEntity(agentID string) (*generated.Agent, error) {
	if err := checkID("agentId", agentID); err != nil {
		return nil, err
	}
	return newAgent(agentID), nil
}
