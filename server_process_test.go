package main

import (
	"bufio"
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

// binary builds the service.
func binary(t *testing.T) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "rollcall")
	if out, err := exec.Command("go", "build", "-o", path, ".").CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	return path
}

// logged decodes a line of the log.
func logged(t *testing.T, line string) map[string]any {
	t.Helper()
	var fields map[string]any
	if err := json.Unmarshal([]byte(line), &fields); err != nil {
		t.Errorf("a line is not JSON: %s", line)
	}
	return fields
}

// TestSIGPIPE closes the pipe that the service logs to, as head -1 does.
func TestSIGPIPE(t *testing.T) {
	t.Parallel()
	service := exec.Command(binary(t))
	service.Env = []string{"LISTEN_ADDR=127.0.0.1:0", "ADMIN_ADDR=off"}
	reader, writer, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	service.Stdout, service.Stderr = writer, writer
	if err := service.Start(); err != nil {
		t.Fatal(err)
	}
	_ = writer.Close()
	address, lines := "", bufio.NewScanner(reader)
	for address == "" && lines.Scan() {
		address, _ = logged(t, lines.Text())["graphql"].(string)
	}
	_ = reader.Close()
	for range 3 { // each request logs a line
		if status, body := post(t, strings.TrimSuffix(address, "/graphql"), `{ users(first: 1) { nodes { userId } } }`, nil); status != 200 {
			t.Errorf("%d %s", status, body)
		}
	}
	_ = service.Process.Signal(syscall.SIGTERM)
	if err := service.Wait(); err != nil {
		t.Errorf("the process ended with %v", err)
	}
}

// TestProcessLog reads everything that the process prints, from a start with
// warnings to its end. OpenTelemetry's SDK would print outside of the log that it
// cannot read a certificate.
func TestProcessLog(t *testing.T) {
	t.Parallel()
	var output strings.Builder
	service := exec.Command(binary(t))
	service.Env = []string{
		"LISTEN_ADDR=127.0.0.1:0", "ADMIN_ADDR=off", "AUTH=passthrough", "SHUTDOWN_DELAY=1500ms", "XI_API_KEY=canary", "UPSTREAM_URL=http://127.0.0.1:1/canary",
		"OTEL_EXPORTER_OTLP_ENDPOINT=http://127.0.0.1:1", "OTEL_EXPORTER_OTLP_CERTIFICATE=/canary/file", "OTEL_EXPORTER_OTLP_METRICS_TEMPORALITY_PREFERENCE=canary",
	}
	stderr, err := service.StderrPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := service.Start(); err != nil {
		t.Fatal(err)
	}
	for lines := bufio.NewScanner(stderr); lines.Scan(); {
		output.WriteString(lines.Text() + "\n")
		if logged(t, lines.Text())["graphql"] != nil {
			_ = service.Process.Signal(syscall.SIGTERM)
		}
	}
	if err := service.Wait(); err != nil {
		t.Errorf("the process ended with %v", err)
	}
	for _, want := range []string{
		`"warning":"XI_API_KEY is not a setting; did you mean ELEVENLABS_API_KEY?"`, `"warning":"UPSTREAM_URL has a path`, `"problem":"read tls ca cert file"`,
		`"problem":"OTEL_EXPORTER_OTLP_METRICS_TEMPORALITY_PREFERENCE is set to an invalid value, ignoring."`, `"delay":"1.5s"`, `"msg":"stopped"}`,
	} {
		if !strings.Contains(output.String(), want) {
			t.Errorf("%s is missing in\n%s", want, output.String())
		}
	}
	if strings.Contains(output.String(), "canary") {
		t.Errorf("a secret is printed:\n%s", output.String())
	}
}
