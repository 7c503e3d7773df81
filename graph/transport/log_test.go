package transport_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"log/slog"
	"strings"
	"testing"

	"rollcall/graph/internal/graphtest"
	"rollcall/graph/transport"
)

func TestLog(t *testing.T) {
	var log bytes.Buffer
	w := newWatched(t, graphtest.Options{Passthrough: true, Transport: func(c *transport.Config) { c.Log = slog.New(slog.NewJSONHandler(&log, nil)) }})
	line := func() map[string]any {
		t.Helper()
		defer log.Reset()
		if strings.Count(log.String(), "\n") != 1 {
			t.Fatalf("logged %s", log.String())
		}
		var m map[string]any
		if err := json.Unmarshal(log.Bytes(), &m); err != nil {
			t.Fatal(err)
		}
		return m
	}
	lineOf := func(key, query string, variables map[string]any) map[string]any {
		t.Helper()
		w.Query(query, variables, "xi-api-key", key, "X-Request-Id", "req-1")
		return line()
	}
	a := lineOf("key-a", `query Callers($n: Int!) { a: users(first: $n) { nodes { userId } } b: users(first: 3) { nodes { userId } } }`, map[string]any{"n": 7})
	for name, want := range map[string]any{
		"level": "INFO", "msg": "operation", "request_id": "req-1", "type": "query", "name": "Callers", "cost": 10.0, "status": 200.0, "calls": 1.0, "batched": 1.0, "shared": 0.0,
	} {
		if a[name] != want {
			t.Errorf("%s is %v, want %v", name, a[name], want)
		}
	}
	if len(a["caller"].(string)) != 12 || len(a["document"].(string)) != 16 || len(a["trace_id"].(string)) != 32 || a["took_us"].(float64) <= 0 || a["waited_us"].(float64) <= 0 || a["errors"] != nil {
		t.Errorf("got %v", a)
	}
	// The document's fingerprint depends on names, not on literals; the caller's
	// hash depends on the key.
	one, other := lineOf("key-a", `{ user(userId: "canary-1") { id } }`, nil), lineOf("key-b", `{ user( userId: "canary-2" ) { id } }`, nil)
	third := lineOf("key-a", `{ user(userId: "canary-1") { userId } }`, nil)
	if one["document"] != other["document"] || one["document"] == third["document"] || one["caller"] == other["caller"] || one["caller"] != third["caller"] {
		t.Errorf("got\n%v\n%v\n%v", one, other, third)
	}
	failed := lineOf("key-a", `{ a: users(first: -1) { nodes { id } } b: users(first: -2) { nodes { id } } }`, nil)
	if fmt.Sprint(failed["errors"]) != "[BAD_USER_INPUT]" {
		t.Errorf("got %v", failed)
	}
	long := lineOf("key-a", "query "+strings.Repeat("n", 200)+" { __typename }", nil)
	if long["name"] != strings.Repeat("n", 64) {
		t.Errorf("got %v", long)
	}
	w.Post(`{"query":"{ __typename }"}`)
	if refused := line(); refused["msg"] != "no operation" || refused["refused"] != "credentials" || refused["status"] != 401.0 || refused["caller"] != nil {
		t.Errorf("got %v", refused)
	}
}
