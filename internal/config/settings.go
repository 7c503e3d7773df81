package config

import (
	"flag"
	"fmt"
	"io"
	"strings"
	"time"
)

// settings are the variables while they are being read.
type settings struct {
	// Config has the values that need only a type. When all variables are read,
	// it has all values.
	Config
	env    map[string]string
	flags  *flag.FlagSet
	faults []error

	keyFile, previousFile     string
	previousName              string // the variable that PreviousAPIKey comes from
	keyFaulty                 bool   // whether a key is set but cannot be read
	region, url               string
	origins                   string
	introspection, playground string
	httpGet, shareRequests    string
	persistedQueries          string
	trustedDocuments          string
	logLevel, logFormat       string
	otel                      otel
}

// newSettings declares the variables. The package flag provides the types, the
// defaults and the help text.
func newSettings(env map[string]string) *settings {
	f := flag.NewFlagSet("", flag.ContinueOnError)
	f.SetOutput(io.Discard)
	s := &settings{env: env, flags: f}
	f.StringVar(&s.ListenAddr, "LISTEN_ADDR", "127.0.0.1:8080", "`host:port` that serves /graphql, /livez and /readyz, and / for the playground")
	f.StringVar(&s.AdminAddr, "ADMIN_ADDR", "127.0.0.1:9090", "`host:port` that serves /livez, /readyz, /metrics and /debug/pprof/; off for none")
	f.DurationVar(&s.IdleTimeout, "IDLE_TIMEOUT", 620*time.Second, "`duration` for which a caller's connection may be idle; longer than the load\nbalancer keeps its own")
	f.DurationVar(&s.ShutdownDelay, "SHUTDOWN_DELAY", time.Second, "`duration` for which requests are still accepted after SIGTERM, while /readyz is\n503 (none in the demo)")
	f.StringVar(&s.APIKey, "ELEVENLABS_API_KEY", "", "the service's `key` for the upstream")
	f.StringVar(&s.keyFile, "ELEVENLABS_API_KEY_FILE", "", "a `file` that contains the key, instead of ELEVENLABS_API_KEY")
	f.StringVar(&s.PreviousAPIKey, "ELEVENLABS_API_KEY_PREVIOUS", "", "the `key` before a rotation: it opens cursors that it sealed, and nothing else")
	f.StringVar(&s.previousFile, "ELEVENLABS_API_KEY_PREVIOUS_FILE", "", "a `file` that contains the previous key")
	f.StringVar(&s.region, "UPSTREAM_REGION", "global", "the upstream's `region`: global, us, eu, in or sg")
	f.StringVar(&s.url, "UPSTREAM_URL", "", "an upstream's base `URL`, without /v1, instead of a region; plain http only to\nloopback")
	f.DurationVar(&s.UpstreamTimeout, "UPSTREAM_TIMEOUT", 10*time.Second, "`duration` of all upstream work of an operation")
	f.IntVar(&s.UpstreamConcurrency, "UPSTREAM_CONCURRENCY", 8, "the `number` of calls in flight for one key")
	f.IntVar(&s.UpstreamConnections, "UPSTREAM_CONNECTIONS", 256, "the `number` of connections to the upstream for all keys, idle ones included; at\nleast UPSTREAM_CONCURRENCY")
	f.StringVar(&s.RedisURL, "REDIS_URL", "", "a Redis `URL`, redis:// or rediss://, also of Sentinel or Cluster: replicas then share\na key's limit, pause and pages, and callers' rates; never printed")
	f.StringVar((*string)(&s.Auth), "AUTH", "", "how callers are authenticated, a `word`: none (every caller is admitted, and reads\nwith the service's key), passthrough (callers send their own key in xi-api-key)\nor jwt (callers send a bearer token); required with a real upstream")
	f.StringVar(&s.JWT.JWKSURL, "JWT_JWKS_URL", "", "the `URL` of the token issuer's public keys; https, or plain http to loopback")
	f.StringVar(&s.JWT.Issuer, "JWT_ISSUER", "", "the `name` that tokens must have as iss")
	f.StringVar(&s.JWT.Audience, "JWT_AUDIENCE", "", "the `name` that tokens must have in aud")
	f.StringVar(&s.JWT.Scope, "JWT_SCOPE", "", "the `scope` that tokens must have in scope or scp; empty for none")
	f.StringVar(&s.origins, "CORS_ORIGINS", "", "the origins of web sites and apps that may use the service from a browser, a\n`list` separated by commas")
	f.StringVar(&s.httpGet, "HTTP_GET", "on", "`on or off`: whether queries are accepted by GET; their variables are then in URLs, and\ntherefore in proxies' logs")
	f.StringVar(&s.persistedQueries, "AUTOMATIC_PERSISTED_QUERIES", "", "`on or off`: whether callers may register a document by its hash, and then send the\nhash alone (default on; off with TRUSTED_DOCUMENTS)")
	f.StringVar(&s.trustedDocuments, "TRUSTED_DOCUMENTS", "", "the `files` of known documents, separated by commas: Apollo's manifest, {id: text}\nor [[id, text], ...]")
	f.StringVar((*string)(&s.TrustedDocumentsMode), "TRUSTED_DOCUMENTS_MODE", "only", "a `word`: only (known documents by ID), safelist (also by their text) or prefer\n(other documents too, and the log marks them)")
	f.StringVar(&s.introspection, "INTROSPECTION", "", "`on or off`: whether callers may read the schema (default off; on in the demo)")
	f.StringVar(&s.playground, "PLAYGROUND", "", "`on or off`: whether / serves a playground (default off; on in the demo)")
	f.DurationVar(&s.CacheTTL, "CACHE_TTL", 0, "`duration` for which a page and its users may be served again with the same key;\n0s for not at all")
	f.StringVar(&s.shareRequests, "SHARE_REQUESTS", "on", "`on or off`: whether equal requests of one key that are in flight share one\nexecution and one response")
	f.Float64Var(&s.RateLimit, "RATE_LIMIT", 0, "the `number` of upstream calls per second that a caller may cause, in bursts of\nten seconds' worth; 0 for any number")
	f.StringVar(&s.logLevel, "LOG_LEVEL", "info", "`level`: debug, info, warn or error")
	f.StringVar(&s.logFormat, "LOG_FORMAT", "", "`format`: text or json (default text on a terminal, otherwise json)")
	f.IntVar(&s.MaxBody, "LIMIT_BODY", 128<<10, "the `number` of bytes of a request")
	f.IntVar(&s.Limits.Tokens, "LIMIT_TOKENS", 1000, "the `number` of tokens of a document")
	f.IntVar(&s.Limits.Depth, "LIMIT_DEPTH", 12, "the `number` of levels of nested fields")
	f.IntVar(&s.Limits.Aliases, "LIMIT_ALIASES", 30, "the `number` of aliases in an operation")
	f.IntVar(&s.Limits.RootFields, "LIMIT_ROOT_FIELDS", 20, "the `number` of fields at an operation's root")
	f.IntVar(&s.Limits.Fields, "LIMIT_FIELDS", 1000, "the `number` of fields in an operation")
	f.IntVar(&s.Limits.Directives, "LIMIT_DIRECTIVES", 20, "the `number` of directives in one place")
	f.IntVar(&s.Limits.Cost, "LIMIT_COST", 5000, "the `number` of users that an operation could fetch")
	f.IntVar(&s.Limits.Calls, "LIMIT_CALLS", 120, "the `number` of upstream calls that an operation may make")
	f.IntVar(&s.Limits.Answer, "LIMIT_ANSWER", 8<<20, "the `number` of bytes of one response")
	f.IntVar(&s.Limits.Answers, "LIMIT_ANSWERS", 32<<20, "the `number` of bytes of all large responses in memory, at most half of it for\none key; at least twice LIMIT_ANSWER")
	s.otel.define(f)
	return s
}

// WriteHelp lists the variables and their defaults.
func WriteHelp(w io.Writer) {
	f := newSettings(nil).flags
	f.VisitAll(func(s *flag.Flag) {
		what, usage := flag.UnquoteUsage(s)
		if s.DefValue != "" {
			usage += fmt.Sprintf(" (default %s)", s.DefValue)
		}
		fmt.Fprintf(w, "  %s=%s\n        %s\n", s.Name, what, strings.ReplaceAll(usage, "\n", "\n        "))
	})
}
