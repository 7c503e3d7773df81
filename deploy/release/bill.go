package main

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
)

// cyclonedx is the program that reads a binary's modules. It is run and not imported,
// as the linters are, so that this module does not depend on what it depends on.
const cyclonedx = "github.com/CycloneDX/cyclonedx-gomod/cmd/cyclonedx-gomod@v1.10.0"

// writeBill writes the binary's bill of materials, in CycloneDX's format: the Go
// modules and the standard library that the binary reports, and the npm packages
// whose files it embeds.
func (r *release) writeBill(ctx context.Context, binary, to string) error {
	absolute, err := filepath.Abs(binary)
	if err != nil {
		return err
	}
	list := exec.CommandContext(ctx, "go", "run", cyclonedx, "bin", "-json", "-std", "-noserial", "-notimestamp", "-version", r.version, absolute)
	list.Dir = r.source
	output, err := list.Output()
	if err != nil {
		return fmt.Errorf("cyclonedx-gomod: %w", err)
	}
	var bill map[string]any
	if err := json.Unmarshal(output, &bill); err != nil {
		return fmt.Errorf("cyclonedx-gomod: %w", err)
	}
	packages, err := r.embeddedPackages()
	if err != nil {
		return err
	}
	components, _ := bill["components"].([]any)
	for _, p := range packages {
		components = append(components, p)
	}
	bill["components"] = components
	text, err := json.MarshalIndent(bill, "", "  ")
	if err != nil {
		return err
	}
	return os.WriteFile(to, append(text, '\n'), 0o644)
}

// npmPackage is a component of a bill of materials.
type npmPackage struct {
	Type    string `json:"type"`
	Name    string `json:"name"`
	Version string `json:"version"`
	PURL    string `json:"purl"`
}

// embeddedPackages returns the npm packages of the playground's files.
func (r *release) embeddedPackages() ([]npmPackage, error) {
	libraries, err := readLibraries(filepath.Join(r.source, playgroundFolder))
	if err != nil {
		return nil, err
	}
	var packages []npmPackage
	known := make(map[string]bool)
	for _, l := range libraries {
		if known[l.npm] {
			continue
		}
		known[l.npm] = true
		at := strings.LastIndex(l.npm, "@")
		if at <= 0 {
			return nil, fmt.Errorf("libraries.txt: %q has no version", l.npm)
		}
		name, version := l.npm[:at], l.npm[at+1:]
		packages = append(packages, npmPackage{"library", name, version, "pkg:npm/" + strings.Replace(name, "@", "%40", 1) + "@" + version})
	}
	return packages, nil
}
