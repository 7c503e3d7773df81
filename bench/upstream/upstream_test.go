package upstream_test

import (
	"encoding/json"
	"net/http"
	"reflect"
	"testing"
	"time"

	"rollcall/bench/upstream"
)

func listen(t *testing.T, pages int) *upstream.Upstream {
	t.Helper()
	u, err := upstream.Listen(pages, true)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(u.Close)
	return u
}

// TestWalk reads the pages with net/http.
func TestWalk(t *testing.T) {
	u := listen(t, 4)
	cursor := ""
	for number := range 4 {
		response, err := http.Get("http://" + u.Addr() + upstream.Target(cursor))
		if err != nil {
			t.Fatal(err)
		}
		var page struct {
			Users      []upstream.User
			NextCursor string `json:"next_cursor"`
			HasMore    bool   `json:"has_more"`
		}
		err = json.NewDecoder(response.Body).Decode(&page)
		_ = response.Body.Close()
		if err != nil || response.StatusCode != http.StatusOK {
			t.Fatalf("page %d: %s, %v", number, response.Status, err)
		}
		for i := range page.Users {
			if len(page.Users[i].Sentiment) == 0 {
				t.Errorf("user %d of page %d has no sentiment", i, number)
			}
			page.Users[i].Sentiment = nil
		}
		if !reflect.DeepEqual(page.Users, upstream.Users(number)) || len(page.Users) != upstream.PageSize {
			t.Errorf("page %d has other users", number)
		}
		if page.NextCursor == cursor || page.NextCursor != upstream.Cursor(number+1) || !page.HasMore {
			t.Errorf("page %d has the next cursor %q", number, page.NextCursor)
		}
		cursor = page.NextCursor
	}
	if u.Calls() != 4 || u.Refused() != 0 {
		t.Errorf("counted %d calls, and refused %d", u.Calls(), u.Refused())
	}
}

func TestRefusals(t *testing.T) {
	u := listen(t, 1)
	for i, target := range []string{
		"/v1/convai/users",
		"/v1/convai/users?page_size=3",
		"/v1/convai/users?page_size=300",
		"/v1/convai/users?page_size=30&cursor=other",
		"/v1/convai/agents?page_size=30",
	} {
		response, err := http.Get("http://" + u.Addr() + target)
		if err != nil {
			t.Fatal(err)
		}
		_ = response.Body.Close()
		if response.StatusCode != http.StatusUnprocessableEntity || u.Refused() != int64(i+1) {
			t.Errorf("%s: got %s, and %d refused", target, response.Status, u.Refused())
		}
	}
}

func TestDelay(t *testing.T) {
	u := listen(t, 1)
	u.SetDelay(20 * time.Millisecond)
	before := time.Now()
	response, err := http.Get("http://" + u.Addr() + upstream.Target(""))
	if err != nil {
		t.Fatal(err)
	}
	_ = response.Body.Close()
	if took := time.Since(before); took < 20*time.Millisecond {
		t.Errorf("took %v", took)
	}
}
