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
	"testing"
	"time"

	"rollcall/internal/config"
)

// TestProbes requests the probes of both listeners, and the profiles, in the same
// way as a rebound page would.
func TestProbes(t *testing.T) {
	var listeners [2]net.Listener
	for i := range listeners {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		listeners[i] = l
	}
	ctx, stop := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() {
		c := config.Config{Demo: true, UpstreamTimeout: time.Second}
		ended <- serve(ctx, c, listeners[0], listeners[1], slog.New(slog.DiscardHandler))
	}()
	public, admin := listeners[0].Addr().String(), listeners[1].Addr().String()
	for name, c := range map[string]struct {
		addr, path, host string
		status           int
	}{
		"alive, on the public listener":             {public, "/livez", "", 200},
		"ready, on the public listener":             {public, "/readyz", "", 200},
		"alive, on the admin listener":              {admin, "/livez", "", 200},
		"ready, on the admin listener":              {admin, "/readyz", "localhost", 200},
		"profiles, on the admin listener":           {admin, "/debug/pprof/symbol", "", 200},
		"no profiles on the public listener":        {public, "/debug/pprof/symbol", "", 404},
		"no metrics on the public listener":         {public, "/metrics", "", 404},
		"profiles by a rebound name":                {admin, "/debug/pprof/symbol", "evil.test:9090", 403},
		"metrics by a rebound name":                 {admin, "/metrics", "evil.test", 403},
		"ready, by any name of the public listener": {public, "/readyz", "api.test", 200},
	} {
		r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://"+c.addr+c.path, nil)
		if err != nil {
			t.Fatal(err)
		}
		r.Host = c.host
		response, err := http.DefaultClient.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		_ = response.Body.Close()
		if response.StatusCode != c.status {
			t.Errorf("%s: %d, want %d", name, response.StatusCode, c.status)
		}
	}

	path := filepath.Join(t.TempDir(), "stderr")
	stderr, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	defer stderr.Close()
	var stdout bytes.Buffer
	// Other settings do not matter, for example a file with a key that only the
	// service can read.
	env := map[string]string{"LISTEN_ADDR": public, "ELEVENLABS_API_KEY_FILE": "/canary"}
	if code := run(t.Context(), []string{"-healthcheck"}, env, &stdout, stderr); code != 0 || stdout.String() != "rollcall: healthy\n" {
		t.Errorf("exit code %d, %q", code, stdout.String())
	}
	stop()
	if err := <-ended; err != nil {
		t.Error(err)
	}
}

// TestHalfClose closes the sending half of the connection after the request, as
// nc -N does.
func TestHalfClose(t *testing.T) {
	arrived := make(chan struct{}, 1)
	base := realUpstream(t, func(w http.ResponseWriter, r *http.Request) {
		arrived <- struct{}{}
		select {
		case <-r.Context().Done():
		case <-time.After(300 * time.Millisecond):
			_, _ = io.WriteString(w, `{"users":[],"has_more":false}`)
		}
	})
	s := start(t, inFrontOf(base))
	for query, waits := range map[string]bool{"{ users { nodes { userId } } }": true, "{ __typename }": false, "{ nothing }": false} {
		conn, err := net.Dial("tcp", strings.TrimPrefix(s.url, "http://"))
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close()
		body := fmt.Sprintf(`{"query":%q}`, query)
		if _, err := fmt.Fprintf(conn, "POST /graphql HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%s", len(body), body); err != nil {
			t.Fatal(err)
		}
		if waits {
			<-arrived
		}
		if err := conn.(*net.TCPConn).CloseWrite(); err != nil {
			t.Fatal(err)
		}
		_ = conn.SetDeadline(time.Now().Add(3 * time.Second))
		answer, _ := io.ReadAll(conn) // the connection may be reset
		if len(answer) > 0 && !bytes.Contains(answer, []byte(`"data"`)) && !bytes.Contains(answer, []byte(`"errors"`)) {
			t.Errorf("%s: %s", query, answer)
		}
	}
}

// TestHeaders checks the headers of every response of /graphql, refused or not.
func TestHeaders(t *testing.T) {
	base := realUpstream(t, func(w http.ResponseWriter, _ *http.Request) {
		_, _ = io.WriteString(w, `{"users":[],"has_more":false}`)
	})
	c := inFrontOf(base)
	c.Auth = config.AuthPassthrough
	s := start(t, c)
	for name, r := range map[string]struct {
		method, key, challenge string
		status                 int
	}{
		"a response":     {http.MethodPost, "mine", "", 200},
		"without a key":  {http.MethodPost, "", `ApiKey header="xi-api-key"`, 401},
		"another method": {http.MethodDelete, "mine", "", 405},
	} {
		request, err := http.NewRequestWithContext(t.Context(), r.method, s.url+"/graphql", strings.NewReader(`{"query":"{ users { nodes { userId } } }"}`))
		if err != nil {
			t.Fatal(err)
		}
		request.Header.Set("Content-Type", "application/json")
		if r.key != "" {
			request.Header.Set("Xi-Api-Key", r.key)
		}
		response, err := http.DefaultClient.Do(request)
		if err != nil {
			t.Fatal(err)
		}
		_ = response.Body.Close()
		h := response.Header
		if response.StatusCode != r.status || h.Get("Cache-Control") != "private, no-store" || h.Get("Referrer-Policy") != "no-referrer" || h.Get("WWW-Authenticate") != r.challenge {
			t.Errorf("%s: %d, %v", name, response.StatusCode, h)
		}
	}
}
