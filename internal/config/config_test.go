package config_test

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"slices"
	"strings"
	"testing"
	"time"

	"rollcall/internal/config"
)

func load(env map[string]string) (config.Config, error) {
	return config.Load(env, config.Deps{
		RegionURL: func(region string) (string, bool) {
			if region != "global" && region != "eu" {
				return "", false
			}
			return "https://" + region + ".test", true
		},
		ParseOrigin: func(origin string) (string, error) {
			if !strings.HasPrefix(origin, "https://") {
				return "", fmt.Errorf("%q is not an origin", origin)
			}
			return strings.TrimSuffix(origin, ":443"), nil
		},
		CheckRedisURL: func(url string) error {
			if !strings.HasPrefix(url, "redis://") {
				return errors.New("is not a URL of Redis")
			}
			return nil
		},
		ReadFile: func(name string) ([]byte, error) {
			content, ok := files[name]
			if !ok {
				return nil, &fs.PathError{Op: "open", Path: name, Err: fs.ErrNotExist}
			}
			return []byte(content), nil
		},
	})
}

// files are the files that the settings can name.
var files = map[string]string{
	"key": "from-file", "line": "from-file\n", "windows": "from-file\r\n", "empty": "", "empty-line": "\n",
	"lines": "canary\ncanary\n", "spaced": "canary \n",
}

func TestLoad(t *testing.T) {
	for name, c := range map[string]struct {
		env  map[string]string
		want func(config.Config) bool
	}{
		"persisted queries can be refused": {map[string]string{"AUTOMATIC_PERSISTED_QUERIES": "off"}, func(c config.Config) bool { return !c.PersistedQueries }},
		"trusted documents are the only ones": {map[string]string{"TRUSTED_DOCUMENTS": "a.json, b.json,"}, func(c config.Config) bool {
			return slices.Equal(c.TrustedDocuments, []string{"a.json", "b.json"}) && c.TrustedDocumentsMode == config.TrustOnly && !c.PersistedQueries
		}},
		"trusted documents can be preferred": {map[string]string{"TRUSTED_DOCUMENTS": "a.json", "TRUSTED_DOCUMENTS_MODE": "prefer"}, func(c config.Config) bool {
			return c.TrustedDocumentsMode == config.TrustPrefer && !c.PersistedQueries
		}},
		"callers can register others then": {map[string]string{"TRUSTED_DOCUMENTS": "a.json", "TRUSTED_DOCUMENTS_MODE": "prefer", "AUTOMATIC_PERSISTED_QUERIES": "on"}, func(c config.Config) bool {
			return c.PersistedQueries
		}},
		"GET can be refused": {map[string]string{"HTTP_GET": "off"}, func(c config.Config) bool { return !c.HTTPGet }},
		"no variable is the demo": {nil, func(c config.Config) bool {
			return c.Demo && c.Introspection && c.Playground && c.HTTPGet && c.PersistedQueries && c.Upstream == nil && c.ListenAddr == "127.0.0.1:8080" && c.UpstreamTimeout == 10*time.Second
		}},
		"an empty variable counts as unset": {map[string]string{"AUTH": "", "ELEVENLABS_API_KEY": "", "ELEVENLABS_API_KEY_FILE": "", "UPSTREAM_REGION": "", "ADMIN_ADDR": "", "PLAYGROUND": ""}, func(c config.Config) bool {
			return c.Demo && c.Playground && c.AdminOptional && c.AdminAddr == "127.0.0.1:9090"
		}},
		"a demo without its playground": {map[string]string{"PLAYGROUND": "off", "INTROSPECTION": "off"}, func(c config.Config) bool {
			return c.Demo && !c.Playground && !c.Introspection
		}},
		"Redis": {map[string]string{"REDIS_URL": "redis://host", "AUTH": "passthrough"}, func(c config.Config) bool {
			return c.RedisURL == "redis://host" && len(c.Warnings) == 0
		}},
		"Redis in the demo": {map[string]string{"REDIS_URL": "redis://:canary@host"}, func(c config.Config) bool {
			return c.Demo && c.RedisURL == "" && len(c.Warnings) == 1 && strings.HasPrefix(c.Warnings[0], "REDIS_URL has no effect") && !strings.Contains(c.Warnings[0], "canary")
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
		"an upstream on another loopback": {map[string]string{"UPSTREAM_URL": "http://[::1]:9100", "AUTH": "none"}, func(c config.Config) bool {
			return c.Upstream.String() == "http://[::1]:9100"
		}},
		"a playground without documents": {map[string]string{"TRUSTED_DOCUMENTS": "a.json", "PLAYGROUND": "on"}, func(c config.Config) bool {
			return c.Playground && len(c.Warnings) == 1 && strings.HasPrefix(c.Warnings[0], "PLAYGROUND is on")
		}},
		"a playground with other documents": {map[string]string{"TRUSTED_DOCUMENTS": "a.json", "TRUSTED_DOCUMENTS_MODE": "prefer", "PLAYGROUND": "on"}, func(c config.Config) bool {
			return c.Playground && len(c.Warnings) == 0
		}},
		"bounds that are just met": {map[string]string{"SHUTDOWN_DELAY": "5m", "IDLE_TIMEOUT": "24h", "CACHE_TTL": "24h", "RATE_LIMIT": "1e6", "LIMIT_ANSWER": "8", "LIMIT_ANSWERS": "16", "AUTH": "passthrough"}, func(c config.Config) bool {
			return c.ShutdownDelay == 5*time.Minute && c.IdleTimeout == 24*time.Hour && c.CacheTTL == 24*time.Hour && c.RateLimit == 1e6 && c.Limits.Answers == 16
		}},
		"introspection for a real upstream": {map[string]string{"AUTH": "passthrough", "INTROSPECTION": "on"}, func(c config.Config) bool {
			return c.Introspection && !c.Playground
		}},
		"the defaults of the rest": {nil, func(c config.Config) bool {
			return c.AdminAddr == "127.0.0.1:9090" && c.AdminOptional && c.UpstreamConcurrency == 8 && c.UpstreamConnections == 256 && c.IdleTimeout == 620*time.Second && c.CORSOrigins == nil && c.RateLimit == 0 &&
				c.MaxBody == 131072 && c.Limits == config.Limits{Tokens: 1000, Depth: 12, Aliases: 30, RootFields: 20, Fields: 1000, Directives: 20, Cost: 5000, Calls: 120, Answer: 8 << 20, Answers: 32 << 20}
		}},
		"no admin listener": {map[string]string{"ADMIN_ADDR": "off"}, func(c config.Config) bool { return c.AdminAddr == "" }},
		"an admin listener": {map[string]string{"ADMIN_ADDR": "127.0.0.1:9090"}, func(c config.Config) bool { return !c.AdminOptional }},
		"tokens": {map[string]string{"ELEVENLABS_API_KEY": "k", "AUTH": "jwt", "JWT_JWKS_URL": "https://issuer.test/keys", "JWT_ISSUER": "i", "JWT_AUDIENCE": "a"}, func(c config.Config) bool {
			return c.Auth == config.AuthJWT && c.JWT == config.JWT{JWKSURL: "https://issuer.test/keys", Issuer: "i", Audience: "a"}
		}},
		"tokens with a scope": {map[string]string{"ELEVENLABS_API_KEY": "k", "AUTH": "jwt", "JWT_JWKS_URL": "https://issuer.test/keys", "JWT_ISSUER": "i", "JWT_AUDIENCE": "a", "JWT_SCOPE": "https://rollcall.test/users:read"}, func(c config.Config) bool {
			return c.JWT.Scope == "https://rollcall.test/users:read"
		}},
		"keys at an address with a query": {map[string]string{"ELEVENLABS_API_KEY": "k", "AUTH": "jwt", "JWT_JWKS_URL": "https://issuer.test/keys?p=policy", "JWT_ISSUER": "i", "JWT_AUDIENCE": "a"}, func(c config.Config) bool {
			return c.JWT.JWKSURL == "https://issuer.test/keys?p=policy"
		}},
		"a key from a file": {map[string]string{"ELEVENLABS_API_KEY_FILE": "key", "AUTH": "none"}, func(c config.Config) bool {
			return !c.Demo && c.APIKey == "from-file"
		}},
		"a key from a file that ends in a line break": {map[string]string{"ELEVENLABS_API_KEY_FILE": "line", "AUTH": "none"}, func(c config.Config) bool {
			return c.APIKey == "from-file"
		}},
		"a key from a file of Windows": {map[string]string{"ELEVENLABS_API_KEY_FILE": "windows", "AUTH": "none"}, func(c config.Config) bool {
			return c.APIKey == "from-file"
		}},
		"a previous key": {map[string]string{"ELEVENLABS_API_KEY": "k", "ELEVENLABS_API_KEY_PREVIOUS": "p", "AUTH": "none"}, func(c config.Config) bool {
			return c.APIKey == "k" && c.PreviousAPIKey == "p"
		}},
		"a previous key from a file": {map[string]string{"ELEVENLABS_API_KEY": "k", "ELEVENLABS_API_KEY_PREVIOUS_FILE": "line", "AUTH": "none"}, func(c config.Config) bool {
			return c.APIKey == "k" && c.PreviousAPIKey == "from-file"
		}},
		"an idle timeout": {map[string]string{"IDLE_TIMEOUT": "5m"}, func(c config.Config) bool { return c.IdleTimeout == 5*time.Minute }},
		"one origin in two spellings": {map[string]string{"CORS_ORIGINS": "https://a.test:443,https://a.test"}, func(c config.Config) bool {
			return slices.Equal(c.CORSOrigins, []string{"https://a.test"})
		}},
		"origins": {map[string]string{"CORS_ORIGINS": "https://a.test, https://b.test,"}, func(c config.Config) bool {
			return slices.Equal(c.CORSOrigins, []string{"https://a.test", "https://b.test"})
		}},
		"other limits": {map[string]string{"LIMIT_COST": "7", "UPSTREAM_CONCURRENCY": "2", "UPSTREAM_CONNECTIONS": "2", "RATE_LIMIT": "0.5", "SHUTDOWN_DELAY": "3s", "AUTH": "passthrough"}, func(c config.Config) bool {
			return c.Limits.Cost == 7 && c.UpstreamConcurrency == 2 && c.UpstreamConnections == 2 && c.RateLimit == 0.5 && c.ShutdownDelay == 3*time.Second
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
		"a collector behind another protocol, for nothing": {map[string]string{"OTEL_EXPORTER_OTLP_PROTOCOL": "grpc", "OTEL_TRACES_EXPORTER": "zipkin", "OTEL_EXPORTER_OTLP_HEADERS": "canary", "OTEL_BSP_MAX_QUEUE_SIZE": "-1", "OTEL_RESOURCE_ATTRIBUTES": "x"}, func(c config.Config) bool {
			return !c.PushTraces && !c.PushMetrics
		}},
		"another protocol, with exports disabled": {map[string]string{"OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:4317", "OTEL_EXPORTER_OTLP_PROTOCOL": "grpc", "OTEL_SDK_DISABLED": "true"}, func(c config.Config) bool {
			return !c.PushTraces && !c.PushMetrics
		}},
		"another protocol, which both signals replace": {map[string]string{"OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:4318", "OTEL_EXPORTER_OTLP_PROTOCOL": "grpc", "OTEL_EXPORTER_OTLP_TRACES_PROTOCOL": "http/protobuf", "OTEL_EXPORTER_OTLP_METRICS_PROTOCOL": "http/protobuf"}, func(c config.Config) bool {
			return c.PushTraces && c.PushMetrics
		}},
		"valid values of the SDK": {map[string]string{
			"OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:4318", "OTEL_EXPORTER_OTLP_HEADERS": "authorization=Basic%20eA==, x-scope = a ,", "OTEL_EXPORTER_OTLP_TIMEOUT": "5000",
			"OTEL_BSP_MAX_QUEUE_SIZE": "4096", "OTEL_SPAN_ATTRIBUTE_COUNT_LIMIT": "-1", "OTEL_TRACES_SAMPLER": "TraceIDRatio", "OTEL_TRACES_SAMPLER_ARG": "0.01",
			"OTEL_METRIC_EXPORT_INTERVAL": "1000", "OTEL_RESOURCE_ATTRIBUTES": "service.namespace=a,b=c%20d", "OTEL_EXPORTER_OTLP_COMPRESSION": "gzip",
		}, func(c config.Config) bool { return c.PushTraces && c.PushMetrics }},
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

// TestFaults checks that each fault is one line that names its variable.
func TestFaults(t *testing.T) {
	for name, c := range map[string]struct {
		env   map[string]string
		lines []string // how each line begins
	}{
		"a key without auth":                   {map[string]string{"ELEVENLABS_API_KEY": "canary"}, []string{"AUTH: is required"}},
		"a URL without auth":                   {map[string]string{"UPSTREAM_URL": "http://127.0.0.1:1"}, []string{"AUTH: is required"}},
		"auth without a key":                   {map[string]string{"AUTH": "none"}, []string{"ELEVENLABS_API_KEY: is required"}},
		"an unknown way to authenticate":       {map[string]string{"AUTH": "basic"}, []string{`AUTH: "basic" is not one of none, passthrough, jwt`}},
		"trusted documents without a file":     {map[string]string{"TRUSTED_DOCUMENTS": " , ", "AUTH": "passthrough"}, []string{"TRUSTED_DOCUMENTS: names no file"}},
		"an unknown region":                    {map[string]string{"UPSTREAM_REGION": "mars"}, []string{`UPSTREAM_REGION: "mars" is not one of`, "AUTH: is required"}},
		"an unknown region and an invalid URL": {map[string]string{"UPSTREAM_REGION": "mars", "UPSTREAM_URL": "example.com", "AUTH": "passthrough"}, []string{"UPSTREAM_REGION: ", "UPSTREAM_URL: "}},
		"plain http beyond loopback":           {map[string]string{"UPSTREAM_URL": "http://example.com", "AUTH": "passthrough"}, []string{"UPSTREAM_URL: must be https"}},
		"an invalid URL":                       {map[string]string{"UPSTREAM_URL": "example.com", "AUTH": "passthrough"}, []string{"UPSTREAM_URL: is not an http or https URL"}},
		"a URL with a password":                {map[string]string{"UPSTREAM_URL": "https://u:canary@example.com", "AUTH": "passthrough"}, []string{"UPSTREAM_URL: must not contain"}},
		"a URL with a query":                   {map[string]string{"UPSTREAM_URL": "https://example.com/?key=canary", "AUTH": "passthrough"}, []string{"UPSTREAM_URL: must not have a query"}},
		"a URL with a fragment":                {map[string]string{"UPSTREAM_URL": "https://example.com/#canary", "AUTH": "passthrough"}, []string{"UPSTREAM_URL: must not have a fragment"}},
		"a key with a line break":              {map[string]string{"ELEVENLABS_API_KEY": "canary\n", "AUTH": "none"}, []string{"ELEVENLABS_API_KEY: the key contains"}},
		"an invalid duration":                  {map[string]string{"UPSTREAM_TIMEOUT": "10"}, []string{`UPSTREAM_TIMEOUT: "10" is not a duration`}},
		"a duration that is too long":          {map[string]string{"UPSTREAM_TIMEOUT": "1h"}, []string{"UPSTREAM_TIMEOUT: 1h0m0s is not above 0s and up to 5m"}},
		"a timeout of zero":                    {map[string]string{"UPSTREAM_TIMEOUT": "0s"}, []string{"UPSTREAM_TIMEOUT: 0s is not above 0s and up to 5m"}},
		"an address without a port":            {map[string]string{"LISTEN_ADDR": "localhost"}, []string{`LISTEN_ADDR: "localhost" is not host:port`}},
		"invalid ports": {
			map[string]string{"LISTEN_ADDR": "127.0.0.1:65536", "ADMIN_ADDR": ":http", "UPSTREAM_URL": "https://example.com:99999", "AUTH": "passthrough"},
			[]string{`LISTEN_ADDR: the port of "127.0.0.1:65536" is not`, `ADMIN_ADDR: the port of ":http" is not`, "UPSTREAM_URL: has a port that is not"},
		},
		"port 0 of an upstream": {map[string]string{"UPSTREAM_URL": "https://example.com:0", "AUTH": "passthrough"}, []string{"UPSTREAM_URL: has a port that is not"}},
		"a URL without a host":  {map[string]string{"UPSTREAM_URL": "https://:443", "AUTH": "passthrough"}, []string{"UPSTREAM_URL: is not an http or https URL"}},
		"a negative port":       {map[string]string{"LISTEN_ADDR": "127.0.0.1:-1"}, []string{"LISTEN_ADDR: the port of"}},
		"tokens without an issuer": {
			map[string]string{"AUTH": "jwt"},
			[]string{"ELEVENLABS_API_KEY: is required", "JWT_JWKS_URL: is required", "JWT_ISSUER: is required", "JWT_AUDIENCE: is required"},
		},
		"an issuer's keys over plain http": {
			map[string]string{"AUTH": "jwt", "ELEVENLABS_API_KEY": "canary", "JWT_JWKS_URL": "http://issuer.test", "JWT_ISSUER": "i", "JWT_AUDIENCE": "a"},
			[]string{"JWT_JWKS_URL: must be https"},
		},
		"two scopes": {
			map[string]string{"AUTH": "jwt", "ELEVENLABS_API_KEY": "canary", "JWT_JWKS_URL": "https://issuer.test", "JWT_ISSUER": "i", "JWT_AUDIENCE": "a", "JWT_SCOPE": "a b"},
			[]string{"JWT_SCOPE: must be one scope"},
		},
		"a scope with a quotation mark": {
			map[string]string{"AUTH": "jwt", "ELEVENLABS_API_KEY": "canary", "JWT_JWKS_URL": "https://issuer.test", "JWT_ISSUER": "i", "JWT_AUDIENCE": "a", "JWT_SCOPE": `a"b`},
			[]string{"JWT_SCOPE: must be one scope"},
		},
		"a scope with a backslash": {
			map[string]string{"AUTH": "jwt", "ELEVENLABS_API_KEY": "canary", "JWT_JWKS_URL": "https://issuer.test", "JWT_ISSUER": "i", "JWT_AUDIENCE": "a", "JWT_SCOPE": `a\b`},
			[]string{"JWT_SCOPE: must be one scope"},
		},
		"an issuer's keys behind a password": {
			map[string]string{"AUTH": "jwt", "ELEVENLABS_API_KEY": "canary", "JWT_JWKS_URL": "https://u:canary@issuer.test/keys?p=canary", "JWT_ISSUER": "i", "JWT_AUDIENCE": "a"},
			[]string{"JWT_JWKS_URL: must not contain"},
		},
		"an issuer's keys with a fragment": {
			map[string]string{"AUTH": "jwt", "ELEVENLABS_API_KEY": "canary", "JWT_JWKS_URL": "https://issuer.test/keys?p=canary#keys", "JWT_ISSUER": "i", "JWT_AUDIENCE": "a"},
			[]string{"JWT_JWKS_URL: must not have a fragment"},
		},
		"a wildcard":                 {map[string]string{"CORS_ORIGINS": "*"}, []string{`CORS_ORIGINS: "*"`}},
		"an unknown mode":            {map[string]string{"TRUSTED_DOCUMENTS": "a.json", "TRUSTED_DOCUMENTS_MODE": "onlyy"}, []string{`TRUSTED_DOCUMENTS_MODE: "onlyy" is not one of only, safelist, prefer; did you mean only?`}},
		"a mode without documents":   {map[string]string{"TRUSTED_DOCUMENTS_MODE": "only"}, []string{"TRUSTED_DOCUMENTS_MODE: is set without TRUSTED_DOCUMENTS"}},
		"any document beside a list": {map[string]string{"TRUSTED_DOCUMENTS": "a.json", "AUTOMATIC_PERSISTED_QUERIES": "on"}, []string{"AUTOMATIC_PERSISTED_QUERIES: must be off with TRUSTED_DOCUMENTS_MODE=only"}},
		"any document beside a safelist": {
			map[string]string{"TRUSTED_DOCUMENTS": "a.json", "TRUSTED_DOCUMENTS_MODE": "safelist", "AUTOMATIC_PERSISTED_QUERIES": "on"},
			[]string{"AUTOMATIC_PERSISTED_QUERIES: must be off with TRUSTED_DOCUMENTS_MODE=safelist"},
		},
		"GET as another word":                     {map[string]string{"HTTP_GET": "yes"}, []string{`HTTP_GET: "yes" is not one of on, off`}},
		"fewer connections than calls of one key": {map[string]string{"UPSTREAM_CONNECTIONS": "7"}, []string{"UPSTREAM_CONNECTIONS: 7 is less than UPSTREAM_CONCURRENCY, 8"}},
		"invalid numbers":                         {map[string]string{"LIMIT_COST": "many", "RATE_LIMIT": "some"}, []string{`LIMIT_COST: "many" is not a whole number such as 5000`, `RATE_LIMIT: "some" is not a number`}},
		"a URL that is not Redis'":                {map[string]string{"REDIS_URL": "http://:canary@host", "AUTH": "passthrough"}, []string{"REDIS_URL: is not a URL of Redis"}},
		"a rate that is not a number":             {map[string]string{"RATE_LIMIT": "NaN"}, []string{"RATE_LIMIT: NaN is not between"}},
		"an infinite rate":                        {map[string]string{"RATE_LIMIT": "Inf"}, []string{"RATE_LIMIT: +Inf is not between"}},
		"numbers that are too small":              {map[string]string{"UPSTREAM_CONCURRENCY": "0", "RATE_LIMIT": "-1"}, []string{"UPSTREAM_CONCURRENCY: must be at least 1", "RATE_LIMIT: -1 is not between"}},
		"a similar word":                          {map[string]string{"AUTH": "nonee", "UPSTREAM_URL": "http://127.0.0.1:1"}, []string{`AUTH: "nonee" is not one of none, passthrough, jwt; did you mean none?`}},
		"a word in upper case":                    {map[string]string{"INTROSPECTION": "ON", "LOG_FORMAT": "jsn"}, []string{`INTROSPECTION: "ON" is not one of on, off; did you mean on?`, `LOG_FORMAT: "jsn" is not one of text, json; did you mean json?`}},
		"a key twice": {
			map[string]string{"ELEVENLABS_API_KEY": "canary", "ELEVENLABS_API_KEY_FILE": "key", "AUTH": "none"},
			[]string{"ELEVENLABS_API_KEY_FILE: is set together with ELEVENLABS_API_KEY"},
		},
		"a previous key twice": {
			map[string]string{"ELEVENLABS_API_KEY": "k", "ELEVENLABS_API_KEY_PREVIOUS": "canary", "ELEVENLABS_API_KEY_PREVIOUS_FILE": "key", "AUTH": "none"},
			[]string{"ELEVENLABS_API_KEY_PREVIOUS_FILE: is set together with ELEVENLABS_API_KEY_PREVIOUS"},
		},
		"a key's file alone":             {map[string]string{"ELEVENLABS_API_KEY_FILE": "key"}, []string{"AUTH: is required"}},
		"a key in place of its file":     {map[string]string{"ELEVENLABS_API_KEY_FILE": "canary", "AUTH": "none"}, []string{"ELEVENLABS_API_KEY_FILE: the file cannot be read: file does not exist"}},
		"an empty file":                  {map[string]string{"ELEVENLABS_API_KEY_FILE": "empty", "AUTH": "jwt", "JWT_JWKS_URL": "https://issuer.test", "JWT_ISSUER": "i", "JWT_AUDIENCE": "a"}, []string{"ELEVENLABS_API_KEY_FILE: the file is empty"}},
		"a file with an empty line":      {map[string]string{"ELEVENLABS_API_KEY_FILE": "empty-line", "AUTH": "none"}, []string{"ELEVENLABS_API_KEY_FILE: the file is empty"}},
		"a file with two keys":           {map[string]string{"ELEVENLABS_API_KEY_FILE": "lines", "AUTH": "none"}, []string{"ELEVENLABS_API_KEY_FILE: the key contains"}},
		"a file with a space":            {map[string]string{"ELEVENLABS_API_KEY_FILE": "spaced", "AUTH": "none"}, []string{"ELEVENLABS_API_KEY_FILE: the key contains"}},
		"a previous key alone":           {map[string]string{"ELEVENLABS_API_KEY_PREVIOUS": "canary"}, []string{"AUTH: is required"}},
		"a previous key, malformed":      {map[string]string{"ELEVENLABS_API_KEY": "k", "ELEVENLABS_API_KEY_PREVIOUS": "canary\n", "AUTH": "none"}, []string{"ELEVENLABS_API_KEY_PREVIOUS: the key contains"}},
		"a previous key of callers":      {map[string]string{"ELEVENLABS_API_KEY_PREVIOUS": "canary", "AUTH": "passthrough"}, []string{"ELEVENLABS_API_KEY_PREVIOUS: has no use with AUTH=passthrough"}},
		"a previous file of callers":     {map[string]string{"ELEVENLABS_API_KEY_PREVIOUS_FILE": "key", "AUTH": "passthrough"}, []string{"ELEVENLABS_API_KEY_PREVIOUS_FILE: has no use with AUTH=passthrough"}},
		"a region alone":                 {map[string]string{"UPSTREAM_REGION": "eu"}, []string{"AUTH: is required"}},
		"no idle time":                   {map[string]string{"IDLE_TIMEOUT": "0s"}, []string{"IDLE_TIMEOUT: 0s is not between"}},
		"an idle time of days":           {map[string]string{"IDLE_TIMEOUT": "25h"}, []string{"IDLE_TIMEOUT: 25h0m0s is not between"}},
		"a negative delay":               {map[string]string{"SHUTDOWN_DELAY": "-1s", "AUTH": "passthrough"}, []string{"SHUTDOWN_DELAY: -1s is not between"}},
		"a delay that is too long":       {map[string]string{"SHUTDOWN_DELAY": "6m", "AUTH": "passthrough"}, []string{"SHUTDOWN_DELAY: 6m0s is not between"}},
		"a cache without a time":         {map[string]string{"CACHE_TTL": "-1s"}, []string{"CACHE_TTL: -1s is not between"}},
		"a cache for days":               {map[string]string{"CACHE_TTL": "25h"}, []string{"CACHE_TTL: 25h0m0s is not between"}},
		"fewer than two responses":       {map[string]string{"LIMIT_ANSWER": "8", "LIMIT_ANSWERS": "15"}, []string{"LIMIT_ANSWERS: 15 is less than twice LIMIT_ANSWER, 8"}},
		"a base URL with the version":    {map[string]string{"UPSTREAM_URL": "https://api.test/v1", "AUTH": "passthrough"}, []string{"UPSTREAM_URL: must not end in /v1: "}},
		"… and a slash":                  {map[string]string{"UPSTREAM_URL": "https://api.test/v1/", "AUTH": "passthrough"}, []string{"UPSTREAM_URL: must not end in /v1: "}},
		"… and the product":              {map[string]string{"UPSTREAM_URL": "https://api.test//v1//convai/", "AUTH": "passthrough"}, []string{"UPSTREAM_URL: must not end in /v1/convai: "}},
		"a base URL with the whole path": {map[string]string{"UPSTREAM_URL": "https://api.test/proxy/v1/convai/users", "AUTH": "passthrough"}, []string{"UPSTREAM_URL: must not end in /v1/convai/users: "}},
		"a base URL with an empty query": {map[string]string{"UPSTREAM_URL": "https://api.test?", "AUTH": "passthrough"}, []string{"UPSTREAM_URL: must not have a query"}},
		"a collector that is not supported": {
			map[string]string{"OTEL_EXPORTER_OTLP_ENDPOINT": "canary:4317", "OTEL_EXPORTER_OTLP_PROTOCOL": "grpc", "OTEL_TRACES_EXPORTER": "zipkin", "OTEL_SDK_DISABLED": "maybe"},
			[]string{`OTEL_SDK_DISABLED: "maybe" is not a switch`, `OTEL_TRACES_EXPORTER: "zipkin" is not one of`, "OTEL_EXPORTER_OTLP_ENDPOINT: is not", `OTEL_EXPORTER_OTLP_PROTOCOL: "grpc" is not`},
		},
		"several at once": {
			map[string]string{"LISTEN_ADDR": "x", "INTROSPECTION": "yes", "PLAYGROUND": "1", "LOG_LEVEL": "loud", "LOG_FORMAT": "xml", "ELEVENLABS_API_KEY": "canary"},
			[]string{"LISTEN_ADDR: ", "INTROSPECTION: ", "PLAYGROUND: ", "LOG_LEVEL: ", "LOG_FORMAT: ", "AUTH: "},
		},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := load(c.env)
			if err == nil {
				t.Fatal("there is no fault")
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
				t.Errorf("a secret is printed: %v", err)
			}
		})
	}
}

// TestTelemetryFaults sets one of the SDK's values at a time, with everything
// exported. The SDK would panic, spin, print the value outside of the log, or
// ignore it.
func TestTelemetryFaults(t *testing.T) {
	for _, c := range []struct{ name, value string }{
		{"OTEL_BSP_MAX_EXPORT_BATCH_SIZE", "-1"}, {"OTEL_BSP_MAX_EXPORT_BATCH_SIZE", "0"}, {"OTEL_BSP_MAX_EXPORT_BATCH_SIZE", "9223372036854775807"},
		{"OTEL_BSP_MAX_QUEUE_SIZE", "-5"}, {"OTEL_BSP_MAX_QUEUE_SIZE", "99999999999"}, {"OTEL_BSP_MAX_QUEUE_SIZE", "many"},
		{"OTEL_BSP_SCHEDULE_DELAY", "-1"}, {"OTEL_BSP_SCHEDULE_DELAY", "9223372036854775807"}, {"OTEL_BSP_EXPORT_TIMEOUT", "5s"},
		{"OTEL_METRIC_EXPORT_INTERVAL", "0"}, {"OTEL_METRIC_EXPORT_INTERVAL", "60s"}, {"OTEL_METRIC_EXPORT_TIMEOUT", "-1"},
		{"OTEL_EXPORTER_OTLP_TIMEOUT", "-1"}, {"OTEL_EXPORTER_OTLP_TRACES_TIMEOUT", "10s"}, {"OTEL_EXPORTER_OTLP_METRICS_TIMEOUT", "x"},
		{"OTEL_ATTRIBUTE_COUNT_LIMIT", "x"}, {"OTEL_SPAN_ATTRIBUTE_VALUE_LENGTH_LIMIT", "-2"}, {"OTEL_SPAN_LINK_COUNT_LIMIT", "1.5"},
		{"OTEL_EXPORTER_OTLP_HEADERS", "canary"}, {"OTEL_EXPORTER_OTLP_HEADERS", "authorization: Bearer canary"}, {"OTEL_EXPORTER_OTLP_TRACES_HEADERS", "a=%zzcanary"},
		{"OTEL_EXPORTER_OTLP_METRICS_HEADERS", "a b=canary"}, {"OTEL_EXPORTER_OTLP_HEADERS", "a=canary%0A"}, {"OTEL_EXPORTER_OTLP_COMPRESSION", "zstd"},
		{"OTEL_TRACES_SAMPLER", "sometimes"}, {"OTEL_RESOURCE_ATTRIBUTES", "canary"}, {"OTEL_RESOURCE_ATTRIBUTES", "a=%zzcanary"},
	} {
		_, err := load(map[string]string{"OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:4318", c.name: c.value})
		if err == nil || !strings.HasPrefix(err.Error(), c.name+": ") || strings.Contains(err.Error(), "\n") || strings.Contains(err.Error(), "canary") {
			t.Errorf("%s=%s: %v", c.name, c.value, err)
		}
	}
	for _, arg := range []string{"2", "-0.1", "NaN", "half"} {
		_, err := load(map[string]string{"OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:4318", "OTEL_TRACES_SAMPLER": "parentbased_traceidratio", "OTEL_TRACES_SAMPLER_ARG": arg})
		if err == nil || !strings.HasPrefix(err.Error(), "OTEL_TRACES_SAMPLER_ARG: ") {
			t.Errorf("%s: %v", arg, err)
		}
	}
}

func TestBaseURLWithPath(t *testing.T) {
	for address, warns := range map[string]bool{
		"https://api.test": false, "https://api.test/": false, "https://api.test//": false,
		"https://api.test/elevenlabs": true, "https://api.test/v1/elevenlabs/": true, "https://api.test/v12": true, "https://api.test/apiv1": true,
	} {
		c, err := load(map[string]string{"UPSTREAM_URL": address, "AUTH": "passthrough"})
		if err != nil || len(c.Warnings) > 0 != warns || warns && (!strings.HasPrefix(c.Warnings[0], "UPSTREAM_URL has a path") || strings.Contains(c.Warnings[0], "elevenlabs")) {
			t.Errorf("%s: %q, %v", address, c.Warnings, err)
		}
	}
}

func TestHelp(t *testing.T) {
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
