package upstream_test

import (
	"fmt"
	"io"
	"net/http"
	"net/url"
	"runtime"
	"strings"
	"testing"
	"time"

	"rollcall/upstream"
)

// TestCacheMemory reads far more pages than the cache may keep. Users and cursors
// are remembered for longer than pages. Their strings come from bodies, and a string
// that shared a body's memory would keep all of the body alive.
func TestCacheMemory(t *testing.T) {
	if testing.Short() {
		t.Skip("it fills the cache")
	}
	const pages, size = 1000, 128 << 10
	name := strings.Repeat("x", size)
	body := func(n int) string {
		return fmt.Sprintf(`{"users":[{"last_contact_agent_name":"%s",%s],"has_more":true,"next_cursor":"cursor %d"}`, name, reader(fmt.Sprint("user ", n), 1)[1:], n)
	}
	for name, query := range map[string]func(i int, next string) upstream.PageQuery{
		"pages that follow each other": func(_ int, next string) upstream.PageQuery {
			return upstream.PageQuery{Cursor: next, Size: 1}
		},
		"pages that are replaced by larger ones": func(i int, _ string) upstream.PageQuery {
			return upstream.PageQuery{Cursor: fmt.Sprint("at ", i/upstream.MaxPageSize), Size: 1 + i%upstream.MaxPageSize}
		},
	} {
		t.Run(name, func(t *testing.T) {
			n := 0
			client := upstream.NewClient(upstream.Config{
				BaseURL: &url.URL{Scheme: "https", Host: "upstream.test"}, CacheTTL: time.Hour,
				Transport: doer(func(r *http.Request) (*http.Response, error) {
					n++
					return &http.Response{StatusCode: http.StatusOK, Header: http.Header{}, Body: io.NopCloser(strings.NewReader(body(n))), Request: r}, nil
				}),
			})
			defer client.Close()
			s := client.As(alice)
			var before, after runtime.MemStats
			runtime.GC()
			runtime.ReadMemStats(&before)
			next := ""
			for i := range pages {
				page, err := s.ListUsers(t.Context(), query(i, next))
				if err != nil {
					t.Fatal(err)
				}
				next = page.Next
			}
			if n != pages {
				t.Errorf("%d pages were fetched", n)
			}
			runtime.GC()
			runtime.ReadMemStats(&after)
			grown := (int64(after.HeapAlloc) - int64(before.HeapAlloc)) >> 20
			t.Logf("%d MiB", grown)
			if grown > 80 {
				t.Errorf("of %d MiB, %d are in memory", pages*size>>20, grown)
			}
		})
	}
}
