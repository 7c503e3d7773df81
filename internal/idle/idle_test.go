package idle_test

import (
	"net/http"
	"net/http/httptest"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"rollcall/internal/idle"
)

// TestIt is in fake time. A request takes as long as its URL's path says.
func TestIt(t *testing.T) {
	const quiet = 5 * time.Second
	for name, c := range map[string]struct {
		requests map[time.Duration]time.Duration // how long each takes, by when it begins
		want     []time.Duration                 // or up to quiet later
	}{
		"no request":                     {},
		"one":                            {map[time.Duration]time.Duration{0: 0}, []time.Duration{quiet}},
		"some in a row":                  {map[time.Duration]time.Duration{0: 0, 3 * time.Second: 0, 6 * time.Second: 0}, []time.Duration{11 * time.Second}},
		"one that takes long":            {map[time.Duration]time.Duration{0: 30 * time.Second}, []time.Duration{35 * time.Second}},
		"one, and another a while later": {map[time.Duration]time.Duration{0: 0, time.Minute: 0}, []time.Duration{quiet, time.Minute + quiet}},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				began := time.Now()
				var mu sync.Mutex
				var done []time.Duration
				h := idle.Handler(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
					d, err := time.ParseDuration(r.URL.Path[1:])
					if err != nil {
						t.Error(err)
					}
					time.Sleep(d) //nolint:forbidigo // in fake time
				}), quiet, func() {
					mu.Lock()
					defer mu.Unlock()
					done = append(done, time.Since(began))
				})
				for at, takes := range c.requests {
					go func() {
						time.Sleep(at) //nolint:forbidigo // in fake time
						h.ServeHTTP(httptest.NewRecorder(), httptest.NewRequest(http.MethodGet, "/"+takes.String(), nil))
					}()
				}
				time.Sleep(10 * time.Minute) //nolint:forbidigo // in fake time
				synctest.Wait()
				mu.Lock()
				defer mu.Unlock()
				if len(done) != len(c.want) {
					t.Fatalf("done at %v, want %v", done, c.want)
				}
				for i, want := range c.want {
					if done[i] < want || done[i] > want+quiet {
						t.Errorf("done at %v, want %v", done, c.want)
					}
				}
			})
		})
	}
}
