package graph

import (
	"context"
	"encoding/base64"
	"errors"
	"strings"
	"sync"

	"github.com/99designs/gqlgen/graphql"

	"rollcall/graph/internal/generated"
	"rollcall/graph/loader"
)

// globalIDs are URL-safe base64 without padding, of the type's name, a colon
// and the type's own ID.
var globalIDs = base64.RawURLEncoding.Strict()

// globalID is the Relay ID of an object.
func globalID(typeName, id string) string {
	return globalIDs.EncodeToString([]byte(typeName + ":" + id))
}

// parseGlobalID is the inverse of globalID. It reports false for what globalID
// never returns.
func parseGlobalID(global string) (typeName, id string, ok bool) {
	if strings.ContainsAny(global, "\r\n") { // the decoder would pass over them
		return "", "", false
	}
	text, err := globalIDs.DecodeString(global)
	if err != nil {
		return "", "", false
	}
	typeName, id, ok = strings.Cut(string(text), ":")
	return typeName, id, ok && whyNoID(id) == ""
}

// user resolves a look-up by user ID; it is nil where there is no such user.
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

// node resolves a global ID. It is nil where the ID is malformed, or where
// there is no such object. Agents are known by their ID alone, so that every
// well-formed one is there.
func node(ctx context.Context, id string) (generated.Node, error) {
	typeName, own, ok := parseGlobalID(id)
	if !ok {
		return nil, nil //nolint:nilnil // this is how gqlgen spells null
	}
	switch typeName {
	case "User":
		u, err := lookUp(ctx, own)
		if u == nil { // and not a Node that holds a nil *User
			return nil, err
		}
		return u, nil
	case "Agent":
		return newAgent(own), nil
	}
	return nil, nil //nolint:nilnil // this is how gqlgen spells null
}

// nodes resolves global IDs, all at once. A look-up that fails is an error in
// its own place and leaves the others.
func nodes(ctx context.Context, ids []string) []generated.Node {
	found := make([]generated.Node, len(ids))
	var wg sync.WaitGroup
	for i, id := range ids {
		ctx := graphql.WithPathContext(ctx, graphql.NewPathWithIndex(i))
		wg.Go(func() {
			defer func() {
				if p := recover(); p != nil {
					graphql.AddError(ctx, graphql.GetOperationContext(ctx).Recover(ctx, p))
				}
			}()
			n, err := node(ctx, id)
			if err != nil {
				graphql.AddError(ctx, err)
				return
			}
			found[i] = n
		})
	}
	wg.Wait()
	return found
}

// userEntity resolves a User of another service. Whom nobody has talked to is
// a user without conversations.
func userEntity(ctx context.Context, userID string) (*generated.User, error) {
	u, err := user(ctx, userID)
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
