// Package deploy_test checks that the dashboard, the alerts, the manifests and
// the manual match the service as it runs.
package deploy_test

import (
	"bufio"
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"rollcall/upstream/emulator"
	"rollcall/upstream/shared/redistest"
)

// required makes the tests fail without Prometheus, for CI, which has it: go test
// ./deploy -prometheus.
var required = flag.Bool("prometheus", false, "fail instead of skipping if Prometheus is not installed")

// service is the built program in front of an emulator, with a Redis and a trusted
// document.
type service struct{ graphql, admin string }

func startService(t *testing.T) service {
	t.Helper()
	binary := filepath.Join(t.TempDir(), "rollcall")
	if out, err := exec.Command("go", "build", "-o", binary, "rollcall").CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	documents := filepath.Join(t.TempDir(), "documents.json")
	if err := os.WriteFile(documents, []byte(`{"walk":"{users(first:1){nodes{userId}}}"}`), 0o600); err != nil {
		t.Fatal(err)
	}
	upstream := httptest.NewServer(emulator.New(emulator.Options{}))
	t.Cleanup(upstream.Close)
	cmd := exec.Command(binary)
	cmd.Env = []string{
		"LISTEN_ADDR=127.0.0.1:0", "ADMIN_ADDR=127.0.0.1:0", "LOG_FORMAT=json",
		"UPSTREAM_URL=" + upstream.URL, "ELEVENLABS_API_KEY=key", "AUTH=none", "REDIS_URL=" + redistest.Start(t).URL(),
		"TRUSTED_DOCUMENTS=" + documents, "TRUSTED_DOCUMENTS_MODE=prefer",
	}
	found := watch(t, cmd, regexp.MustCompile(`"(?:graphql|admin)":"(http://[^"]+)"`), 2)
	return service{found[0], strings.TrimSuffix(found[1], "/")}
}

// watch starts a program, which ends with the test. It returns what a pattern
// matches in the first lines that match.
func watch(t *testing.T, cmd *exec.Cmd, pattern *regexp.Regexp, lines int) (found []string) {
	t.Helper()
	output, err := cmd.StderrPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = cmd.Process.Signal(os.Interrupt)
		_ = cmd.Wait()
	})
	var all strings.Builder
	scanner := bufio.NewScanner(output)
	for len(found) < lines && scanner.Scan() {
		fmt.Fprintln(&all, scanner.Text())
		if m := pattern.FindStringSubmatch(scanner.Text()); m != nil {
			found = append(found, m[1])
		}
	}
	if len(found) < lines {
		t.Fatalf("%s ended:\n%s", cmd.Path, &all)
	}
	go func() { _, _ = io.Copy(io.Discard, output) }()
	return found
}

// walk requests pages one after the other, and sends requests that are refused.
func (s service) walk(t *testing.T) {
	t.Helper()
	after := ""
	for range 3 {
		query := fmt.Sprintf(`query Walk { a: users(first: 5, after: %q) { edges { cursor } pageInfo { endCursor } } b: users(first: 3, after: %q) { nodes { userId } } }`, after, after)
		var reply struct {
			Data struct {
				A struct{ PageInfo struct{ EndCursor string } }
			}
		}
		if err := json.Unmarshal(s.post(t, query), &reply); err != nil {
			t.Fatal(err)
		}
		if after = reply.Data.A.PageInfo.EndCursor; after == "" {
			t.Fatal("the list has ended")
		}
	}
	s.post(t, `{ users(first: 501) { nodes { userId } } }`)
	s.post(t, `{ nothing }`)
	s.send(t, map[string]string{"documentId": "walk"})
}

func (s service) post(t *testing.T, query string) []byte {
	t.Helper()
	return s.send(t, map[string]string{"query": query})
}

func (s service) send(t *testing.T, request map[string]string) []byte {
	t.Helper()
	body, _ := json.Marshal(request)
	response, err := http.Post(s.graphql, "application/json", strings.NewReader(string(body)))
	if err != nil {
		t.Fatal(err)
	}
	return read(t, response)
}

func get(t *testing.T, url string) []byte {
	t.Helper()
	response, err := http.Get(url)
	if err != nil {
		t.Fatal(err)
	}
	return read(t, response)
}

func read(t *testing.T, response *http.Response) []byte {
	t.Helper()
	defer response.Body.Close()
	text, err := io.ReadAll(response.Body)
	if err != nil || response.StatusCode != http.StatusOK {
		t.Fatalf("%s: %d %s %v", response.Request.URL, response.StatusCode, text, err)
	}
	return text
}

const (
	dashboardFile = "grafana/rollcall.json"
	rulesFile     = "prometheus/rollcall.rules.yaml"
)

// query is a query of a panel.
type query struct{ panel, expression string }

func dashboard(t *testing.T) (queries []query) {
	t.Helper()
	text, err := os.ReadFile(dashboardFile)
	if err != nil {
		t.Fatal(err)
	}
	var d struct {
		Panels []struct {
			ID      int
			Type    string
			Title   string
			GridPos struct{ X, Y, W, H int }
			Targets []struct{ Expr string }
		}
	}
	if err := json.Unmarshal(text, &d); err != nil {
		t.Fatal(err)
	}
	ids := make(map[int]bool)
	for _, p := range d.Panels {
		if ids[p.ID] || p.GridPos.W == 0 || p.GridPos.X+p.GridPos.W > 24 || (len(p.Targets) == 0) != (p.Type == "row") {
			t.Errorf("the panel %q is not valid", p.Title)
		}
		ids[p.ID] = true
		for _, target := range p.Targets {
			queries = append(queries, query{p.Title, target.Expr})
		}
	}
	if len(queries) < 20 {
		t.Fatalf("the dashboard has %d queries", len(queries))
	}
	return queries
}

// metricNames matches the service's metric names in a text. Labels begin
// differently.
var metricNames = regexp.MustCompile(`\b(?:rollcall|http_server|http_client|db_client|process|go)_[a-z0-9_]+`)

func TestMetricNames(t *testing.T) {
	s := startService(t)
	s.walk(t)
	scrape := string(get(t, s.admin+"/metrics"))
	rules, err := os.ReadFile(rulesFile)
	if err != nil {
		t.Fatal(err)
	}
	texts := map[string]string{rulesFile: string(rules)}
	for _, q := range dashboard(t) {
		texts["panel "+q.panel] += q.expression + "\n"
	}
	named := 0
	for source, text := range texts {
		for _, name := range metricNames.FindAllString(text, -1) {
			named++
			if !regexp.MustCompile(`(?m)^` + name + `[ {]`).MatchString(scrape) {
				t.Errorf("%s names %s, which the service does not have", source, name)
			}
		}
	}
	if named < 40 {
		t.Errorf("only %d names were found", named)
	}
	manual, err := os.ReadFile("../docs/operations.md")
	if err != nil {
		t.Fatal(err)
	}
	for _, line := range strings.Split(scrape, "\n") {
		if name := metricNames.FindString(line); strings.HasPrefix(line, "# TYPE ") && !strings.HasPrefix(name, "go_") && !strings.HasPrefix(name, "process_") &&
			!strings.Contains(string(manual), "`"+name+"`") {
			t.Errorf("docs/operations.md does not explain %s", name)
		}
	}
	for _, m := range regexp.MustCompile(`docs/operations\.md#([a-z]+)`).FindAllStringSubmatch(string(rules), -1) {
		if !regexp.MustCompile(`(?im)^#+ ` + m[1] + `$`).Match(manual) {
			t.Errorf("docs/operations.md has no section %s", m[1])
		}
	}
}

// need finds one of Prometheus's programs.
func need(t *testing.T, program string) string {
	t.Helper()
	path, err := exec.LookPath(program)
	if err != nil && !*required {
		t.Skipf("%s is not installed; sudo apt-get install -y prometheus installs it", program)
	}
	if err != nil {
		t.Fatal(err)
	}
	return path
}

func TestAlerts(t *testing.T) {
	promtool := need(t, "promtool")
	for _, args := range [][]string{{"check", "rules", rulesFile}, {"test", "rules", "prometheus/rollcall.rules.test.yaml"}} {
		if out, err := exec.Command(promtool, args...).CombinedOutput(); err != nil {
			t.Errorf("promtool %v: %v\n%s", args, err, out)
		}
	}
	tests, err := os.ReadFile("prometheus/rollcall.rules.test.yaml")
	if err != nil {
		t.Fatal(err)
	}
	rules, err := os.ReadFile(rulesFile)
	if err != nil {
		t.Fatal(err)
	}
	for _, m := range regexp.MustCompile(`- alert: (\w+)`).FindAllStringSubmatch(string(rules), -1) {
		if n := strings.Count(string(tests), "alertname: "+m[1]+"\n"); n < 2 {
			t.Errorf("%s has %d tests; it needs one in which it fires and one in which it does not", m[1], n)
		}
	}
}

// TestDashboardQueries has a real Prometheus scrape the service.
func TestDashboardQueries(t *testing.T) {
	program := need(t, "prometheus")
	s := startService(t)
	dir := t.TempDir()
	rules, err := filepath.Abs(rulesFile)
	if err != nil {
		t.Fatal(err)
	}
	config := fmt.Sprintf(`
global: {scrape_interval: 1s, evaluation_interval: 1s}
rule_files: [%q]
scrape_configs: [{job_name: rollcall, static_configs: [{targets: [%q]}]}]
`, rules, strings.TrimPrefix(s.admin, "http://"))
	if err := os.WriteFile(filepath.Join(dir, "prometheus.yaml"), []byte(config), 0o600); err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(program, "--config.file="+filepath.Join(dir, "prometheus.yaml"), "--storage.tsdb.path="+filepath.Join(dir, "data"), "--web.listen-address=127.0.0.1:0")
	prometheus := "http://" + watch(t, cmd, regexp.MustCompile(`msg="Listening on" .*address=(127\.0\.0\.1:[1-9]\d*)|msg="Server is (ready)`), 2)[0]

	// Wait until there is a rate of everything. The first scrape is after five
	// seconds.
	for began := time.Now(); !strings.Contains(string(get(t, prometheus+"/api/v1/query?query=count_over_time(up[1m])%3E4")), `"value"`); {
		if time.Since(began) > time.Minute {
			t.Fatal("Prometheus does not scrape")
		}
		s.walk(t)
		time.Sleep(300 * time.Millisecond) //nolint:forbidigo // Prometheus has a clock of its own
	}
	for _, q := range dashboard(t) {
		expression := strings.NewReplacer("$__rate_interval", "5s", "$job", "rollcall").Replace(q.expression)
		answer := get(t, prometheus+"/api/v1/query?query="+url.QueryEscape(expression))
		var vector struct {
			Data struct {
				Result []struct {
					Metric map[string]string
					Value  [2]any
				}
			}
		}
		if err := json.Unmarshal(answer, &vector); err != nil {
			t.Fatal(err)
		}
		if len(vector.Data.Result) == 0 {
			t.Errorf("%s: %s has no result", q.panel, expression)
		}
		for _, r := range vector.Data.Result {
			t.Logf("%s: %v %v", q.panel, r.Metric, r.Value[1])
			if r.Value[1] == "NaN" {
				t.Errorf("%s: %s is not a number", q.panel, expression)
			}
		}
	}
	var alerts struct {
		Data struct {
			Groups []struct {
				Rules []struct{ Name, Health, LastError, State string }
			}
		}
	}
	if err := json.Unmarshal(get(t, prometheus+"/api/v1/rules"), &alerts); err != nil {
		t.Fatal(err)
	}
	if len(alerts.Data.Groups) == 0 {
		t.Fatal("no rules were read")
	}
	for _, r := range alerts.Data.Groups[0].Rules {
		if r.Health != "ok" || r.State != "inactive" {
			t.Errorf("%s is %s and %s: %s", r.Name, r.Health, r.State, r.LastError)
		}
	}
}

// TestManual checks that docs/operations.md has all settings and codes.
func TestManual(t *testing.T) {
	text, err := os.ReadFile("../docs/operations.md")
	if err != nil {
		t.Fatal(err)
	}
	help, err := exec.Command("go", "run", "rollcall", "-help").CombinedOutput()
	if err != nil {
		t.Fatalf("%v: %s", err, help)
	}
	source, err := os.ReadFile("../graph/errors.go")
	if err != nil {
		t.Fatal(err)
	}
	var words []string
	for _, m := range regexp.MustCompile(`(?m)^  ([A-Z_]+)=`).FindAllStringSubmatch(string(help), -1) {
		words = append(words, m[1])
	}
	settings := len(words)
	for _, m := range regexp.MustCompile(`(?m)^\tCode\w+ += "([A-Z_]+)"`).FindAllStringSubmatch(string(source), -1) {
		words = append(words, m[1])
	}
	if settings < 20 || len(words) < settings+13 {
		t.Fatalf("only %v were found", words)
	}
	slices.Sort(words)
	for _, word := range words {
		if !strings.Contains(string(text), "`"+word+"`") {
			t.Errorf("%s is missing", word)
		}
	}
}
