// Package config reads the service's settings from the environment, all at once
// and before anything starts. Nothing else reads the environment.
package config

import (
	"errors"
	"flag"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/url"
	"strings"
	"time"
)

// Config is what the environment asks for.
type Config struct {
	// ListenAddr is host:port; port 0 takes any that is free.
	ListenAddr string
	// Demo says that the service brings its own upstream.
	Demo bool
	// Upstream is the server to call; nil in the demo.
	Upstream *url.URL
	// UpstreamTimeout bounds all of an operation's upstream work.
	UpstreamTimeout time.Duration
	// APIKey is the service's own key; it may be empty where callers bring
	// theirs, or where Upstream needs none.
	APIKey string
	Auth   Auth

	Introspection bool
	Playground    bool

	LogLevel slog.Level
	LogJSON  bool
}

// Auth is how callers are authenticated.
type Auth string

// The ways to authenticate.
const (
	AuthNone        Auth = "none"
	AuthPassthrough Auth = "passthrough"
)

// Lookup is [os.LookupEnv].
type Lookup func(name string) (value string, ok bool)

// Machine is what the settings depend on besides the environment.
type Machine struct {
	// RegionURL is the server of a region, if there is one.
	RegionURL func(region string) (base string, ok bool)
	// Terminal says that a person reads the log.
	Terminal bool
}

// settings are the variables as they are written.
type settings struct {
	flags *flag.FlagSet

	listenAddr    *string
	apiKey        *string
	region        *string
	url           *string
	timeout       *time.Duration
	auth          *string
	introspection *string
	playground    *string
	logLevel      *string
	logFormat     *string
}

// define declares the variables, with the package flag for the types, the
// defaults and the help text.
func define() settings {
	f := flag.NewFlagSet("", flag.ContinueOnError)
	f.SetOutput(io.Discard)
	return settings{
		flags:         f,
		listenAddr:    f.String("LISTEN_ADDR", "127.0.0.1:8080", "`host:port` that serves /graphql, and / for the playground"),
		apiKey:        f.String("ELEVENLABS_API_KEY", "", "the service's `key` for the upstream"),
		region:        f.String("UPSTREAM_REGION", "global", "the upstream's `region`: global, us, eu, in or sg"),
		url:           f.String("UPSTREAM_URL", "", "an upstream's base `URL`, instead of a region; plain http only to loopback"),
		timeout:       f.Duration("UPSTREAM_TIMEOUT", 10*time.Second, "`duration` for all of an operation's upstream work"),
		auth:          f.String("AUTH", "", "how callers are known, a `word`: none (everybody is let in, and reads with the\nservice's key) or passthrough (callers bring their own key in xi-api-key);\nrequired with a real upstream"),
		introspection: f.String("INTROSPECTION", "", "`on or off`: whether callers may read the schema (default off; on in the demo)"),
		playground:    f.String("PLAYGROUND", "", "`on or off`: whether / serves a playground (default off; on in the demo)"),
		logLevel:      f.String("LOG_LEVEL", "info", "`level`: debug, info, warn or error"),
		logFormat:     f.String("LOG_FORMAT", "", "`format`: text or json (default text on a terminal, else json)"),
	}
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
			fault("%s: %q is not a duration such as %s", f.Name, value, f.DefValue)
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

	c := Config{
		ListenAddr:      *s.listenAddr,
		APIKey:          *s.apiKey,
		UpstreamTimeout: *s.timeout,
		Auth:            Auth(*s.auth),
		Demo:            *s.apiKey == "" && *s.url == "" && *s.auth == "",
	}
	if _, _, err := net.SplitHostPort(c.ListenAddr); err != nil {
		fault("LISTEN_ADDR: %q is not host:port", c.ListenAddr)
	}
	if strings.ContainsFunc(c.APIKey, func(r rune) bool { return r <= ' ' || r > '~' }) {
		fault("ELEVENLABS_API_KEY: there is a character in it that no key has; is there a line break at its end?")
	}
	if c.UpstreamTimeout <= 0 || c.UpstreamTimeout > 5*time.Minute {
		fault("UPSTREAM_TIMEOUT: %v is not between 0s and 5m", c.UpstreamTimeout)
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

	base, ok := on.RegionURL(*s.region)
	if !ok {
		fault("UPSTREAM_REGION: %q is none of global, us, eu, in, sg", *s.region)
	}
	if *s.url != "" {
		base = *s.url
	}
	upstream, err := parseBase(base)
	if err != nil {
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
		default:
			word("AUTH", string(c.Auth), string(AuthNone), string(AuthPassthrough))
		}
	}
	return c, errors.Join(faults...)
}

// parseBase reads a server's base URL. Its errors do not repeat it: a URL may
// carry a password.
func parseBase(base string) (*url.URL, error) {
	u, err := url.Parse(base)
	switch {
	case err != nil || u.Host == "" || u.Scheme != "https" && u.Scheme != "http":
		return nil, errors.New("is not an http or https URL")
	case u.User != nil:
		return nil, errors.New("must not carry a user or a password")
	case u.RawQuery != "" || u.Fragment != "":
		return nil, errors.New("must not have a query or a fragment")
	case u.Scheme == "http" && !isLoopback(u.Hostname()):
		return nil, errors.New("must be https, as the key would travel in the open; plain http is for loopback alone")
	}
	return u, nil
}

func isLoopback(host string) bool {
	ip := net.ParseIP(host)
	return host == "localhost" || ip != nil && ip.IsLoopback()
}
