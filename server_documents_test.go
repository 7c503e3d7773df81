package main

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"rollcall/internal/config"
)

// folder has files of documents.
type folder struct {
	t    *testing.T
	path string
}

func newFolder(t *testing.T) folder { return folder{t, t.TempDir()} }

// put replaces a file as tools do, by renaming another one, and returns its name.
func (f folder) put(name, content string) string {
	f.t.Helper()
	path := filepath.Join(f.path, name)
	if err := os.WriteFile(path+".new", []byte(content), 0o600); err != nil {
		f.t.Fatal(err)
	}
	if err := os.Rename(path+".new", path); err != nil {
		f.t.Fatal(err)
	}
	return path
}

func TestInvalidDocumentsPreventTheStart(t *testing.T) {
	for name, c := range map[string]struct {
		files map[string]string
		want  []string
	}{
		"no file":                           {map[string]string{}, []string{"a.json: the file cannot be read: no such file"}},
		"an empty file":                     {map[string]string{"a.json": ""}, []string{"a.json: the file is not JSON"}},
		"a file that is too large":          {map[string]string{"a.json": `{"a":"` + strings.Repeat(" ", 9<<20) + `"}`}, []string{"a.json: the file is larger than 8388608 bytes"}},
		"a document that is not valid":      {map[string]string{"a.json": `{"web~1~users":"{ canary }"}`}, []string{`a.json: document "web~1~users": GRAPHQL_VALIDATION_FAILED`}},
		"a document beyond a limit":         {map[string]string{"a.json": `{"web~1~users":"{ a: __typename b: __typename c: __typename }"}`}, []string{`a.json: document "web~1~users": OPERATION_TOO_COMPLEX`}},
		"two texts with one ID in one file": {map[string]string{"a.json": `[["x","{ __typename }"],["x","{ a: __typename }"]]`}, []string{`document "x"`, "a.json has another text with this ID"}},
		"another text's hash":               {map[string]string{"a.json": `{"sha256:` + strings.Repeat("0", 64) + `":"{ __typename }"}`}, []string{`document "sha256:0000`, "is not the SHA-256 hash"}},
	} {
		t.Run(name, func(t *testing.T) {
			f := newFolder(t)
			for file, content := range c.files {
				f.put(file, content)
			}
			stderr, err := os.Create(filepath.Join(t.TempDir(), "stderr"))
			if err != nil {
				t.Fatal(err)
			}
			defer stderr.Close()
			env := map[string]string{"LISTEN_ADDR": "127.0.0.1:0", "ADMIN_ADDR": "off", "LIMIT_ALIASES": "2", "TRUSTED_DOCUMENTS": filepath.Join(f.path, "a.json")}
			if code := run(t.Context(), nil, env, io.Discard, stderr); code != 2 {
				t.Errorf("the exit code is %d", code)
			}
			printed, _ := os.ReadFile(stderr.Name())
			for _, want := range append(c.want, "the configuration is not valid:\nTRUSTED_DOCUMENTS: "+f.path) {
				if !strings.Contains(string(printed), want) {
					t.Errorf("%q is missing in:\n%s", want, printed)
				}
			}
		})
	}
}

// lines is a log that can be read while it is written.
type lines struct {
	mu  sync.Mutex
	log bytes.Buffer
}

func (l *lines) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.log.Write(p)
}

func (l *lines) count(part string) int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return strings.Count(l.log.String(), part)
}

func TestChangedDocumentsAreReloaded(t *testing.T) {
	f := newFolder(t)
	one, other := f.put("relay.json", `{"a":"{ a: __typename }"}`), f.put("apollo.json", `{"format":"apollo-persisted-query-manifest","version":1,"operations":[{"id":"b","name":"B","type":"query","body":"{ b: __typename }"}]}`)
	var log lines
	c := config.Config{
		Demo: true, UpstreamTimeout: time.Second, MaxBody: 1 << 10, TrustedDocuments: []string{one, other}, TrustedDocumentsMode: config.TrustOnly,
		Limits: config.Limits{Tokens: 1000, Depth: 12, Aliases: 30, RootFields: 20, Fields: 1000, Directives: 20, Cost: 5000, Calls: 120, Answer: 8 << 20, Answers: 32 << 20},
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- serve(ctx, c, listener, nil, slog.New(slog.NewTextHandler(&log, nil))) }()
	defer func() {
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
	}()
	serves := func(id string) bool {
		resp, err := http.Post("http://"+listener.Addr().String()+"/graphql", "application/json", strings.NewReader(fmt.Sprintf(`{"documentId":%q}`, id)))
		if err != nil {
			t.Fatal(err)
		}
		defer resp.Body.Close()
		text, _ := io.ReadAll(resp.Body)
		return strings.Contains(string(text), `"data"`)
	}
	for id, want := range map[string]bool{"a": true, "b": true, "c": false} {
		if serves(id) != want {
			t.Errorf("%s is served: %v", id, !want)
		}
	}
	f.put("relay.json", `{"a":"{ a: __typename }","c":"{ c: __typename }"}`)
	await(t, 10*time.Second, "the new document is served", func() bool { return serves("c") })

	f.put("apollo.json", `{"b":"{ canary }"}`)
	const kept = "cannot be used; the previous ones stay in use"
	await(t, 10*time.Second, "the log says that a file is not valid", func() bool { return log.count(kept) == 1 })
	f.put("relay.json", `{"a":"{ a: __typename }","d":"{ d: __typename }"}`)
	await(t, 10*time.Second, "the log says it of another change", func() bool { return log.count(kept) == 2 })
	for id, want := range map[string]bool{"a": true, "b": true, "c": true, "d": false} {
		if serves(id) != want {
			t.Errorf("while a file is not valid, %s is served: %v", id, !want)
		}
	}
	f.put("apollo.json", `[["b","{ b: __typename }"]]`)
	await(t, 10*time.Second, "the files are used again", func() bool { return serves("d") && !serves("c") && serves("b") })
	if log.count("cannot be used") != 2 || log.count(`document \"b\": GRAPHQL_VALIDATION_FAILED`) != 2 {
		t.Errorf("logged %s", log.log.String())
	}
}
