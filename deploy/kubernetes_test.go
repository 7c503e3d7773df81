package deploy_test

import (
	"bytes"
	"errors"
	"io"
	"maps"
	"os"
	"os/exec"
	"reflect"
	"regexp"
	"strconv"
	"strings"
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

// manifests returns a file's objects by kind.
func manifests(t *testing.T, file string) map[string]object {
	t.Helper()
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	return parseManifests(t, file, text)
}

func parseManifests(t *testing.T, file string, text []byte) map[string]object {
	t.Helper()
	byKind := make(map[string]object)
	for d := yaml.NewDecoder(bytes.NewReader(text)); ; {
		var o object
		if err := d.Decode(&o); errors.Is(err, io.EOF) {
			return byKind
		} else if err != nil {
			t.Fatalf("%s: %v", file, err)
		}
		byKind[o["kind"].(string)] = o
	}
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
	all := manifests(t, "kubernetes/rollcall.yaml")
	if len(all) != 6 {
		t.Fatalf("there are %v", maps.Keys(all))
	}
	deployment := all["Deployment"]
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
}

func TestPodSecurity(t *testing.T) {
	pod := object(manifests(t, "kubernetes/rollcall.yaml")["Deployment"].at(t, "spec", "template", "spec").(map[string]any))
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
		{[]string{"containers", "env", "name"}, "ELEVENLABS_API_KEY"},
		{[]string{"containers", "env", "valueFrom", "secretKeyRef", "name"}, "rollcall-upstream"},
	} {
		if got := pod.at(t, c.path...); !reflect.DeepEqual(got, c.want) {
			t.Errorf("%v is %v, want %v", c.path, got, c.want)
		}
	}
}

func TestManifestSettings(t *testing.T) {
	all := manifests(t, "kubernetes/rollcall.yaml")
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
	if replicas := number(t, all["HorizontalPodAutoscaler"].at(t, "spec", "maxReplicas")); replicas*c.UpstreamConcurrency > 15 {
		t.Errorf("%d replicas with %d calls each are more than any plan allows", replicas, c.UpstreamConcurrency)
	}
}

// TestManifestsWithRedis runs the manual's command that enables Redis.
func TestManifestsWithRedis(t *testing.T) {
	manual, err := os.ReadFile("../docs/operations.md")
	if err != nil {
		t.Fatal(err)
	}
	command := regexp.MustCompile(`(?m)^(sed .*) \| kubectl apply -f -$`).FindSubmatch(manual)
	if command == nil {
		t.Fatal("the manual has no command")
	}
	sed := exec.CommandContext(t.Context(), "bash", "-c", string(command[1]))
	sed.Dir = ".."
	text, err := sed.Output()
	if err != nil || bytes.Contains(text, []byte("#redis -")) {
		t.Fatal(err)
	}
	all := parseManifests(t, "with Redis", text)
	pod := object(all["Deployment"].at(t, "spec", "template", "spec").(map[string]any))
	env := pod.at(t, "containers", "env").([]any)
	want := map[string]any{"name": "REDIS_URL", "valueFrom": map[string]any{"secretKeyRef": map[string]any{"name": "rollcall-redis", "key": "url"}}}
	if len(env) != 2 || !reflect.DeepEqual(env[1], want) {
		t.Errorf("the environment is %v", env)
	}
	if !bytes.Contains(manual, []byte("create secret generic rollcall-redis --from-file=url=")) {
		t.Error("the manual does not create the secret")
	}
	egress := all["NetworkPolicy"].at(t, "spec", "egress").([]any)
	if ports := object(egress[len(egress)-1].(map[string]any)).at(t, "ports", "port"); number(t, ports) != 6379 {
		t.Errorf("the pods may reach %v", egress)
	}
	concurrency := number(t, all["ConfigMap"].at(t, "data", "UPSTREAM_CONCURRENCY"))
	if replicas := number(t, all["HorizontalPodAutoscaler"].at(t, "spec", "maxReplicas")); concurrency > 15 || replicas*concurrency <= 15 {
		t.Errorf("%d replicas share %d calls", replicas, concurrency)
	}
}
