// Package admin serves what operators and their monitoring need: whether the
// service is alive and ready, its metrics and its profiles.
package admin

import (
	"io"
	"net/http"
	"net/http/pprof"
)

// NewHandler returns the handler of the admin listener. It serves the probes,
// /debug/pprof/ and, unless metrics is nil, /metrics.
func NewHandler(ready func() bool, metrics http.Handler) http.Handler {
	mux := http.NewServeMux()
	HandleProbes(mux, ready)
	if metrics != nil {
		mux.Handle("GET /metrics", metrics)
	}
	mux.HandleFunc("GET /debug/pprof/", pprof.Index)
	mux.HandleFunc("GET /debug/pprof/profile", pprof.Profile)
	mux.HandleFunc("GET /debug/pprof/symbol", pprof.Symbol)
	mux.HandleFunc("GET /debug/pprof/trace", pprof.Trace)
	return mux
}

// HandleProbes adds /livez, which is always 200, and /readyz, which is 503 unless
// ready returns true.
func HandleProbes(mux *http.ServeMux, ready func() bool) {
	mux.HandleFunc("GET "+livez, func(w http.ResponseWriter, _ *http.Request) { respond(w, http.StatusOK, "ok\n") })
	mux.HandleFunc("GET "+readyz, func(w http.ResponseWriter, _ *http.Request) {
		if ready() {
			respond(w, http.StatusOK, "ok\n")
		} else {
			respond(w, http.StatusServiceUnavailable, "not ready\n")
		}
	})
}

const livez, readyz = "/livez", "/readyz"

func respond(w http.ResponseWriter, status int, text string) {
	header := w.Header()
	header.Set("Content-Type", "text/plain; charset=utf-8")
	header.Set("Cache-Control", "no-store")
	header.Set("X-Content-Type-Options", "nosniff")
	w.WriteHeader(status)
	_, _ = io.WriteString(w, text) // an error means that the client has disconnected
}
