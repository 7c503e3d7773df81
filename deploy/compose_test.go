package deploy_test

import (
	"os"
	"strings"
	"testing"

	"github.com/goccy/go-yaml"

	"rollcall/internal/config"
	"rollcall/upstream/shared"
)

func readYAML(t *testing.T, file string, into any) {
	t.Helper()
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if err := yaml.Unmarshal(text, into); err != nil {
		t.Fatalf("%s: %v", file, err)
	}
}

func TestCompose(t *testing.T) {
	var compose struct {
		Services map[string]struct {
			Environment map[string]string
			Ports       []string
			Volumes     []string
		}
	}
	readYAML(t, "../compose.yaml", &compose)
	for name, service := range compose.Services {
		for _, port := range service.Ports {
			if !strings.HasPrefix(port, "127.0.0.1:") {
				t.Errorf("%s listens beyond loopback: %s", name, port)
			}
		}
		for _, volume := range service.Volumes {
			if _, err := os.Stat("../" + strings.SplitN(volume, ":", 2)[0]); err != nil {
				t.Error(err)
			}
		}
	}
	rollcall := compose.Services["rollcall"].Environment
	for auth, want := range map[string]string{
		"":            "",
		"passthrough": "",
		"none":        "ELEVENLABS_API_KEY", // no key can be set, so the service does not start
		"jwt":         "ELEVENLABS_API_KEY",
	} {
		env := map[string]string{"LISTEN_ADDR": "0.0.0.0:8080", "ADMIN_ADDR": "0.0.0.0:9090"} // the image's
		for name, value := range rollcall {
			env[name] = substitute(value, auth)
		}
		c, err := config.Load(env, config.Deps{
			RegionURL:     func(string) (string, bool) { return "https://upstream.test", true },
			CheckRedisURL: shared.CheckURL,
		})
		switch {
		case want == "" && (err != nil || len(c.Warnings) > 0 || c.Demo != (auth == "") || c.APIKey != ""):
			t.Errorf("AUTH=%q: %+v, %v", auth, c, err)
		case want != "" && (err == nil || !strings.Contains(err.Error(), want)):
			t.Errorf("AUTH=%q starts: %v", auth, err)
		}
	}
}

// substitute replaces what compose.yaml writes for the value of AUTH, as docker
// compose does.
func substitute(value, auth string) string {
	if then, ok := strings.CutPrefix(value, "${AUTH:+"); ok {
		value = ""
		if auth != "" {
			value = strings.TrimSuffix(then, "}")
		}
	}
	return strings.ReplaceAll(value, "${AUTH:-}", auth)
}

// TestRunbooks checks that each alert's runbook_url opens a section that exists.
func TestRunbooks(t *testing.T) {
	manual, err := os.ReadFile("../docs/operations.md")
	if err != nil {
		t.Fatal(err)
	}
	sections := make(map[string]bool)
	for line := range strings.Lines(string(manual)) {
		if heading, ok := strings.CutPrefix(line, "### "); ok {
			sections[strings.ToLower(strings.TrimSpace(heading))] = true
		}
	}
	var rules struct {
		Groups []struct {
			Rules []struct {
				Alert       string
				Annotations map[string]string
			}
		}
	}
	readYAML(t, "prometheus/rollcall.rules.yaml", &rules)
	alerts := 0
	for _, group := range rules.Groups {
		for _, rule := range group.Rules {
			alerts++
			const manual = "https://git.example.com/rollcall/docs/operations.md#"
			section, ok := strings.CutPrefix(rule.Annotations["runbook_url"], manual)
			if !ok || !sections[section] || section != strings.ToLower(rule.Alert) {
				t.Errorf("%s: runbook_url %s", rule.Alert, rule.Annotations["runbook_url"])
			}
		}
	}
	if alerts < 10 {
		t.Errorf("there are %d alerts", alerts)
	}
}
