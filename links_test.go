package main

import (
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

var (
	codeBlock = regexp.MustCompile("(?ms)^```.*?^```$")
	heading   = regexp.MustCompile(`(?m)^#+ (.+)$`)
	link      = regexp.MustCompile(`\]\(([^)\s]+)\)`)
	testName  = regexp.MustCompile(`\b((?:Test|Fuzz)[A-Z][A-Za-z0-9]+)(…?)`)
)

// TestDocuments checks what the documents refer to: files, sections of documents,
// and tests.
func TestDocuments(t *testing.T) {
	documents := make(map[string]string) // without blocks of code, by path
	var tests strings.Builder
	err := filepath.WalkDir(".", func(path string, entry fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if entry.IsDir() && (entry.Name() == "node_modules" || path != "." && strings.HasPrefix(entry.Name(), ".")) {
			return filepath.SkipDir
		}
		isDocument := strings.HasSuffix(path, ".md")
		if !isDocument && !strings.HasSuffix(path, "_test.go") {
			return nil
		}
		text, err := os.ReadFile(path)
		if isDocument {
			documents[path] = codeBlock.ReplaceAllString(string(text), "")
		} else {
			tests.Write(text)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	sources, references := tests.String(), 0
	for path, text := range documents {
		for _, m := range link.FindAllStringSubmatch(text, -1) {
			file, section, hasSection := strings.Cut(m[1], "#")
			if strings.Contains(file, ":") { // of another site
				continue
			}
			references++
			target := path
			if file != "" {
				target = filepath.Join(filepath.Dir(path), file)
			}
			if _, err := os.Stat(target); err != nil {
				t.Errorf("%s refers to %s, which does not exist", path, m[1])
			} else if hasSection && !hasHeading(documents[target], section) {
				t.Errorf("%s refers to %s, but there is no such section", path, m[1])
			}
		}
		for _, m := range testName.FindAllStringSubmatch(text, -1) {
			references++
			beginning := "func " + m[1]
			if m[2] == "" { // not only the beginning of a name
				beginning += "("
			}
			if !strings.Contains(sources, beginning) {
				t.Errorf("%s names %s, which does not exist", path, m[0])
			}
		}
	}
	if references < 50 {
		t.Errorf("only %d references were found", references)
	}
}

// hasHeading reports whether a document has a heading whose anchor is section, as
// Markdown's common renderers derive it.
func hasHeading(document, section string) bool {
	other := regexp.MustCompile(`[^a-z0-9 _-]`)
	for _, m := range heading.FindAllStringSubmatch(document, -1) {
		if strings.ReplaceAll(other.ReplaceAllString(strings.ToLower(m[1]), ""), " ", "-") == section {
			return true
		}
	}
	return false
}
