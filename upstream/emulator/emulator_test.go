package emulator_test

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strconv"
	"testing"
	"testing/synctest"
	"time"

	"rollcall/upstream/emulator"
)

// user and page are the members of a response that these tests read. They are not
// the package's own types, so that a misspelt member is noticed.
type user struct {
	ID             string         `json:"user_id"`
	Last           int64          `json:"last_contact_unix_secs"`
	First          int64          `json:"first_contact_unix_secs"`
	Count          int            `json:"conversation_count"`
	AgentID        *string        `json:"last_contact_agent_id"`
	ConversationID string         `json:"last_contact_conversation_id"`
	AgentName      *string        `json:"last_contact_agent_name"`
	Sentiment      map[string]any `json:"sentiment"`
	MostFrustrated []frustrated   `json:"most_frustrated_conversations"`
}

type frustrated struct {
	ID          string  `json:"conversation_id"`
	AgentID     string  `json:"agent_id"`
	Start       int64   `json:"start_time_unix_secs"`
	Label       string  `json:"overall_label"`
	Score       float64 `json:"overall_sentiment_score"`
	Frustration float64 `json:"overall_frustration_score"`
}

type page struct {
	Users   []user  `json:"users"`
	Next    *string `json:"next_cursor"`
	HasMore *bool   `json:"has_more"`
}

// get sends a request with a key, and returns the response.
func get(h http.Handler, parameters url.Values) *httptest.ResponseRecorder {
	return getAs(h, "a-key", parameters)
}

func getAs(h http.Handler, key string, parameters url.Values) *httptest.ResponseRecorder {
	r := httptest.NewRequest(http.MethodGet, "/v1/convai/users?"+parameters.Encode(), nil)
	if key != "" {
		r.Header.Set("xi-api-key", key)
	}
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	return w
}

// read returns the page of a request that must succeed.
func read(t testing.TB, h http.Handler, parameters url.Values) page {
	t.Helper()
	w := get(h, parameters)
	var p page
	if err := json.Unmarshal(w.Body.Bytes(), &p); err != nil || w.Code != http.StatusOK || p.HasMore == nil {
		t.Fatalf("%v: %d %s (%v)", parameters, w.Code, w.Body, err)
	}
	if *p.HasMore != (p.Next != nil) {
		t.Fatalf("%v: has_more is %t, next_cursor %v", parameters, *p.HasMore, p.Next)
	}
	return p
}

// with returns a copy of parameters with more of them.
func with(parameters url.Values, more ...string) url.Values {
	all := make(url.Values)
	for name, values := range parameters {
		all[name] = values
	}
	for i := 0; i < len(more); i += 2 {
		all.Set(more[i], more[i+1])
	}
	return all
}

// walk reads all pages, using the sizes in turn.
func walk(t testing.TB, h http.Handler, parameters url.Values, sizes ...int) []user {
	t.Helper()
	var all []user
	for i := 0; ; i++ {
		size := sizes[i%len(sizes)]
		p := read(t, h, with(parameters, "page_size", strconv.Itoa(size)))
		if *p.HasMore && len(p.Users) != size || len(p.Users) > size {
			t.Fatalf("a page of %d has %d users", size, len(p.Users))
		}
		all = append(all, p.Users...)
		if !*p.HasMore {
			return all
		}
		parameters = with(parameters, "cursor", *p.Next)
	}
}

func ids(users []user) []string {
	all := make([]string, len(users))
	for i, u := range users {
		all[i] = u.ID
	}
	return all
}

func TestSeed(t *testing.T) {
	a, b := emulator.New(emulator.Options{Users: 300}), emulator.New(emulator.Options{Users: 300, Seed: 1})
	other := emulator.New(emulator.Options{Users: 300, Seed: 2})
	traces := make(map[string]bool)
	for _, parameters := range []url.Values{
		{}, {"sort_by": {"average_sentiment_score"}}, {"page_size": {"0"}}, {"agent_id": {"agent_nobody"}}, {"cursor": {"?"}},
	} {
		x, y := get(a, parameters), get(b, parameters)
		if x.Body.String() != y.Body.String() || x.Header().Get("x-trace-id") != y.Header().Get("x-trace-id") {
			t.Errorf("%v: %.300s\n%.300s", parameters, x.Body, y.Body)
		}
		traces[x.Header().Get("x-trace-id")] = true
	}
	if len(traces) != 5 {
		t.Errorf("five responses have the trace IDs %v", traces)
	}
	if get(a, nil).Body.String() == get(other, nil).Body.String() {
		t.Error("another seed gives the same world")
	}
}

func TestUserCount(t *testing.T) {
	for _, c := range []struct{ option, want int }{{-1, 0}, {1, 1}, {10, 10}, {37, 37}, {0, 10_000}} {
		e := emulator.New(emulator.Options{Users: c.option})
		if got := len(walk(t, e, nil, 100)); got != c.want {
			t.Errorf("Users: %d gives %d users, want %d", c.option, got, c.want)
		}
	}
}

func TestLatestCallersAreComplete(t *testing.T) {
	for _, users := range []int{50, 500, 10_000} {
		for _, u := range read(t, emulator.New(emulator.Options{Users: users}), url.Values{"page_size": {"10"}}).Users {
			if len(u.ID) != len("user_00042") || u.Sentiment["average_sentiment_score"] == nil || u.AgentName == nil {
				t.Errorf("with %d users, %+v is among the first ten", users, u)
			}
		}
	}
}

func TestWorldHasDifficultData(t *testing.T) {
	e := emulator.New(emulator.Options{})
	var found struct{ hard, unscored, tied, once, dozens, nullName, noName int }
	agents := make(map[string]bool)
	last := make(map[int64]int)
	for parameters := (url.Values{"page_size": {"100"}}); ; {
		var p struct {
			Users   []map[string]any `json:"users"`
			Next    string           `json:"next_cursor"`
			HasMore bool             `json:"has_more"`
		}
		if err := json.Unmarshal(get(e, parameters).Body.Bytes(), &p); err != nil {
			t.Fatal(err)
		}
		for _, u := range p.Users {
			if id := u["user_id"].(string); len(id) != len("user_00042") || id[:5] != "user_" {
				found.hard++
			}
			if u["sentiment"].(map[string]any)["average_sentiment_score"] == nil {
				found.unscored++
			}
			switch count := u["conversation_count"].(float64); {
			case count == 1:
				found.once++
			case count >= 24:
				found.dozens++
			}
			last[int64(u["last_contact_unix_secs"].(float64))]++
			if name, is := u["last_contact_agent_name"]; !is {
				found.noName++
			} else if name == nil {
				found.nullName++
			}
			if id, is := u["last_contact_agent_id"].(string); is {
				agents[id] = true
			}
		}
		if !p.HasMore {
			break
		}
		parameters.Set("cursor", p.Next)
	}
	for _, n := range last {
		found.tied += n - 1
	}
	t.Logf("%+v, %d agents", found, len(agents))
	if found.hard != 200 || found.unscored < 500 || found.tied < 20 || found.once < 3000 || found.dozens < 50 ||
		found.nullName == 0 || found.noName == 0 || len(agents) < 10 {
		t.Errorf("something is missing: %+v", found)
	}
}

func TestSearch(t *testing.T) {
	e := emulator.New(emulator.Options{Users: 1600}) // includes each of the hard IDs
	for _, u := range walk(t, e, nil, 100) {
		found := read(t, e, url.Values{"search": {u.ID}, "page_size": {"1"}})
		if len(found.Users) != 1 || found.Users[0].ID != u.ID || found.Users[0].Count != u.Count {
			t.Errorf("%q gives %v", u.ID, ids(found.Users))
		}
	}
	for _, unknown := range []string{"user_", "USER_00001", "user_00001 ", "%", "*"} {
		if found := read(t, e, url.Values{"search": {unknown}}); len(found.Users) > 0 {
			t.Errorf("%q gives %v", unknown, ids(found.Users))
		}
	}
}

func TestLatency(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e := emulator.New(emulator.Options{Users: 1, Latency: time.Minute})
		began := time.Now()
		if w := get(e, nil); w.Code != http.StatusOK || time.Since(began) != time.Minute {
			t.Errorf("%d after %v", w.Code, time.Since(began))
		}
		began = time.Now()
		if w := getAs(e, "", nil); w.Code != http.StatusUnauthorized || time.Since(began) != time.Minute {
			t.Errorf("%d after %v", w.Code, time.Since(began))
		}
	})
}

func TestCancelledRequest(t *testing.T) {
	e := emulator.New(emulator.Options{Users: 1, Latency: time.Hour})
	server := httptest.NewServer(e)
	defer server.Close() // waits for the requests in flight
	client := server.Client()
	client.Timeout = 20 * time.Millisecond
	if _, err := client.Get(server.URL + "/v1/convai/users"); err == nil {
		t.Error("the request did not wait")
	}
}

func TestParametersWithoutEffect(t *testing.T) {
	e := emulator.New(emulator.Options{Users: 100})
	want := ids(read(t, e, nil).Users)
	if len(want) != 30 {
		t.Fatalf("the default page has %d users", len(want))
	}
	for name, parameters := range map[string]url.Values{
		"empty values":         {"agent_id": {""}, "branch_id": {""}, "search": {""}, "cursor": {""}},
		"the defaults":         {"page_size": {"30"}, "sort_by": {"last_contact_unix_secs"}, "sort_direction": {"desc"}},
		"an unknown parameter": {"colour": {"red"}},
		"enormous instants":    {"call_start_after_unix": {"-99999999999999999999"}, "call_start_before_unix": {"99999999999999999999"}},
	} {
		t.Run(name, func(t *testing.T) {
			if got := ids(read(t, e, parameters).Users); !slices.Equal(got, want) {
				t.Errorf("got %v, want %v", got, want)
			}
		})
	}
}

func BenchmarkStart(b *testing.B) {
	for b.Loop() {
		e := emulator.New(emulator.Options{})
		b.StopTimer()
		if p := read(b, e, url.Values{"page_size": {"1"}}); len(p.Users) != 1 {
			b.Fatal("the world is empty")
		}
		b.StartTimer()
	}
}

func BenchmarkPage(b *testing.B) {
	for name, parameters := range map[string]url.Values{
		"first 30":  {},
		"first 100": {"page_size": {"100"}},
		"look-up":   {"search": {"user_00001"}, "page_size": {"1"}},
	} {
		b.Run(name, func(b *testing.B) {
			e := emulator.New(emulator.Options{})
			want := ids(read(b, e, parameters).Users)
			var last *httptest.ResponseRecorder
			b.ReportAllocs()
			for b.Loop() {
				last = get(e, parameters)
			}
			var p page
			if err := json.Unmarshal(last.Body.Bytes(), &p); err != nil || len(want) == 0 || !slices.Equal(ids(p.Users), want) {
				b.Errorf("got %v (%v), want %v", ids(p.Users), err, want)
			}
		})
	}
}
