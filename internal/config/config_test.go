package config_test

import (
	"bytes"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"testing"
	"time"

	"rollcall/internal/config"
)

func load(env map[string]string) (config.Config, error) {
	lookup := func(name string) (string, bool) {
		value, ok := env[name]
		return value, ok
	}
	return config.Load(lookup, config.Machine{RegionURL: func(region string) (string, bool) {
		if region != "global" && region != "eu" {
			return "", false
		}
		return "https://" + region + ".test", true
	}, CheckOrigin: func(origin string) error {
		if !strings.HasPrefix(origin, "https://") {
			return fmt.Errorf("%q is no origin", origin)
		}
		return nil
	}})
}

func TestWhatTheEnvironmentAsksFor(t *testing.T) {
	for name, c := range map[string]struct {
		env  map[string]string
		want func(config.Config) bool
	}{
		"nothing is the demo": {nil, func(c config.Config) bool {
			return c.Demo && c.Introspection && c.Playground && c.Upstream == nil && c.ListenAddr == "127.0.0.1:8080" && c.UpstreamTimeout == 10*time.Second
		}},
		"an empty variable is nothing": {map[string]string{"AUTH": "", "ELEVENLABS_API_KEY": "", "PLAYGROUND": ""}, func(c config.Config) bool {
			return c.Demo && c.Playground
		}},
		"a demo without its playground": {map[string]string{"PLAYGROUND": "off", "INTROSPECTION": "off"}, func(c config.Config) bool {
			return c.Demo && !c.Playground && !c.Introspection
		}},
		"a real upstream": {map[string]string{"ELEVENLABS_API_KEY": "k", "AUTH": "none"}, func(c config.Config) bool {
			return !c.Demo && !c.Introspection && !c.Playground && c.Upstream.String() == "https://global.test" && c.APIKey == "k"
		}},
		"another region": {map[string]string{"ELEVENLABS_API_KEY": "k", "AUTH": "none", "UPSTREAM_REGION": "eu"}, func(c config.Config) bool {
			return c.Upstream.String() == "https://eu.test"
		}},
		"callers with their own keys": {map[string]string{"AUTH": "passthrough"}, func(c config.Config) bool {
			return !c.Demo && c.Auth == config.AuthPassthrough && c.APIKey == ""
		}},
		"an upstream on loopback": {map[string]string{"UPSTREAM_URL": "http://127.0.0.1:9100", "AUTH": "none"}, func(c config.Config) bool {
			return !c.Demo && c.Upstream.String() == "http://127.0.0.1:9100"
		}},
		"introspection for a real upstream": {map[string]string{"AUTH": "passthrough", "INTROSPECTION": "on"}, func(c config.Config) bool {
			return c.Introspection && !c.Playground
		}},
		"the defaults of the rest": {nil, func(c config.Config) bool {
			return c.AdminAddr == "127.0.0.1:9090" && c.AdminOptional && c.UpstreamConcurrency == 8 && c.CORSOrigins == nil && c.RateLimit == 0 &&
				c.MaxBody == 131072 && c.Limits == config.Limits{Tokens: 1000, Depth: 12, Aliases: 30, RootFields: 20, Fields: 1000, Directives: 20, Cost: 5000, Calls: 120}
		}},
		"no admin listener": {map[string]string{"ADMIN_ADDR": "off"}, func(c config.Config) bool { return c.AdminAddr == "" }},
		"an admin listener": {map[string]string{"ADMIN_ADDR": "127.0.0.1:9090"}, func(c config.Config) bool { return !c.AdminOptional }},
		"tokens": {map[string]string{"ELEVENLABS_API_KEY": "k", "AUTH": "jwt", "JWT_JWKS_URL": "https://issuer.test/keys", "JWT_ISSUER": "i", "JWT_AUDIENCE": "a"}, func(c config.Config) bool {
			return c.Auth == config.AuthJWT && c.JWT == config.JWT{JWKSURL: "https://issuer.test/keys", Issuer: "i", Audience: "a"}
		}},
		"keys at an address with a query": {map[string]string{"ELEVENLABS_API_KEY": "k", "AUTH": "jwt", "JWT_JWKS_URL": "https://issuer.test/keys?p=policy", "JWT_ISSUER": "i", "JWT_AUDIENCE": "a"}, func(c config.Config) bool {
			return c.JWT.JWKSURL == "https://issuer.test/keys?p=policy"
		}},
		"origins": {map[string]string{"CORS_ORIGINS": "https://a.test, https://b.test,"}, func(c config.Config) bool {
			return slices.Equal(c.CORSOrigins, []string{"https://a.test", "https://b.test"})
		}},
		"other limits": {map[string]string{"LIMIT_COST": "7", "UPSTREAM_CONCURRENCY": "2", "RATE_LIMIT": "0.5", "SHUTDOWN_DELAY": "3s", "AUTH": "passthrough"}, func(c config.Config) bool {
			return c.Limits.Cost == 7 && c.UpstreamConcurrency == 2 && c.RateLimit == 0.5 && c.ShutdownDelay == 3*time.Second
		}},
		"no collector": {nil, func(c config.Config) bool { return !c.PushTraces && !c.PushMetrics }},
		"a collector": {map[string]string{"OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:4318"}, func(c config.Config) bool {
			return c.PushTraces && c.PushMetrics
		}},
		"a collector for traces": {map[string]string{"OTEL_EXPORTER_OTLP_TRACES_ENDPOINT": "https://t.test/v1/traces"}, func(c config.Config) bool {
			return c.PushTraces && !c.PushMetrics
		}},
		"a collector that gets no traces": {map[string]string{"OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:4318", "OTEL_TRACES_EXPORTER": "none"}, func(c config.Config) bool {
			return !c.PushTraces && c.PushMetrics
		}},
		"a collector that gets nothing": {map[string]string{"OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:4318", "OTEL_SDK_DISABLED": "true"}, func(c config.Config) bool {
			return !c.PushTraces && !c.PushMetrics
		}},
		"other words": {map[string]string{"LOG_LEVEL": "debug", "LOG_FORMAT": "text", "UPSTREAM_TIMEOUT": "250ms", "LISTEN_ADDR": ":0"}, func(c config.Config) bool {
			return c.LogLevel == slog.LevelDebug && !c.LogJSON && c.UpstreamTimeout == 250*time.Millisecond && c.ListenAddr == ":0"
		}},
	} {
		t.Run(name, func(t *testing.T) {
			got, err := load(c.env)
			if err != nil || !c.want(got) {
				t.Errorf("got %+v, %v", got, err)
			}
		})
	}
}

func TestWhatIsLocal(t *testing.T) {
	for addr, local := range map[string]bool{
		"127.0.0.1:8080": true, "127.0.0.2:0": true, "[::1]:8080": true, "localhost:8080": true,
		":8080": false, "0.0.0.0:8080": false, "[::]:8080": false, "10.0.0.1:8080": false, "example.com:8080": false, "": false,
	} {
		if got := (config.Config{ListenAddr: addr}).Local(); got != local {
			t.Errorf("%q: %v", addr, got)
		}
	}
}

// TestFaults holds each fault to one line that names its variable.
func TestFaults(t *testing.T) {
	for name, c := range map[string]struct {
		env   map[string]string
		lines []string // what each line begins with
	}{
		"a key without auth":                        {map[string]string{"ELEVENLABS_API_KEY": "canary"}, []string{"AUTH: is required"}},
		"a URL without auth":                        {map[string]string{"UPSTREAM_URL": "http://127.0.0.1:1"}, []string{"AUTH: is required"}},
		"auth without a key":                        {map[string]string{"AUTH": "none"}, []string{"ELEVENLABS_API_KEY: is required"}},
		"an unknown word of auth":                   {map[string]string{"AUTH": "basic"}, []string{`AUTH: "basic" is none of`}},
		"an unknown region":                         {map[string]string{"UPSTREAM_REGION": "mars"}, []string{`UPSTREAM_REGION: "mars" is none of`}},
		"an unknown region, and a URL that is none": {map[string]string{"UPSTREAM_REGION": "mars", "UPSTREAM_URL": "example.com", "AUTH": "passthrough"}, []string{"UPSTREAM_REGION: ", "UPSTREAM_URL: "}},
		"plain http to elsewhere":                   {map[string]string{"UPSTREAM_URL": "http://example.com", "AUTH": "passthrough"}, []string{"UPSTREAM_URL: must be https"}},
		"a URL that is none":                        {map[string]string{"UPSTREAM_URL": "example.com", "AUTH": "passthrough"}, []string{"UPSTREAM_URL: is not an http or https URL"}},
		"a URL with a password":                     {map[string]string{"UPSTREAM_URL": "https://u:canary@example.com", "AUTH": "passthrough"}, []string{"UPSTREAM_URL: must not carry"}},
		"a URL with a query":                        {map[string]string{"UPSTREAM_URL": "https://example.com/?key=canary", "AUTH": "passthrough"}, []string{"UPSTREAM_URL: must not have a query"}},
		"a URL with a fragment":                     {map[string]string{"UPSTREAM_URL": "https://example.com/#canary", "AUTH": "passthrough"}, []string{"UPSTREAM_URL: must not have a fragment"}},
		"a key with a line break":                   {map[string]string{"ELEVENLABS_API_KEY": "canary\n", "AUTH": "none"}, []string{"ELEVENLABS_API_KEY: there is a character"}},
		"no duration":                               {map[string]string{"UPSTREAM_TIMEOUT": "10"}, []string{`UPSTREAM_TIMEOUT: "10" is not a duration`}},
		"a duration that is too long":               {map[string]string{"UPSTREAM_TIMEOUT": "1h"}, []string{"UPSTREAM_TIMEOUT: 1h0m0s is not above 0s and up to 5m"}},
		"no time at all":                            {map[string]string{"UPSTREAM_TIMEOUT": "0s"}, []string{"UPSTREAM_TIMEOUT: 0s is not above 0s and up to 5m"}},
		"an address without a port":                 {map[string]string{"LISTEN_ADDR": "localhost"}, []string{`LISTEN_ADDR: "localhost" is not host:port`}},
		"ports that are none": {
			map[string]string{"LISTEN_ADDR": "127.0.0.1:65536", "ADMIN_ADDR": ":http", "UPSTREAM_URL": "https://example.com:99999", "AUTH": "passthrough"},
			[]string{`LISTEN_ADDR: the port of "127.0.0.1:65536" is not`, `ADMIN_ADDR: the port of ":http" is not`, "UPSTREAM_URL: has a port that is not"},
		},
		"a port of nobody":     {map[string]string{"UPSTREAM_URL": "https://example.com:0", "AUTH": "passthrough"}, []string{"UPSTREAM_URL: has a port that is not"}},
		"a URL without a host": {map[string]string{"UPSTREAM_URL": "https://:443", "AUTH": "passthrough"}, []string{"UPSTREAM_URL: is not an http or https URL"}},
		"a negative port":      {map[string]string{"LISTEN_ADDR": "127.0.0.1:-1"}, []string{"LISTEN_ADDR: the port of"}},
		"auth by tokens of nobody": {
			map[string]string{"AUTH": "jwt"},
			[]string{"ELEVENLABS_API_KEY: is required", "JWT_JWKS_URL: is required", "JWT_ISSUER: is required", "JWT_AUDIENCE: is required"},
		},
		"keys in the open": {
			map[string]string{"AUTH": "jwt", "ELEVENLABS_API_KEY": "canary", "JWT_JWKS_URL": "http://issuer.test", "JWT_ISSUER": "i", "JWT_AUDIENCE": "a"},
			[]string{"JWT_JWKS_URL: must be https"},
		},
		"keys behind a password": {
			map[string]string{"AUTH": "jwt", "ELEVENLABS_API_KEY": "canary", "JWT_JWKS_URL": "https://u:canary@issuer.test/keys?p=canary", "JWT_ISSUER": "i", "JWT_AUDIENCE": "a"},
			[]string{"JWT_JWKS_URL: must not carry"},
		},
		"a part of the keys": {
			map[string]string{"AUTH": "jwt", "ELEVENLABS_API_KEY": "canary", "JWT_JWKS_URL": "https://issuer.test/keys?p=canary#keys", "JWT_ISSUER": "i", "JWT_AUDIENCE": "a"},
			[]string{"JWT_JWKS_URL: must not have a fragment"},
		},
		"every site at once":       {map[string]string{"CORS_ORIGINS": "*"}, []string{`CORS_ORIGINS: "*"`}},
		"no number":                {map[string]string{"LIMIT_COST": "many", "RATE_LIMIT": "some"}, []string{`LIMIT_COST: "many" is not a whole number such as 5000`, `RATE_LIMIT: "some" is not a number`}},
		"a rate that is no number": {map[string]string{"RATE_LIMIT": "NaN"}, []string{"RATE_LIMIT: NaN is not between"}},
		"a rate without end":       {map[string]string{"RATE_LIMIT": "Inf"}, []string{"RATE_LIMIT: +Inf is not between"}},
		"a number that is nobody":  {map[string]string{"UPSTREAM_CONCURRENCY": "0", "RATE_LIMIT": "-1"}, []string{"UPSTREAM_CONCURRENCY: has to be at least 1", "RATE_LIMIT: -1 is not between"}},
		"a collector that speaks otherwise": {
			map[string]string{"OTEL_EXPORTER_OTLP_ENDPOINT": "canary:4317", "OTEL_EXPORTER_OTLP_PROTOCOL": "grpc", "OTEL_TRACES_EXPORTER": "zipkin", "OTEL_SDK_DISABLED": "maybe"},
			[]string{`OTEL_SDK_DISABLED: "maybe" is not a switch`, "OTEL_EXPORTER_OTLP_ENDPOINT: is not", `OTEL_EXPORTER_OTLP_PROTOCOL: "grpc" is not`, `OTEL_TRACES_EXPORTER: "zipkin" is none of`},
		},
		"several at once": {
			map[string]string{"LISTEN_ADDR": "x", "INTROSPECTION": "yes", "PLAYGROUND": "1", "LOG_LEVEL": "loud", "LOG_FORMAT": "xml", "ELEVENLABS_API_KEY": "canary"},
			[]string{"LISTEN_ADDR: ", "INTROSPECTION: ", "PLAYGROUND: ", "LOG_LEVEL: ", "LOG_FORMAT: ", "AUTH: "},
		},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := load(c.env)
			if err == nil {
				t.Fatal("no fault")
			}
			lines := strings.Split(err.Error(), "\n")
			if len(lines) != len(c.lines) {
				t.Fatalf("got %q, want %d lines", lines, len(c.lines))
			}
			for i, want := range c.lines {
				if !strings.HasPrefix(lines[i], want) {
					t.Errorf("line %d is %q, want %q", i, lines[i], want)
				}
			}
			if strings.Contains(err.Error(), "canary") {
				t.Errorf("a secret is shown: %v", err)
			}
		})
	}
}

func TestHelpNamesEveryVariableWithItsDefault(t *testing.T) {
	var b bytes.Buffer
	config.WriteHelp(&b)
	for _, want := range []string{
		"LISTEN_ADDR=host:port", "(default 127.0.0.1:8080)", "ELEVENLABS_API_KEY=key", "UPSTREAM_REGION=region", "(default global)",
		"UPSTREAM_URL=URL", "UPSTREAM_TIMEOUT=duration", "(default 10s)", "AUTH=word", "INTROSPECTION=on or off", "PLAYGROUND=on or off",
		"LOG_LEVEL=level", "(default info)", "LOG_FORMAT=format",
	} {
		if !strings.Contains(b.String(), want) {
			t.Errorf("%q is missing in:\n%s", want, b.String())
		}
	}
}
