// Plain is a GraphQL facade over the upstream as gqlgen's own guide describes:
// one resolver, encoding/json, gqlgen's transport and document cache. It
// represents a day of work, with one improvement: enough idle connections.
//
//go:generate go tool gqlgen generate
package main

import (
	"flag"
	"log"
	"net/http"
	"time"

	"github.com/99designs/gqlgen/graphql/handler"
	"github.com/99designs/gqlgen/graphql/handler/lru"
	"github.com/99designs/gqlgen/graphql/handler/transport"
	"github.com/vektah/gqlparser/v2/ast"

	"rollcall/bench/plain/generated"
)

func main() {
	listen := flag.String("listen", "127.0.0.1:8081", "`host:port` to serve on")
	upstream := flag.String("upstream", "", "the upstream's base `URL`")
	flag.Parse()

	connections := http.DefaultTransport.(*http.Transport).Clone()
	connections.MaxIdleConns = 0
	connections.MaxIdleConnsPerHost = 512
	server := handler.New(generated.NewExecutableSchema(generated.Config{Resolvers: &resolver{
		client:   &http.Client{Transport: connections},
		endpoint: *upstream + "/v1/convai/users",
	}}))
	server.AddTransport(transport.POST{})
	server.SetQueryCache(lru.New[*ast.QueryDocument](1000))
	http.Handle("/graphql", server)
	s := &http.Server{Addr: *listen, ReadHeaderTimeout: 5 * time.Second}
	log.Fatal(s.ListenAndServe())
}
