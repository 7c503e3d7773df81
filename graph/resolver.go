// Package graph is the GraphQL side of the service: the schema, its resolvers
// and the HTTP handler that serves them. It knows the upstream's pages and
// errors, but not its wire format, and nothing of the environment.
package graph

// Resolver is the root of gqlgen's resolvers. What they need belongs to one
// operation and comes with its context.
type Resolver struct{}
