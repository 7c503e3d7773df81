// Package config reads the service's settings from the environment, all at once
// and before anything starts. It does not access the process: the environment and
// the function that reads files are arguments.
//
// Nothing else reads the environment, except main, which checks whether GOGC is
// set, and two libraries: net/http reads its proxies, and OpenTelemetry's SDK
// reads the OTEL_* variables of its specification. Of those, config reads whether
// there is a collector, and checks the values that the SDK would use.
package config

import (
	"errors"
	"flag"
	"fmt"
	"log/slog"
	"maps"
	"math"
	"net"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"
)

// Config is the service's configuration.
type Config struct {
	// ListenAddr is host:port; port 0 takes any free port.
	ListenAddr string
	// AdminAddr is host:port, too; empty means no admin listener.
	AdminAddr string
	// AdminOptional reports that ADMIN_ADDR was not set: the service starts
	// without the admin listener if its default address is in use.
	AdminOptional bool
	// IdleTimeout is how long a caller's connection may be idle.
	IdleTimeout time.Duration
	// ShutdownDelay is how long the service continues as before after SIGTERM.
	ShutdownDelay time.Duration

	// Demo reports that the service provides its own upstream.
	Demo bool
	// Upstream is the server to call; nil in the demo.
	Upstream *url.URL
	// UpstreamTimeout bounds all upstream work of an operation.
	UpstreamTimeout time.Duration
	// UpstreamConcurrency is how many requests one key may have in flight.
	UpstreamConcurrency int
	// UpstreamConnections is how many connections there may be for all keys
	// together, idle ones included.
	UpstreamConnections int
	// APIKey is the service's own key. It is empty if callers send their own
	// keys, or if Upstream needs none.
	APIKey string
	// PreviousAPIKey is the key before the last rotation, which opens the cursors
	// that it sealed; empty if there is none.
	PreviousAPIKey string
	Auth           Auth
	JWT            JWT // with AuthJWT

	// RedisURL is the Redis in which replicas share limits, pages and quotas;
	// empty if they share nothing.
	RedisURL string

	// CORSOrigins are the web sites that may use the service.
	CORSOrigins []string
	// HTTPGet reports whether queries are accepted by GET.
	HTTPGet bool
	// PersistedQueries reports whether callers may register documents by their hash.
	PersistedQueries bool
	// TrustedDocuments are the files of known documents; empty if all documents are
	// served.
	TrustedDocuments []string
	// TrustedDocumentsMode says what is served besides, if there are files.
	TrustedDocumentsMode TrustMode
	// CacheTTL is how old a page may be when it is served again; 0 means that
	// pages are not cached.
	CacheTTL time.Duration
	// ShareRequests lets equal requests of one caller that are in flight share
	// one response.
	ShareRequests bool
	// RateLimit is how many upstream calls per second a caller may cause; 0 means
	// any number.
	RateLimit float64
	// MaxBody bounds a request, in bytes.
	MaxBody int
	Limits  Limits

	Introspection bool
	Playground    bool

	LogLevel slog.Level
	LogJSON  bool

	// PushTraces and PushMetrics report that a collector is configured for them.
	PushTraces, PushMetrics bool

	// Warnings are probable mistakes that do not prevent the start, one sentence
	// each, without any value.
	Warnings []string
}

// Auth is the way in which callers are authenticated.
type Auth string

// The ways to authenticate.
const (
	AuthNone        Auth = "none"
	AuthPassthrough Auth = "passthrough"
	AuthJWT         Auth = "jwt"
)

// TrustMode is what a service with trusted documents serves.
type TrustMode string

// The modes.
const (
	TrustOnly     TrustMode = "only"     // known documents by ID
	TrustSafelist TrustMode = "safelist" // also by their text
	TrustPrefer   TrustMode = "prefer"   // other documents too
)

// JWT describes the tokens that are accepted.
type JWT struct{ JWKSURL, Issuer, Audience, Scope string }

// Limits are upper bounds on an operation.
type Limits struct {
	Tokens, Depth, Aliases, RootFields, Fields, Directives, Cost, Calls int
	// Answer bounds the bytes of one response, and Answers those of all large ones.
	Answer, Answers int
}

// Deps are what the settings depend on besides the environment.
type Deps struct {
	// RegionURL returns the server of a region, if there is one.
	RegionURL func(region string) (base string, ok bool)
	// ParseOrigin returns an origin in the form that browsers send, or why it
	// cannot be allowed.
	ParseOrigin func(origin string) (string, error)
	// CheckRedisURL returns why a URL cannot be used for Redis. The error does
	// not contain the URL, which may contain a password.
	CheckRedisURL func(url string) error
	// ReadFile is [os.ReadFile].
	ReadFile func(name string) ([]byte, error)
	// Terminal reports that the log is written to a terminal.
	Terminal bool
}

// Load reads and checks the environment, by variable name. An empty variable
// counts as unset. The error joins one error for each fault. The Warnings are
// valid even if there is an error. No error or warning contains a secret.
func Load(env map[string]string, deps Deps) (Config, error) {
	s := newSettings(env)
	s.readFlags()
	s.readKeys(deps.ReadFile)
	s.Demo = s.isDemo()
	s.checkNames()
	s.checkListeners()
	s.checkBounds()
	s.readChoices(deps.Terminal)
	s.readDocuments()
	s.readOrigins(deps.ParseOrigin)
	s.readUpstream(deps.RegionURL)
	s.checkRedis(deps.CheckRedisURL)
	if !s.Demo {
		s.checkAuth()
	}
	s.checkTelemetry()
	return s.Config, errors.Join(s.faults...)
}

// readFlags sets the variables that have a type of their own.
func (s *settings) readFlags() {
	s.flags.VisitAll(func(f *flag.Flag) {
		value := s.env[f.Name]
		if value != "" && s.flags.Set(f.Name, value) != nil {
			s.fault(f.Name, "%q is not %s such as %s", value, kindOf(f), f.DefValue)
			_ = s.flags.Set(f.Name, f.DefValue)
		}
	})
}

// kindOf describes the values that a variable may have.
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

// isDemo reports whether no setting for a real upstream is set.
func (s *settings) isDemo() bool {
	return !slices.ContainsFunc(realSettings, func(name string) bool { return s.env[name] != "" })
}

func (s *settings) checkListeners() {
	s.checkAddress("LISTEN_ADDR", s.ListenAddr)
	s.AdminOptional = s.env["ADMIN_ADDR"] == ""
	if s.AdminAddr == "off" {
		s.AdminAddr = ""
	} else {
		s.checkAddress("ADMIN_ADDR", s.AdminAddr)
	}
	if s.Demo {
		s.ShutdownDelay = 0
	}
}

func (s *settings) checkAddress(name, value string) {
	if _, port, err := net.SplitHostPort(value); err != nil {
		s.fault(name, "%q is not host:port", value)
	} else if !isPort(port) {
		s.fault(name, "the port of %q is not a number from 0 to 65535", value)
	}
}

// isScope reports whether s is a scope-token (RFC 6749, section 3.3), or empty.
func isScope(s string) bool {
	return !strings.ContainsFunc(s, func(r rune) bool { return r <= ' ' || r > '~' || r == '"' || r == '\\' })
}

func isPort(s string) bool {
	_, err := strconv.ParseUint(s, 10, 16)
	return err == nil
}

// checkBounds checks the numbers and durations.
func (s *settings) checkBounds() {
	s.flags.VisitAll(func(f *flag.Flag) {
		if n, ok := f.Value.(flag.Getter).Get().(int); ok && n < 1 {
			s.fault(f.Name, "must be at least 1")
		}
	})
	if s.Limits.Answers/2 < s.Limits.Answer {
		s.fault("LIMIT_ANSWERS", "%d is less than twice LIMIT_ANSWER, %d", s.Limits.Answers, s.Limits.Answer)
	}
	if s.UpstreamConnections < s.UpstreamConcurrency {
		s.fault("UPSTREAM_CONNECTIONS", "%d is less than UPSTREAM_CONCURRENCY, %d", s.UpstreamConnections, s.UpstreamConcurrency)
	}
	if s.ShutdownDelay < 0 || s.ShutdownDelay > 5*time.Minute {
		s.fault("SHUTDOWN_DELAY", "%v is not between 0s and 5m", s.ShutdownDelay)
	}
	if s.IdleTimeout < time.Second || s.IdleTimeout > 24*time.Hour {
		s.fault("IDLE_TIMEOUT", "%v is not between 1s and 24h", s.IdleTimeout)
	}
	if s.CacheTTL < 0 || s.CacheTTL > 24*time.Hour {
		s.fault("CACHE_TTL", "%v is not between 0s and 24h", s.CacheTTL)
	}
	if s.UpstreamTimeout <= 0 || s.UpstreamTimeout > 5*time.Minute {
		s.fault("UPSTREAM_TIMEOUT", "%v is not above 0s and up to 5m", s.UpstreamTimeout)
	}
	if math.IsNaN(s.RateLimit) || s.RateLimit < 0 || s.RateLimit > 1e6 {
		s.fault("RATE_LIMIT", "%v is not between 0 and a million", s.RateLimit)
	}
}

// readChoices reads the variables whose value is one of a few words.
func (s *settings) readChoices(terminal bool) {
	s.HTTPGet = s.onOff("HTTP_GET", s.httpGet, true)
	s.ShareRequests = s.onOff("SHARE_REQUESTS", s.shareRequests, true)
	s.Introspection = s.onOff("INTROSPECTION", s.introspection, s.Demo)
	s.Playground = s.onOff("PLAYGROUND", s.playground, s.Demo)

	levels := map[string]slog.Level{"debug": slog.LevelDebug, "info": slog.LevelInfo, "warn": slog.LevelWarn, "error": slog.LevelError}
	s.logLevel = strings.ToLower(s.logLevel)
	s.checkChoice("LOG_LEVEL", s.logLevel, "debug", "info", "warn", "error")
	s.LogLevel = levels[s.logLevel]
	s.LogJSON = !terminal
	if s.logFormat != "" {
		s.checkChoice("LOG_FORMAT", s.logFormat, "text", "json")
		s.LogJSON = s.logFormat == "json"
	}
}

// readDocuments reads which documents are served.
func (s *settings) readDocuments() {
	for name := range strings.SplitSeq(s.trustedDocuments, ",") {
		if name = strings.TrimSpace(name); name != "" {
			s.TrustedDocuments = append(s.TrustedDocuments, name)
		}
	}
	mode := s.TrustedDocumentsMode
	s.checkChoice("TRUSTED_DOCUMENTS_MODE", string(mode), string(TrustOnly), string(TrustSafelist), string(TrustPrefer))
	trusts := len(s.TrustedDocuments) > 0
	s.PersistedQueries = s.onOff("AUTOMATIC_PERSISTED_QUERIES", s.persistedQueries, !trusts)
	switch {
	case !trusts && s.env["TRUSTED_DOCUMENTS"] != "":
		s.fault("TRUSTED_DOCUMENTS", "names no file, so every document would be served")
	case !trusts && s.env["TRUSTED_DOCUMENTS_MODE"] != "":
		s.fault("TRUSTED_DOCUMENTS_MODE", "is set without TRUSTED_DOCUMENTS, so every document would be served")
	case trusts && mode != TrustPrefer && s.PersistedQueries:
		s.fault("AUTOMATIC_PERSISTED_QUERIES", "must be off with TRUSTED_DOCUMENTS_MODE=%s: callers could register any document", mode)
	}
	if trusts && mode == TrustOnly && s.Playground {
		s.warn("PLAYGROUND is on, but with TRUSTED_DOCUMENTS_MODE=only no query of it is served")
	}
}

func (s *settings) onOff(name, value string, byDefault bool) bool {
	if value == "" {
		return byDefault
	}
	s.checkChoice(name, value, "on", "off")
	return value == "on"
}

func (s *settings) checkChoice(name, value string, choices ...string) {
	if !slices.Contains(choices, value) {
		s.faultChoice(name, value, choices...)
	}
}

// faultChoice reports a value that is not one of the choices, with a similar
// choice.
func (s *settings) faultChoice(name, value string, choices ...string) {
	hint := ""
	for _, choice := range choices {
		if isMisspelling(strings.ToLower(value), choice) {
			hint = "; did you mean " + choice + "?"
			break
		}
	}
	s.fault(name, "%q is not one of %s%s", value, strings.Join(choices, ", "), hint)
}

func (s *settings) readOrigins(parse func(string) (string, error)) {
	for text := range strings.SplitSeq(s.origins, ",") {
		if text = strings.TrimSpace(text); text == "" {
			continue
		}
		origin, err := parse(text)
		if err != nil {
			s.fault("CORS_ORIGINS", "%w", err)
			continue
		}
		if !slices.Contains(s.CORSOrigins, origin) {
			s.CORSOrigins = append(s.CORSOrigins, origin)
		}
	}
}

// checkRedis checks the URL of Redis, which the demo does not use.
func (s *settings) checkRedis(check func(string) error) {
	if s.RedisURL == "" {
		return
	}
	if err := check(s.RedisURL); err != nil {
		s.fault("REDIS_URL", "%w", err)
	}
	if s.Demo {
		s.warn("REDIS_URL has no effect in the demo, which has one replica")
		s.RedisURL = ""
	}
}

// checkAuth checks the settings that the way to authenticate requires.
func (s *settings) checkAuth() {
	switch s.Auth {
	case "":
		s.fault("AUTH", "is required with a real upstream, because anyone who reaches the service could read personal data: "+
			"set passthrough if callers bring their own key, jwt if they bring tokens, or none if something in front of the service authenticates them")
	case AuthNone:
		s.checkKey()
	case AuthPassthrough:
		if s.PreviousAPIKey != "" {
			s.fault(s.previousName, "has no use with AUTH=passthrough: each caller's cursors are sealed with that caller's key")
		}
	case AuthJWT:
		s.checkKey()
		for _, required := range []struct{ name, value string }{
			{"JWT_JWKS_URL", s.JWT.JWKSURL}, {"JWT_ISSUER", s.JWT.Issuer}, {"JWT_AUDIENCE", s.JWT.Audience},
		} {
			if required.value == "" {
				s.fault(required.name, "is required with AUTH=jwt")
			}
		}
		if !isScope(s.JWT.Scope) {
			s.fault("JWT_SCOPE", "must be one scope: printable ASCII without spaces, quotation marks and backslashes")
		}
		if _, err := parseServer(s.JWT.JWKSURL); s.JWT.JWKSURL != "" && err != nil {
			s.fault("JWT_JWKS_URL", "%w", err)
		}
	default:
		s.checkChoice("AUTH", string(s.Auth), string(AuthNone), string(AuthPassthrough), string(AuthJWT))
	}
}

// checkKey reports a missing key. The vendor's server cannot be called without
// one; a server of UPSTREAM_URL may add one.
func (s *settings) checkKey() {
	if s.APIKey == "" && !s.keyFaulty && s.url == "" {
		s.fault("ELEVENLABS_API_KEY", "is required with AUTH=%s", s.Auth)
	}
}

// sortedNames returns the names of the variables that are set.
func (s *settings) sortedNames() []string {
	return slices.Sorted(maps.Keys(s.env))
}

func (s *settings) fault(name, format string, args ...any) {
	s.faults = append(s.faults, fmt.Errorf("%s: "+format, append([]any{name}, args...)...))
}

func (s *settings) warn(format string, args ...any) {
	s.Warnings = append(s.Warnings, fmt.Sprintf(format, args...))
}
