package config_test

import (
	"os"
	"strings"
	"testing"
)

// TestMisspeltNames sets one variable at a time, alone or together with a
// complete configuration.
func TestMisspeltNames(t *testing.T) {
	for name, c := range map[string]struct {
		setting string
		demo    bool // whether the demo starts in spite of it
	}{
		"ELEVENLABS_KEY":             {"ELEVENLABS_API_KEY", false},
		"ELEVEN_API_KEY":             {"ELEVENLABS_API_KEY", false},
		"XI_API_KEY":                 {"ELEVENLABS_API_KEY", false},
		"ELEVENLABS_API_KY":          {"ELEVENLABS_API_KEY", false},
		"ELEVENLABS_APIKEY":          {"ELEVENLABS_API_KEY", false},
		"ELEVEN_LABS_API_KEY":        {"ELEVENLABS_API_KEY", false},
		"ELEVNLABS_API_KYE":          {"ELEVENLABS_API_KEY", false},
		"ELEVENLAB_API_KEYS":         {"ELEVENLABS_API_KEY", false},
		"ELEVENLABS_API_KEY_FIL":     {"ELEVENLABS_API_KEY_FILE", false},
		"ELEVENLABS_APIKEY_FILE":     {"ELEVENLABS_API_KEY_FILE", false},
		"ELEVENLABS_API_KEY_PREVIUS": {"ELEVENLABS_API_KEY_PREVIOUS", false},
		"UPSTREAM_ULR":               {"UPSTREAM_URL", false},
		"UPSTREAM_URI":               {"UPSTREAM_URL", false},
		"UPSTREM_URLS":               {"UPSTREAM_URL", false},
		"UPSTREAMURL":                {"UPSTREAM_URL", false},
		"UPSTREAM_REGOIN":            {"UPSTREAM_REGION", false},
		"AUHT":                       {"AUTH", false},
		"AUT":                        {"AUTH", false},
		"AUTHH":                      {"AUTH", false},
		"AUTHN":                      {"AUTH", false},
		"AUTJ":                       {"AUTH", false},
		"LISTEN_ADDRESS":             {"", true}, // three letters
		"LISTEN_ADR":                 {"LISTEN_ADDR", true},
		"LISTENADDR":                 {"LISTEN_ADDR", true},
		"CORS_ORIGIN":                {"CORS_ORIGINS", true},
		"JWT_ISUER":                  {"JWT_ISSUER", true},
		"RATE_LIMITS":                {"RATE_LIMIT", true},
		"LOGLEVEL":                   {"LOG_LEVEL", true},
		"LIMIT_COSTS":                {"LIMIT_COST", true},
		"IDLE_TIME_OUT":              {"IDLE_TIMEOUT", true},
		"OTEL_EXPORTER_OTLP_ENDPONT": {"OTEL_EXPORTER_OTLP_ENDPOINT", true},
	} {
		t.Run(name, func(t *testing.T) {
			alone, err := load(map[string]string{name: "canary"})
			if c.demo && (err != nil || !alone.Demo) {
				t.Errorf("the demo does not start: %v", err)
			}
			if want := name + ": is not a setting; did you mean " + c.setting + "? The demo does not start"; !c.demo && (err == nil || !strings.HasPrefix(err.Error(), want) || strings.Contains(err.Error(), "\n")) {
				t.Errorf("got %v, want %s", err, want)
			}
			whole, err2 := load(map[string]string{"AUTH": "passthrough", name: "canary"})
			if err2 != nil || len(whole.Warnings) != min(len(c.setting), 1) || c.setting != "" && whole.Warnings[0] != name+" is not a setting; did you mean "+c.setting+"?" {
				t.Errorf("got %q, %v", whole.Warnings, err2)
			}
		})
	}
	if c, err := load(map[string]string{"XI_API_KEY": ""}); err != nil || !c.Demo || len(c.Warnings) > 0 {
		t.Errorf("an empty variable: %q, %v", c.Warnings, err)
	}
	if c, err := load(map[string]string{"XI_API_KEY": "canary", "AUTH": "none"}); err == nil || len(c.Warnings) != 1 {
		t.Errorf("an error must not hide the warning: %q, %v", c.Warnings, err)
	}
}

// TestOrdinaryNames sets the variables of shells, CI, clouds, orchestrators,
// languages and the SDK of OpenTelemetry.
func TestOrdinaryNames(t *testing.T) {
	list, err := os.ReadFile("testdata/ordinary-names.txt")
	if err != nil {
		t.Fatal(err)
	}
	names := strings.Fields(string(list))
	if len(names) < 600 {
		t.Errorf("there are only %d names", len(names))
	}
	for _, name := range names {
		if c, err := load(map[string]string{name: "1"}); err != nil || !c.Demo || len(c.Warnings) > 0 {
			t.Errorf("%s: %q, %v", name, c.Warnings, err)
		}
	}
}
