package main

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
)

// The document has a place for each kind of result, between two comments.
const (
	document = "performance.md"
	picture  = "performance.svg"
)

// renew puts a result into a place of a document.
func renew(text, place, result string) (string, error) {
	begin, end := "<!-- "+place+" -->\n", "<!-- /"+place+" -->"
	before, rest, ok := strings.Cut(text, begin)
	_, after, closed := strings.Cut(rest, end)
	if !ok || !closed {
		return "", fmt.Errorf("the document has no place %s", strings.TrimSpace(begin))
	}
	return before + begin + result + end + after, nil
}

// writeDocument renews a place of the document in a folder, and its chart.
func writeDocument(folder, place, result string, chart []byte) error {
	path := filepath.Join(folder, document)
	text, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	renewed, err := renew(string(text), place, result)
	if err != nil {
		return err
	}
	if err := os.WriteFile(path, []byte(renewed), 0o644); err != nil {
		return err
	}
	if chart == nil {
		return nil
	}
	return os.WriteFile(filepath.Join(folder, picture), chart, 0o644)
}

// machine says where a result is from.
func machine(ctx context.Context, processors int) string {
	model := "an unknown processor"
	if info, err := os.ReadFile("/proc/cpuinfo"); err == nil {
		if _, rest, ok := strings.Cut(string(info), "model name"); ok {
			line, _, _ := strings.Cut(rest, "\n")
			model = strings.TrimLeft(line, "\t :")
		}
	}
	system := runtime.GOOS
	if release, err := os.ReadFile("/proc/sys/kernel/osrelease"); err == nil {
		version, _, _ := strings.Cut(strings.TrimSpace(string(release)), "-") // without the distribution's suffix
		system = "Linux " + version
	}
	goVersion := runtime.Version()
	if out, err := exec.CommandContext(ctx, "go", "env", "GOVERSION").Output(); err == nil {
		goVersion = strings.TrimSpace(string(out)) // what the servers are built with
	}
	return fmt.Sprintf("%s, %d of its cores, %s, %s", model, processors, system, strings.Replace(goVersion, "go", "Go ", 1))
}
