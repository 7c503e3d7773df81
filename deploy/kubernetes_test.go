package deploy_test

import (
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"os/exec"
	"reflect"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/goccy/go-yaml"

	"rollcall/internal/config"
)

// These tests check that the manifests match each other and the service. `make
// manifests` checks that a cluster accepts them.

// object is a manifest, or a part of one.
type object map[string]any

// at follows keys, and the first element of each list on the way.
func (o object) at(t *testing.T, path ...string) any {
	t.Helper()
	var value any = map[string]any(o)
	for _, key := range path {
		if list, ok := value.([]any); ok && len(list) > 0 {
			value = list[0]
		}
		m, ok := value.(map[string]any)
		if !ok || m[key] == nil {
			t.Fatalf("%s is missing in %v", key, path)
		}
		value = m[key]
	}
	return value
}

// decode returns objects by kind. The second of a kind has its name as well.
func decode(t *testing.T, from io.Reader) map[string]object {
	t.Helper()
	byKind := make(map[string]object)
	for d := yaml.NewDecoder(from); ; {
		var o object
		if err := d.Decode(&o); errors.Is(err, io.EOF) {
			return byKind
		} else if err != nil {
			t.Fatal(err)
		}
		kind := o["kind"].(string)
		if byKind[kind] != nil {
			kind += " " + o.at(t, "metadata", "name").(string)
		}
		byKind[kind] = o
	}
}

// manifests returns the objects of a file.
func manifests(t *testing.T, file string) map[string]object {
	t.Helper()
	f, err := os.Open(file)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	return decode(t, f)
}

// kustomize returns the program that kubectl apply -k contains, in the version of
// the Makefile.
func kustomize() (string, error) {
	makefile, err := os.ReadFile("../Makefile")
	if err != nil {
		return "", err
	}
	program := regexp.MustCompile(`(?m)^KUSTOMIZE = go run (\S+)$`).FindSubmatch(makefile)
	if program == nil {
		return "", errors.New("the Makefile has no KUSTOMIZE")
	}
	return string(program[1]), nil
}

// overlays are the ways to run the service in a cluster.
var overlays = []string{"jwt", "redis"}

// built returns what kubectl would apply for each overlay.
var built = sync.OnceValues(func() (map[string]string, error) {
	program, err := kustomize()
	if err != nil {
		return nil, err
	}
	texts := make(map[string]string)
	for _, overlay := range overlays {
		text, err := exec.Command("go", "run", program, "build", "kubernetes/overlays/"+overlay).Output()
		if exit, ok := errors.AsType[*exec.ExitError](err); ok {
			return nil, fmt.Errorf("overlay %s: %w: %s", overlay, err, exit.Stderr)
		} else if err != nil {
			return nil, err
		}
		texts[overlay] = string(text)
	}
	return texts, nil
})

// overlay returns the objects of an overlay.
func overlay(t *testing.T, name string) map[string]object {
	t.Helper()
	texts, err := built()
	if err != nil {
		t.Fatal(err)
	}
	return decode(t, strings.NewReader(texts[name]))
}

func number(t *testing.T, value any) int {
	t.Helper()
	n, err := strconv.Atoi(reflect.ValueOf(value).String())
	if i, ok := value.(uint64); ok {
		n, err = int(i), nil
	}
	if err != nil {
		t.Fatalf("%v is not a number", value)
	}
	return n
}

func TestManifestsMatch(t *testing.T) {
	for _, name := range overlays {
		t.Run(name, func(t *testing.T) {
			all := overlay(t, name)
			if want := map[string]int{"jwt": 6, "redis": 7}[name]; len(all) != want {
				t.Fatalf("there are %v", slices.Collect(maps.Keys(all)))
			}
			deployment := all["Deployment"]
			settings := all["ConfigMap"].at(t, "metadata", "name")
			if ref := deployment.at(t, "spec", "template", "spec", "containers", "envFrom", "configMapRef", "name"); ref != settings || settings == "rollcall" {
				t.Errorf("the pods have the settings %v, which are %v: a changed setting restarts no pod", ref, settings)
			}
			pod := object(deployment.at(t, "spec", "template", "spec").(map[string]any))
			labels := deployment.at(t, "spec", "template", "metadata", "labels")
			for name, selector := range map[string]any{
				"the deployment":     deployment.at(t, "spec", "selector", "matchLabels"),
				"the spread":         pod.at(t, "topologySpreadConstraints", "labelSelector", "matchLabels"),
				"the service":        all["Service"].at(t, "spec", "selector"),
				"the budget":         all["PodDisruptionBudget"].at(t, "spec", "selector", "matchLabels"),
				"the network policy": all["NetworkPolicy"].at(t, "spec", "podSelector", "matchLabels"),
				"the pod monitor":    manifests(t, "kubernetes/podmonitor.yaml")["PodMonitor"].at(t, "spec", "selector", "matchLabels"),
			} {
				if !reflect.DeepEqual(selector, labels) {
					t.Errorf("%s selects %v, the pods are %v", name, selector, labels)
				}
			}
			if ref := all["HorizontalPodAutoscaler"].at(t, "spec", "scaleTargetRef", "name"); ref != deployment.at(t, "metadata", "name") {
				t.Errorf("the autoscaler scales %v", ref)
			}
			ports := make(map[any]bool)
			for _, p := range pod.at(t, "containers", "ports").([]any) {
				ports[p.(map[string]any)["name"]] = true
			}
			for name, port := range map[string]any{
				"the service": all["Service"].at(t, "spec", "ports", "targetPort"),
				"readiness":   pod.at(t, "containers", "readinessProbe", "httpGet", "port"),
				"liveness":    pod.at(t, "containers", "livenessProbe", "httpGet", "port"),
				"the policy":  all["NetworkPolicy"].at(t, "spec", "ingress", "ports", "port"),
				"the monitor": manifests(t, "kubernetes/podmonitor.yaml")["PodMonitor"].at(t, "spec", "podMetricsEndpoints", "port"),
			} {
				if !ports[port] {
					t.Errorf("%s uses the port %v; the ports are %v", name, port, ports)
				}
			}
		})
	}
}

// secrets are the settings that come from secrets.
var secrets = map[string]any{"jwt": []any{secret("ELEVENLABS_API_KEY", "rollcall-upstream", "api-key")}, "redis": []any{
	secret("REDIS_URL", "rollcall-redis", "url"), secret("ELEVENLABS_API_KEY", "rollcall-upstream", "api-key"),
}}

func secret(setting, name, key string) map[string]any {
	return map[string]any{"name": setting, "valueFrom": map[string]any{"secretKeyRef": map[string]any{"name": name, "key": key}}}
}

func TestPodSecurity(t *testing.T) {
	for _, name := range overlays {
		t.Run(name, func(t *testing.T) {
			pod := object(overlay(t, name)["Deployment"].at(t, "spec", "template", "spec").(map[string]any))
			for _, c := range []struct {
				path []string
				want any
			}{
				{[]string{"automountServiceAccountToken"}, false},
				{[]string{"securityContext", "runAsNonRoot"}, true},
				{[]string{"securityContext", "seccompProfile", "type"}, "RuntimeDefault"},
				{[]string{"containers", "securityContext", "readOnlyRootFilesystem"}, true},
				{[]string{"containers", "securityContext", "allowPrivilegeEscalation"}, false},
				{[]string{"containers", "securityContext", "capabilities", "drop"}, []any{"ALL"}},
				{[]string{"containers", "env"}, secrets[name]},
			} {
				if got := pod.at(t, c.path...); !reflect.DeepEqual(got, c.want) {
					t.Errorf("%v is %v, want %v", c.path, got, c.want)
				}
			}
		})
	}
}

func TestManifestSettings(t *testing.T) {
	for _, name := range overlays {
		t.Run(name, func(t *testing.T) {
			all := overlay(t, name)
			data := all["ConfigMap"].at(t, "data").(map[string]any)
			var help strings.Builder
			config.WriteHelp(&help)
			env := map[string]string{"ELEVENLABS_API_KEY": "from-the-secret"}
			for name, value := range data {
				env[name] = value.(string)
				if !strings.Contains(help.String(), "  "+name+"=") && name != "GOMEMLIMIT" { // the Go runtime reads GOMEMLIMIT
					t.Errorf("the service has no setting %s", name)
				}
			}
			c, err := config.Load(env, config.Deps{
				RegionURL: func(region string) (string, bool) { return "https://upstream.test", region == "global" },
			})
			if err != nil || len(c.Warnings) > 0 {
				t.Fatal(err, c.Warnings)
			}
			if c.Demo || c.Introspection || c.Playground || c.APIKey == "" {
				t.Errorf("got %+v", c)
			}
			pod := object(all["Deployment"].at(t, "spec", "template", "spec").(map[string]any))
			grace := time.Duration(number(t, pod.at(t, "terminationGracePeriodSeconds"))) * time.Second
			if ends := c.ShutdownDelay + c.UpstreamTimeout + 10*time.Second; grace <= ends {
				t.Errorf("pods are killed after %v, and end after up to %v", grace, ends)
			}
			calls := c.UpstreamConcurrency // of all replicas together, if they share the limit
			if name != "redis" {
				calls *= number(t, all["HorizontalPodAutoscaler"].at(t, "spec", "maxReplicas"))
			}
			if calls > 15 {
				t.Errorf("the replicas may have %d calls in flight, which is more than any plan allows", calls)
			}
		})
	}
}
