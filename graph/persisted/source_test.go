package persisted_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"rollcall/graph/persisted"
)

// files reads from memory.
type files map[string]string

func (f files) read(name string) ([]byte, error) {
	content, ok := f[name]
	if !ok {
		return nil, &fs.PathError{Op: "open", Path: name, Err: fs.ErrNotExist}
	}
	return []byte(content), nil
}

// load returns the documents of files as "id=text".
func load(f files, names ...string) (string, error) {
	documents, err := persisted.NewSource(names, f.read).Load()
	var list []string
	for _, d := range documents {
		list = append(list, d.ID+"="+d.Text)
	}
	return strings.Join(list, " "), err
}

const (
	text    = "{__typename}"
	textMD5 = "5b1f0bd7ee9f0fd2c0d8e0ec2c4d7d55" // of another text, as Relay's may be
)

var textHash = persisted.Hash(text)

func TestFormats(t *testing.T) {
	for name, c := range map[string]struct{ content, want string }{
		"Relay's compiler":                  {`{"` + textMD5 + `":"{__typename}\n"}`, textMD5 + "={__typename}\n"},
		"GraphQL Code Generator":            {`{"sha256:` + textHash + `":"{__typename}"}`, "sha256:" + textHash + "=" + text},
		"Hive's app deployments":            {`{"web~1.2.3~` + textHash[:8] + `":"{__typename}"}`, "web~1.2.3~" + textHash[:8] + "=" + text},
		"an ID in upper case":               {`{"` + strings.ToUpper(textHash) + `":"{__typename}"}`, strings.ToUpper(textHash) + "=" + text},
		"pairs":                             {`[["a","{a}"],["b","{b}"]]`, "a={a} b={b}"},
		"an Apollo manifest":                {`{"format":"apollo-persisted-query-manifest","version":1,"operations":[{"id":"` + textHash + `","name":"A","type":"query","body":"{__typename}"}]}`, textHash + "=" + text},
		"a manifest in another order":       {`{"operations":[{"body":"{a}","id":"a"}],"version":1,"x":{},"format":"apollo-persisted-query-manifest"}`, "a={a}"},
		"IDs that are members of manifests": {`{"format":"{a}","version":"{b}","operations":"{c}"}`, "format={a} version={b} operations={c}"},
		"a byte order mark":                 {"\ufeff" + `{"a":"{a}"}`, "a={a}"},
		"the same document twice":           {`[["a","{a}"],["a","{a}"]]`, "a={a}"},
		"one text with two IDs":             {`{"a":"{a}","b":"{a}"}`, "a={a} b={a}"},
	} {
		t.Run(name, func(t *testing.T) {
			if got, err := load(files{"file.json": c.content}, "file.json"); err != nil || got != c.want {
				t.Errorf("got %q, %v", got, err)
			}
		})
	}
}

func TestFaultyFiles(t *testing.T) {
	for name, c := range map[string]struct{ content, want string }{
		"nothing":                     {"", "not JSON"},
		"half of a file":              {`{"a":"{a}`, "not JSON"},
		"two values":                  {`{"a":"{a}"} {}`, "not JSON"},
		"a string":                    {`"{a}"`, "none of the three formats"},
		"no documents":                {`{}`, "no documents"},
		"no pairs":                    {`[]`, "no documents"},
		"no operations":               {`{"format":"apollo-persisted-query-manifest","version":1,"operations":[]}`, "no documents"},
		"a text that is not a string": {`{"a":{"text":"{a}"}}`, `"a": the text is not a string`},
		"an empty text":               {`{"a":" "}`, `document "a": the text is empty`},
		"an empty ID":                 {`{"":"{a}"}`, "the ID"},
		"an ID with a line break":     {`{"a\nb":"{a}"}`, "the ID"},
		"an ID in another script":     {`{"鍵":"{a}"}`, "the ID"},
		"an ID that is too long":      {`{"` + strings.Repeat("x", 257) + `":"{a}"}`, "the ID"},
		"another text's hash":         {`{"` + textHash + `":"{ __typename }"}`, `document "` + textHash + `": the ID is not the SHA-256 hash`},
		"another text's named hash":   {`{"sha256:` + textHash + `":"{ __typename }"}`, "the ID is not the SHA-256 hash"},
		"a named hash that is short":  {`{"sha256:` + textHash[:63] + `":"{__typename}"}`, "the ID is not the SHA-256 hash"},
		"two texts with one ID":       {`{"a":"{a}","a":"{b}"}`, `document "a": file.json has another text`},
		"a triple":                    {`[["a","{a}","x"]]`, "pairs"},
		"a list of objects":           {`[{"id":"a","body":"{a}"}]`, "pairs"},
		"a pair of numbers":           {`[[1,2]]`, "pairs"},
		"a manifest of version 2":     {`{"format":"apollo-persisted-query-manifest","version":2,"operations":[{"id":"a","body":"{a}"}]}`, "version 1"},
		"a manifest without a format": {`{"version":1,"operations":[{"id":"a","body":"{a}"}]}`, "the format"},
		"an operation without a body": {`{"format":"apollo-persisted-query-manifest","version":1,"operations":[{"id":"a"}]}`, `document "a": the text is empty`},
		"an operation without an ID":  {`{"format":"apollo-persisted-query-manifest","version":1,"operations":[{"body":"{a}"}]}`, "the ID"},
		"operations that are strings": {`{"format":"apollo-persisted-query-manifest","version":1,"operations":["{a}"]}`, "not an object"},
		"a file that is too large":    {`{"a":"` + strings.Repeat("x", persisted.MaxFile) + `"}`, "larger than 8388608 bytes"},
		"too many documents":          {many(10_001), "there are 10001 documents"},
	} {
		t.Run(name, func(t *testing.T) {
			got, err := load(files{"file.json": c.content}, "file.json")
			if err == nil || !strings.Contains(err.Error(), c.want) || len(err.Error()) > 500 {
				t.Errorf("got %d documents, %v", len(got), err)
			}
			if err != nil && !strings.Contains(err.Error(), "file.json") && name != "too many documents" {
				t.Errorf("%v does not name the file", err)
			}
		})
	}
}

// many returns a file of documents.
func many(documents int) string {
	var b strings.Builder
	for i := range documents {
		fmt.Fprintf(&b, `,"%d":"{a}"`, i)
	}
	return "{" + b.String()[1:] + "}"
}

func TestSeveralFiles(t *testing.T) {
	f := files{
		"relay.json": `{"a":"{a}"}`, "old.json": `[["a","{a}"],["b","{b}"]]`, "other.json": `{"b":"{c}"}`,
		"plain.json": `{"` + textHash + `":"{__typename}"}`, "named.json": `{"sha256:` + textHash + `":"{__typename}"}`,
	}
	if got, err := load(f, "relay.json", "old.json"); err != nil || got != "a={a} b={b}" {
		t.Errorf("got %q, %v", got, err)
	}
	if _, err := load(f, "relay.json", "old.json", "other.json"); err == nil || !strings.Contains(err.Error(), `other.json: document "b": old.json has another text with this ID`) {
		t.Errorf("got %v", err)
	}
	if got, err := load(f, "plain.json", "named.json"); err != nil || got != textHash+"="+text {
		t.Errorf("one hash in two spellings: %q, %v", got, err)
	}
	if _, err := load(f, "relay.json", "missing.json"); err == nil || err.Error() != "missing.json: the file cannot be read: file does not exist" {
		t.Errorf("got %v", err)
	}
}

func TestWatch(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var log bytes.Buffer
		f := files{"file.json": `{"a":"{a}"}`}
		var mu sync.Mutex // of what the source's goroutine and the test both use
		source := persisted.NewSource([]string{"file.json"}, func(name string) ([]byte, error) {
			mu.Lock()
			defer mu.Unlock()
			return f.read(name)
		})
		if _, err := source.Load(); err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithCancel(t.Context())
		var applied []string
		var refusal error
		done := make(chan struct{})
		go func() {
			source.Watch(ctx, func(documents []persisted.Document) error {
				mu.Lock()
				defer mu.Unlock()
				applied = append(applied, documents[0].Text)
				return refusal
			}, slog.New(slog.NewTextHandler(&log, nil)))
			close(done)
		}()
		// step changes the file, and returns what was applied and logged within ten seconds.
		step := func(change func()) (string, string) {
			mu.Lock()
			change()
			mu.Unlock()
			<-time.After(10 * time.Second)
			synctest.Wait()
			mu.Lock()
			defer mu.Unlock()
			defer func() { applied = nil; log.Reset() }()
			return strings.Join(applied, " "), log.String()
		}
		for _, c := range []struct {
			name    string
			change  func()
			applied string
			logged  string // a part of the only line; empty for none
		}{
			{"no change", func() {}, "", ""},
			{"a new text", func() { f["file.json"] = `{"a":"{b}"}` }, "{b}", "documents=1"},
			{"half of a file", func() { f["file.json"] = `{"a":"{` }, "", "file.json: the file is not JSON"},
			{"its other half", func() { f["file.json"] = `{"a":"{c}"}` }, "{c}", "documents=1"},
			{"a document that is not valid", func() { f["file.json"] = `{"a":"{d}"}`; refusal = errors.New("is not valid") }, "{d}", "is not valid"},
			{"the previous file", func() { f["file.json"] = `{"a":"{c}"}`; refusal = nil }, "{c}", "documents=1"},
			{"no file", func() { delete(f, "file.json") }, "", "file.json: the file cannot be read: file does not exist"},
			{"an empty file", func() { f["file.json"] = "" }, "", "file.json: the file is not JSON"},
			{"the file again", func() { f["file.json"] = `{"a":"{c}"}` }, "{c}", "documents=1"},
		} {
			got, logged := step(c.change)
			if got != c.applied || !strings.Contains(logged, c.logged) || (c.logged != "") != (strings.Count(logged, "\n") == 1) {
				t.Errorf("%s: applied %q, logged %q", c.name, got, logged)
			}
			unusable := strings.Contains(logged, "level=WARN")
			if unusable != source.Stale() {
				t.Errorf("%s: stale is %v", c.name, source.Stale())
			}
		}
		cancel()
		<-done
	})
}

// TestWatchSeveralFiles moves a document from one file to the next one: the files
// have the same bytes, one after the other.
func TestWatchSeveralFiles(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var mu sync.Mutex
		f := files{"a.json": `{"a":"{a}"}{"b":"{b}"}`, "b.json": ""}
		source := persisted.NewSource([]string{"a.json", "b.json"}, func(name string) ([]byte, error) {
			mu.Lock()
			defer mu.Unlock()
			return f.read(name)
		})
		if _, err := source.Load(); err == nil {
			t.Fatal("two values in a file are accepted")
		}
		ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
		defer cancel()
		applied := 0
		done := make(chan struct{})
		go func() {
			source.Watch(ctx, func(documents []persisted.Document) error {
				applied = len(documents)
				return nil
			}, slog.New(slog.DiscardHandler))
			close(done)
		}()
		mu.Lock()
		f["a.json"], f["b.json"] = `{"a":"{a}"}`, `{"b":"{b}"}`
		mu.Unlock()
		<-done
		if applied != 2 {
			t.Errorf("%d documents were applied", applied)
		}
	})
}
