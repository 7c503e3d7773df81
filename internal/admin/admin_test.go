package admin_test

import (
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"rollcall/internal/admin"
)

func TestPages(t *testing.T) {
	ready := true
	h := admin.NewHandler(func() bool { return ready }, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusTeapot) }))
	for _, c := range []struct {
		path   string
		ready  bool
		status int
	}{
		{"/livez", true, 200}, {"/livez", false, 200}, {"/readyz", true, 200}, {"/readyz", false, 503},
		{"/debug/pprof/", true, 200}, {"/debug/pprof/goroutine", true, 200}, {"/", true, 404}, {"/graphql", true, 404},
		{"/metrics", true, 418}, {"/metrics", false, 418},
	} {
		ready = c.ready
		w := httptest.NewRecorder()
		h.ServeHTTP(w, httptest.NewRequest(http.MethodGet, c.path, nil))
		if w.Code != c.status {
			t.Errorf("%s: %d, want %d", c.path, w.Code, c.status)
		}
		if header := w.Header(); strings.HasSuffix(c.path, "z") && (header.Get("Cache-Control") != "no-store" || header.Get("X-Content-Type-Options") != "nosniff") {
			t.Errorf("%s: %v", c.path, header)
		}
	}
}

func TestCheckHealth(t *testing.T) {
	ready := true
	mux := http.NewServeMux()
	admin.HandleProbes(mux, func() bool { return ready })
	_, port, _ := net.SplitHostPort(serve(t, "127.0.0.1:0", mux))
	other := serve(t, "127.0.0.1:0", http.NotFoundHandler())
	moved := serve(t, "127.0.0.1:0", http.RedirectHandler("http://127.0.0.1:"+port+"/livez", http.StatusFound))
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	_ = taken.Close()
	t.Setenv("HTTP_PROXY", "http://"+other)
	for name, c := range map[string]struct {
		addr  string
		ready bool
		want  string // a part of the error
	}{
		"on loopback":               {"127.0.0.1:" + port, true, ""},
		"by name":                   {"localhost:" + port, true, ""},
		"on all addresses":          {":" + port, true, ""},
		"on all addresses of IPv4":  {"0.0.0.0:" + port, true, ""},
		"on all addresses of IPv6":  {"[::]:" + port, true, ""},
		"not ready":                 {":" + port, false, "/readyz: 503 Service Unavailable: not ready"},
		"not running":               {taken.Addr().String(), true, "connection refused"},
		"another service":           {other, true, "/livez: 404"},
		"a redirect to it":          {moved, true, "/livez: 302"},
		"port 0":                    {"127.0.0.1:0", true, "no port"},
		"an address without a port": {"127.0.0.1", true, "no port"},
	} {
		t.Run(name, func(t *testing.T) {
			ready = c.ready
			err := admin.CheckHealth(t.Context(), c.addr)
			if c.want == "" && err != nil || c.want != "" && (err == nil || !strings.Contains(err.Error(), c.want)) {
				t.Errorf("got %v, want %q", err, c.want)
			}
		})
	}
	if listener, err := net.Listen("tcp", "[::1]:0"); err == nil {
		_, port, _ := net.SplitHostPort(listener.Addr().String())
		_ = listener.Close()
		ready = true
		serve(t, "[::1]:"+port, mux)
		for _, addr := range []string{"[::1]:" + port, "[::]:" + port, ":" + port} {
			if err := admin.CheckHealth(t.Context(), addr); err != nil {
				t.Errorf("on IPv6 alone, %s: %v", addr, err)
			}
		}
	}
}

// serve serves a handler until the test ends.
func serve(t *testing.T, addr string, h http.Handler) string {
	t.Helper()
	listener, err := net.Listen("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	server := &http.Server{Handler: h, ReadHeaderTimeout: time.Second}
	go func() { _ = server.Serve(listener) }()
	t.Cleanup(func() { _ = server.Close() })
	return listener.Addr().String()
}
