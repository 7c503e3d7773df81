package main

import (
	"bytes"
	"context"
	"io"
	"net/http"
	"regexp"
	"strings"
	"testing"
)

func TestServe(t *testing.T) {
	ctx, stop := context.WithCancel(t.Context())
	stdout, line := io.Pipe()
	code := make(chan int, 1)
	go func() {
		code <- run(ctx, []string{"-addr", "127.0.0.1:0", "-users", "12", "-seed", "3", "-keys", "one,two"}, line, io.Discard)
	}()
	printed := make([]byte, 200)
	n, err := stdout.Read(printed)
	found := regexp.MustCompile(`^emulator: (http://127\.0\.0\.1:\d+) \(12 users, seed 3\)\n$`).FindSubmatch(printed[:n])
	if found == nil {
		t.Fatalf("printed %q (%v)", printed[:n], err)
	}
	for key, want := range map[string]int{"one": 200, "two": 200, "three": 401} {
		r, _ := http.NewRequestWithContext(ctx, http.MethodGet, string(found[1])+"/v1/convai/users", nil)
		r.Header.Set("xi-api-key", key)
		response, err := http.DefaultClient.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		response.Body.Close()
		if response.StatusCode != want {
			t.Errorf("the key %q: %d, want %d", key, response.StatusCode, want)
		}
	}
	stop()
	if got := <-code; got != 0 {
		t.Errorf("the exit code is %d", got)
	}
}

func TestExitCodes(t *testing.T) {
	for name, c := range map[string]struct {
		args   []string
		code   int
		stderr string // a part of it
	}{
		"help":            {[]string{"-help"}, 0, "-latency"},
		"an unknown flag": {[]string{"-x"}, 2, "-x"},
		"an argument":     {[]string{"serve"}, 2, "flags only"},
		"no seed":         {[]string{"-seed", "0"}, 2, "-seed from 1"},
		"a bad address":   {[]string{"-addr", "256.0.0.1:1"}, 1, "256.0.0.1"},
	} {
		t.Run(name, func(t *testing.T) {
			var stderr bytes.Buffer
			if code := run(t.Context(), c.args, io.Discard, &stderr); code != c.code || !strings.Contains(stderr.String(), c.stderr) {
				t.Errorf("exit code %d, printed %s", code, stderr.String())
			}
		})
	}
}
