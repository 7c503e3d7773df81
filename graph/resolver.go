// Package graph is the GraphQL side of the service: the schema, its resolvers, and
// the executor of operations. It knows the upstream's pages and errors, but not its
// wire format, and nothing of HTTP or the environment.
package graph

// Resolver is the root of gqlgen's resolvers. They take what they need from the
// operation in their context.
type Resolver struct{}
