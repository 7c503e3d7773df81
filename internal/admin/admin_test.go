package admin_test

import (
	"net/http"
	"net/http/httptest"
	"testing"

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
	}
}
