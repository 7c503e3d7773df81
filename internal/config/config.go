// Package config reads the service's settings from the environment, all at once
// and before anything starts. Nothing else reads the environment, but for main,
// which looks whether GOGC is set, and two libraries: net/http its proxies, and
// OpenTelemetry's SDK the OTEL_* variables of its specification. Of those config
// reads whether there is a collector.
package config

import (
	"errors"
	"flag"
	"fmt"
	"io"
	"log/slog"
	"math"
	"net"
	"net/url"
	"strconv"
	"strings"
	"time"
)

// Config is what the environment asks for.
type Config struct {
	// ListenAddr is host:port; port 0 takes any that is free.
	ListenAddr string
	// AdminAddr is host:port as well; empty for no admin listener.
	AdminAddr string
	// AdminOptional says that nobody has asked for the admin listener.
	AdminOptional bool
	// ShutdownDelay is how long the service goes on after it was told to stop.
	ShutdownDelay time.Duration
	// Demo says that the service brings its own upstream.
	Demo bool
	// Upstream is the server to call; nil in the demo.
	Upstream *url.URL
	// UpstreamTimeout bounds all of an operation's upstream work.
	UpstreamTimeout time.Duration
	// UpstreamConcurrency is how many requests one key may have in flight.
	UpstreamConcurrency int
	// APIKey is the service's own key; it may be empty where callers bring
	// theirs, or where Upstream needs none.
	APIKey string
	Auth   Auth
	JWT    JWT // with AuthJWT

	// CORSOrigins are the web sites that may use the service.
	CORSOrigins []string
	// CacheTTL is how old a page may be served to the caller it was fetched for; 0
	// for pages that are not kept.
	CacheTTL time.Duration
	// ShareRequests lets equal requests of one caller that are in flight have one
	// answer.
	ShareRequests bool
	// RateLimit is how many upstream calls a second a caller has; 0 for any number.
	RateLimit float64
	// MaxBody is the largest request, in bytes.
	MaxBody int
	Limits  Limits

	Introspection bool
	Playground    bool

	LogLevel slog.Level
	LogJSON  bool

	// PushTraces and PushMetrics say that a collector wants them.
	PushTraces, PushMetrics bool
}

// Auth is how callers are authenticated.
type Auth string

// The ways to authenticate.
const (
	AuthNone        Auth = "none"
	AuthPassthrough Auth = "passthrough"
	AuthJWT         Auth = "jwt"
)

// JWT is who vouches for callers.
type JWT struct{ JWKSURL, Issuer, Audience string }

// Limits are the most that an operation may be.
type Limits struct{ Tokens, Depth, Aliases, RootFields, Fields, Directives, Cost, Calls int }

// Lookup is [os.LookupEnv].
type Lookup func(name string) (value string, ok bool)

// Machine is what the settings depend on besides the environment.
type Machine struct {
	// RegionURL is the server of a region, if there is one.
	RegionURL func(region string) (base string, ok bool)
	// CheckOrigin says why an origin cannot be allowed.
	CheckOrigin func(origin string) error
	// Terminal says that a person reads the log.
	Terminal bool
}

// settings are the variables as they are written.
type settings struct {
	flags *flag.FlagSet

	listenAddr, adminAddr     *string
	shutdownDelay             *time.Duration
	apiKey, region, url       *string
	timeout                   *time.Duration
	concurrency               *int
	auth                      *string
	jwks, issuer, audience    *string
	origins                   *string
	introspection, playground *string
	cacheTTL                  *time.Duration
	shareRequests             *string
	rateLimit                 *float64
	maxBody                   *int
	limits                    Limits
	logLevel, logFormat       *string
	otel                      otel
}

// defaultAdminAddr is where the admin listener is, if nobody has said where.
const defaultAdminAddr = "127.0.0.1:9090"

// define declares the variables, with the package flag for the types, the
// defaults and the help text.
func define() *settings {
	f := flag.NewFlagSet("", flag.ContinueOnError)
	f.SetOutput(io.Discard)
	s := &settings{
		flags:         f,
		listenAddr:    f.String("LISTEN_ADDR", "127.0.0.1:8080", "`host:port` that serves /graphql, and / for the playground"),
		adminAddr:     f.String("ADMIN_ADDR", defaultAdminAddr, "`host:port` that serves /livez, /readyz, /metrics and /debug/pprof/; off for none"),
		shutdownDelay: f.Duration("SHUTDOWN_DELAY", time.Second, "`duration` for which requests are still taken after SIGTERM, while /readyz is\n503 (none in the demo)"),
		apiKey:        f.String("ELEVENLABS_API_KEY", "", "the service's `key` for the upstream"),
		region:        f.String("UPSTREAM_REGION", "global", "the upstream's `region`: global, us, eu, in or sg"),
		url:           f.String("UPSTREAM_URL", "", "an upstream's base `URL`, instead of a region; plain http only to loopback"),
		timeout:       f.Duration("UPSTREAM_TIMEOUT", 10*time.Second, "`duration` for all of an operation's upstream work"),
		concurrency:   f.Int("UPSTREAM_CONCURRENCY", 8, "the `number` of calls in flight for one key"),
		auth:          f.String("AUTH", "", "how callers are known, a `word`: none (everybody is let in, and reads with the\nservice's key), passthrough (callers bring their own key in xi-api-key) or jwt\n(callers bring a bearer token); required with a real upstream"),
		jwks:          f.String("JWT_JWKS_URL", "", "the `URL` of the token issuer's public keys; https, or plain http to loopback"),
		issuer:        f.String("JWT_ISSUER", "", "the `name` that tokens must have as iss"),
		audience:      f.String("JWT_AUDIENCE", "", "the `name` that tokens must have in aud"),
		origins:       f.String("CORS_ORIGINS", "", "the web sites that may use the service, a `list` separated by commas"),
		introspection: f.String("INTROSPECTION", "", "`on or off`: whether callers may read the schema (default off; on in the demo)"),
		playground:    f.String("PLAYGROUND", "", "`on or off`: whether / serves a playground (default off; on in the demo)"),
		cacheTTL:      f.Duration("CACHE_TTL", 0, "`duration` for which a page may be served again to the caller that it was fetched\nfor, and the users that it brought; 0s for not at all"),
		shareRequests: f.String("SHARE_REQUESTS", "on", "`on or off`: whether equal requests of one caller that are in flight have one\nexecution and one answer"),
		rateLimit:     f.Float64("RATE_LIMIT", 0, "the `number` of upstream calls a second that a caller has, ten seconds' worth at\nonce; 0 for any number"),
		maxBody:       f.Int("LIMIT_BODY", 128<<10, "the largest request, a `number` of bytes"),
		logLevel:      f.String("LOG_LEVEL", "info", "`level`: debug, info, warn or error"),
		logFormat:     f.String("LOG_FORMAT", "", "`format`: text or json (default text on a terminal, else json)"),
	}
	f.IntVar(&s.limits.Tokens, "LIMIT_TOKENS", 1000, "the longest document, a `number` of tokens")
	f.IntVar(&s.limits.Depth, "LIMIT_DEPTH", 12, "the deepest nesting, a `number` of fields")
	f.IntVar(&s.limits.Aliases, "LIMIT_ALIASES", 30, "the `number` of aliases in an operation")
	f.IntVar(&s.limits.RootFields, "LIMIT_ROOT_FIELDS", 20, "the `number` of fields at an operation's root")
	f.IntVar(&s.limits.Fields, "LIMIT_FIELDS", 1000, "the `number` of fields in an operation")
	f.IntVar(&s.limits.Directives, "LIMIT_DIRECTIVES", 20, "the `number` of directives in one place")
	f.IntVar(&s.limits.Cost, "LIMIT_COST", 5000, "the `number` of users that an operation could fetch")
	f.IntVar(&s.limits.Calls, "LIMIT_CALLS", 120, "the `number` of upstream calls that an operation may make")
	s.otel.define(f)
	return s
}

// WriteHelp lists the variables and their defaults.
func WriteHelp(w io.Writer) {
	f := define().flags
	f.SetOutput(w)
	f.VisitAll(func(s *flag.Flag) {
		what, usage := flag.UnquoteUsage(s)
		if s.DefValue != "" {
			usage += fmt.Sprintf(" (default %s)", s.DefValue)
		}
		fmt.Fprintf(w, "  %s=%s\n        %s\n", s.Name, what, strings.ReplaceAll(usage, "\n", "\n        "))
	})
}

// Load reads and checks the environment. An empty variable counts as unset. The
// error joins one error for each fault; none of them shows a secret.
func Load(lookup Lookup, on Machine) (Config, error) {
	s := define()
	var faults []error
	fault := func(format string, args ...any) { faults = append(faults, fmt.Errorf(format, args...)) }
	s.flags.VisitAll(func(f *flag.Flag) {
		value, _ := lookup(f.Name)
		if value != "" && s.flags.Set(f.Name, value) != nil {
			fault("%s: %q is not %s such as %s", f.Name, value, kindOf(f), f.DefValue)
			_ = s.flags.Set(f.Name, f.DefValue)
		}
	})
	word := func(name, value string, allowed ...string) {
		for _, a := range allowed {
			if value == a {
				return
			}
		}
		fault("%s: %q is none of %s", name, value, strings.Join(allowed, ", "))
	}

	_, adminAsked := lookup("ADMIN_ADDR")
	c := Config{
		ListenAddr:          *s.listenAddr,
		AdminAddr:           *s.adminAddr,
		AdminOptional:       !adminAsked,
		ShutdownDelay:       *s.shutdownDelay,
		APIKey:              *s.apiKey,
		UpstreamTimeout:     *s.timeout,
		UpstreamConcurrency: *s.concurrency,
		Auth:                Auth(*s.auth),
		JWT:                 JWT{*s.jwks, *s.issuer, *s.audience},
		RateLimit:           *s.rateLimit,
		CacheTTL:            *s.cacheTTL,
		MaxBody:             *s.maxBody,
		Limits:              s.limits,
		Demo:                *s.apiKey == "" && *s.url == "" && *s.auth == "",
	}
	if c.AdminAddr == "off" {
		c.AdminAddr = ""
	}
	address := func(name, value string) {
		if _, port, err := net.SplitHostPort(value); err != nil {
			fault("%s: %q is not host:port", name, value)
		} else if !isPort(port) {
			fault("%s: the port of %q is not a number from 0 to 65535", name, value)
		}
	}
	address("LISTEN_ADDR", c.ListenAddr)
	if c.AdminAddr != "" {
		address("ADMIN_ADDR", c.AdminAddr)
	}
	if c.Demo {
		c.ShutdownDelay = 0
	}
	if c.ShutdownDelay < 0 || c.ShutdownDelay > 5*time.Minute {
		fault("SHUTDOWN_DELAY: %v is not between 0s and 5m", c.ShutdownDelay)
	}
	s.flags.VisitAll(func(f *flag.Flag) {
		if n, ok := f.Value.(flag.Getter).Get().(int); ok && n < 1 {
			fault("%s: has to be at least 1", f.Name)
		}
	})
	if c.CacheTTL < 0 || c.CacheTTL > 24*time.Hour {
		fault("CACHE_TTL: %v is not between 0s and 24h", c.CacheTTL)
	}
	word("SHARE_REQUESTS", *s.shareRequests, "on", "off")
	c.ShareRequests = *s.shareRequests == "on"
	if math.IsNaN(c.RateLimit) || c.RateLimit < 0 || c.RateLimit > 1e6 {
		fault("RATE_LIMIT: %v is not between 0 and a million", c.RateLimit)
	}
	for origin := range strings.SplitSeq(*s.origins, ",") {
		origin = strings.TrimSpace(origin)
		if origin == "" {
			continue
		}
		if err := on.CheckOrigin(origin); err != nil {
			fault("CORS_ORIGINS: %w", err)
		}
		c.CORSOrigins = append(c.CORSOrigins, origin)
	}
	if strings.ContainsFunc(c.APIKey, func(r rune) bool { return r <= ' ' || r > '~' }) {
		fault("ELEVENLABS_API_KEY: there is a character in it that no key has; is there a line break at its end?")
	}
	if c.UpstreamTimeout <= 0 || c.UpstreamTimeout > 5*time.Minute {
		fault("UPSTREAM_TIMEOUT: %v is not above 0s and up to 5m", c.UpstreamTimeout)
	}

	onOff := func(name, value string) bool {
		if value == "" {
			return c.Demo
		}
		word(name, value, "on", "off")
		return value == "on"
	}
	c.Introspection = onOff("INTROSPECTION", *s.introspection)
	c.Playground = onOff("PLAYGROUND", *s.playground)

	if err := c.LogLevel.UnmarshalText([]byte(*s.logLevel)); err != nil {
		fault("LOG_LEVEL: %q is none of debug, info, warn, error", *s.logLevel)
	}
	c.LogJSON = !on.Terminal
	if *s.logFormat != "" {
		word("LOG_FORMAT", *s.logFormat, "text", "json")
		c.LogJSON = *s.logFormat == "json"
	}

	if err := s.otel.check(); err != nil {
		faults = append(faults, err)
	}
	c.PushTraces, c.PushMetrics = s.otel.pushes()

	base, known := on.RegionURL(*s.region)
	if !known {
		fault("UPSTREAM_REGION: %q is none of global, us, eu, in, sg", *s.region)
	}
	if *s.url != "" {
		base = *s.url
	}
	upstream, err := parseBase(base)
	if err != nil && (known || *s.url != "") {
		fault("UPSTREAM_URL: %w", err)
	}
	if !c.Demo {
		c.Upstream = upstream
		switch c.Auth {
		case "":
			fault("AUTH: is required with a real upstream, as anybody who reaches the service could read personal data: " +
				"set passthrough to have callers bring their own key, or none if something in front of the service keeps strangers out")
		case AuthNone:
			if c.APIKey == "" && *s.url == "" {
				fault("ELEVENLABS_API_KEY: is required with AUTH=none")
			}
		case AuthJWT:
			if c.APIKey == "" && *s.url == "" {
				fault("ELEVENLABS_API_KEY: is required with AUTH=jwt")
			}
			for _, required := range []struct{ name, value string }{
				{"JWT_JWKS_URL", c.JWT.JWKSURL}, {"JWT_ISSUER", c.JWT.Issuer}, {"JWT_AUDIENCE", c.JWT.Audience},
			} {
				if required.value == "" {
					fault("%s: is required with AUTH=jwt", required.name)
				}
			}
			if _, err := parseServer(c.JWT.JWKSURL); c.JWT.JWKSURL != "" && err != nil {
				fault("JWT_JWKS_URL: %w", err)
			}
		default:
			word("AUTH", string(c.Auth), string(AuthNone), string(AuthPassthrough), string(AuthJWT))
		}
	}
	return c, errors.Join(faults...)
}

// Local reports whether the service listens on loopback, where nothing but this
// machine reaches it.
func (c Config) Local() bool {
	host, _, err := net.SplitHostPort(c.ListenAddr)
	return err == nil && isLoopback(host)
}

// kindOf is what a variable's value has to be.
func kindOf(f *flag.Flag) string {
	switch f.Value.(flag.Getter).Get().(type) {
	case time.Duration:
		return "a duration"
	case float64:
		return "a number"
	case bool:
		return "a switch"
	default:
		return "a whole number"
	}
}

// parseBase reads a server's base URL, which a path and a query are added to.
func parseBase(base string) (*url.URL, error) {
	u, err := parseServer(base)
	if err == nil && u.RawQuery != "" {
		return nil, errors.New("must not have a query")
	}
	return u, err
}

// parseServer reads the URL of something that a server has. Its errors do not
// repeat it: a URL may carry a password.
func parseServer(address string) (*url.URL, error) {
	u, err := url.Parse(address)
	switch {
	case err != nil || u.Hostname() == "" || u.Scheme != "https" && u.Scheme != "http":
		return nil, errors.New("is not an http or https URL")
	case u.Port() != "" && (!isPort(u.Port()) || u.Port() == "0"):
		return nil, errors.New("has a port that is not a number from 1 to 65535")
	case u.User != nil:
		return nil, errors.New("must not carry a user or a password")
	case u.Fragment != "":
		return nil, errors.New("must not have a fragment")
	case u.Scheme == "http" && !isLoopback(u.Hostname()):
		return nil, errors.New("must be https, because secrets would travel in the open; plain http is for loopback alone")
	}
	return u, nil
}

func isPort(s string) bool {
	_, err := strconv.ParseUint(s, 10, 16)
	return err == nil
}

func isLoopback(host string) bool {
	ip := net.ParseIP(host)
	return host == "localhost" || ip != nil && ip.IsLoopback()
}
