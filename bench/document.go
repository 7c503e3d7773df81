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

// The document has a section for each kind of result, between two comments.
const (
	document = "performance.md"
	picture  = "performance.svg"
)

// renew replaces a section of a document by a result.
func renew(text, place, result string) (string, error) {
	begin, end := "<!-- "+place+" -->\n", "<!-- /"+place+" -->"
	before, rest, ok := strings.Cut(text, begin)
	_, after, closed := strings.Cut(rest, end)
	if !ok || !closed {
		return "", fmt.Errorf("the document has no section %s", strings.TrimSpace(begin))
	}
	return before + begin + result + end + after, nil
}

// writeDocument replaces a section of the document in a folder, and its chart.
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

// machine describes the machine of a result.
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
		goVersion = strings.TrimSpace(string(out)) // the version that builds the servers
	}
	return fmt.Sprintf("%s, %d of its cores, %s, %s", model, processors, system, strings.Replace(goVersion, "go", "Go ", 1))
}
