package loader_test

import (
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"rollcall/graph/connection"
	"rollcall/graph/loader"
	"rollcall/upstream"
)

// BenchmarkOnePage alternates between a page by way of the loader and the same
// page by the client alone, from a server on loopback.
func BenchmarkOnePage(b *testing.B) {
	var users []string
	for i := range 30 {
		users = append(users, fmt.Sprintf(`{"user_id":"user_%d","last_contact_unix_secs":%d,"first_contact_unix_secs":1,"conversation_count":3,"last_contact_conversation_id":"conv"}`, i, 1790000000-i))
	}
	body := `{"users":[` + strings.Join(users, ",") + `],"next_cursor":"n","has_more":true}`
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, body) }))
	defer server.Close()
	base, err := url.Parse(server.URL)
	if err != nil {
		b.Fatal(err)
	}
	session := upstream.NewClient(upstream.Config{BaseURL: base}).As(upstream.Caller{})
	w := window(b, upstream.Query{}, 30, "")

	memory := newMemory(b, 0)

	ways := map[string]func() (*connection.Slice, error){
		"with": func() (*connection.Slice, error) {
			return loader.New(session, memory, upstream.NewAPIKey("key"), 100).Load(b.Context(), w)
		},
		"without": func() (*connection.Slice, error) {
			page, err := session.ListUsers(b.Context(), upstream.PageQuery{Query: w.Query, Size: w.Size})
			if err != nil {
				return nil, err
			}
			slice, _ := w.Take(w.Base(0, nil), []upstream.Page{page}, nil)
			return slice, nil
		},
	}
	took := map[string][]time.Duration{}
	for b.Loop() {
		for way, load := range ways {
			began := time.Now()
			slice, err := load()
			took[way] = append(took[way], time.Since(began))
			if err != nil || slice.Len() != 30 {
				b.Fatal(slice.Len(), err)
			}
		}
	}
	for way, times := range took {
		slices.Sort(times)
		b.ReportMetric(float64(times[len(times)/2].Microseconds()), "p50-µs-"+way)
	}
}
