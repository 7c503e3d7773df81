package emulator_test

import (
	"cmp"
	"fmt"
	"math"
	"math/rand/v2"
	"net/url"
	"slices"
	"strconv"
	"sync"
	"testing"
	"time"

	"rollcall/upstream/emulator"
)

// keys return a user's sort key, by sort.
var keys = map[string]func(user) float64{
	"last_contact_unix_secs": func(u user) float64 { return float64(u.Last) },
	"conversation_count":     func(u user) float64 { return float64(u.Count) },
	"average_sentiment_score": func(u user) float64 {
		if score, scored := u.Sentiment["average_sentiment_score"].(float64); scored {
			return score
		}
		return math.Inf(-1)
	},
}

func TestWalk(t *testing.T) {
	const users = 350
	e := emulator.New(emulator.Options{Users: users})
	for sort, key := range keys {
		t.Run(sort, func(t *testing.T) {
			down := walk(t, e, url.Values{"sort_by": {sort}}, 100)
			if distinct := slices.Compact(slices.Sorted(slices.Values(ids(down)))); len(down) != users || len(distinct) != users {
				t.Fatalf("%d users, %d of them distinct; want %d", len(down), len(distinct), users)
			}
			if !slices.IsSortedFunc(down, func(a, b user) int { return cmp.Compare(key(b), key(a)) }) {
				t.Error("not in descending order")
			}
			up := slices.Clone(ids(down))
			slices.Reverse(up)
			for _, sizes := range [][]int{{1}, {7}, {30}, {100}, {3, 100, 1, 41}} {
				for direction, want := range map[string][]string{"desc": ids(down), "asc": up} {
					parameters := url.Values{"sort_by": {sort}, "sort_direction": {direction}}
					if got := ids(walk(t, e, parameters, sizes...)); !slices.Equal(got, want) {
						t.Errorf("with pages of %v, the %s list differs", sizes, direction)
					}
				}
			}
		})
	}
}

func TestPageSizeMayChange(t *testing.T) {
	e := emulator.New(emulator.Options{Users: 300})
	cursor := *read(t, e, url.Values{"page_size": {"11"}}).Next
	all := ids(walk(t, e, nil, 100))
	for _, size := range []int{1, 2, 50, 100, 11} {
		p := read(t, e, url.Values{"cursor": {cursor}, "page_size": {strconv.Itoa(size)}})
		if !slices.Equal(ids(p.Users), all[11:11+size]) {
			t.Errorf("with size %d, got %v", size, ids(p.Users))
		}
	}
}

// calls returns n conversations of a small world: so few users, agents and
// seconds that ties are frequent.
func calls(n int) []emulator.Conversation {
	r := rand.New(rand.NewPCG(7, 7))
	all := make([]emulator.Conversation, n)
	for i := range all {
		agent := r.IntN(3)
		all[i] = emulator.Conversation{
			ID: fmt.Sprintf("conv_%06d", r.IntN(n)*n+i), UserID: fmt.Sprintf("u%d", r.IntN(n/6)),
			AgentID: fmt.Sprintf("agent_%d", agent), AgentName: []string{"", "One", "Two"}[agent],
			BranchID: fmt.Sprintf("b%d", r.IntN(2)), StartedAt: time.Unix(int64(1000+r.IntN(60)), 0),
		}
		if r.IntN(3) > 0 {
			all[i].Sentiment = &emulator.Sentiment{Score: float64(r.IntN(9)-4) / 4, Frustration: float64(r.IntN(17)) / 16}
		}
	}
	return all
}

func TestUsersAreSumsOfConversations(t *testing.T) {
	all := calls(240)
	e := emulator.New(emulator.Options{Users: -1})
	for _, c := range all {
		e.Record(c)
	}
	for name, c := range map[string]struct {
		parameters url.Values
		selects    func(emulator.Conversation) bool
	}{
		"everything": {nil, func(emulator.Conversation) bool { return true }},
		"an agent":   {url.Values{"agent_id": {"agent_1"}}, func(c emulator.Conversation) bool { return c.AgentID == "agent_1" }},
		"an alias":   {url.Values{"agent_id": {"seng_1"}}, func(c emulator.Conversation) bool { return c.AgentID == "agent_1" }},
		"a branch":   {url.Values{"branch_id": {"b0"}}, func(c emulator.Conversation) bool { return c.BranchID == "b0" }},
		"no branch":  {url.Values{"branch_id": {"b9"}}, func(emulator.Conversation) bool { return false }},
		"a user":     {url.Values{"search": {"u7"}}, func(c emulator.Conversation) bool { return c.UserID == "u7" }},
		"after":      {url.Values{"call_start_after_unix": {"1030"}}, func(c emulator.Conversation) bool { return c.StartedAt.Unix() > 1030 }},
		"before":     {url.Values{"call_start_before_unix": {"1030"}}, func(c emulator.Conversation) bool { return c.StartedAt.Unix() <= 1030 }},
		"a second": {url.Values{"call_start_after_unix": {"1029"}, "call_start_before_unix": {"1030"}},
			func(c emulator.Conversation) bool { return c.StartedAt.Unix() == 1030 }},
		"an empty time": {url.Values{"call_start_after_unix": {"1030"}, "call_start_before_unix": {"1029"}}, func(emulator.Conversation) bool { return false }},
		"all at once": {url.Values{"agent_id": {"agent_2"}, "branch_id": {"b1"}, "search": {"u3"}, "call_start_after_unix": {"1001"}, "call_start_before_unix": {"1055"}},
			func(c emulator.Conversation) bool {
				return c.AgentID == "agent_2" && c.BranchID == "b1" && c.UserID == "u3" && c.StartedAt.Unix() > 1001 && c.StartedAt.Unix() <= 1055
			}},
	} {
		t.Run(name, func(t *testing.T) {
			want := make(map[string][]emulator.Conversation)
			for _, call := range all {
				if c.selects(call) {
					want[call.UserID] = append(want[call.UserID], call)
				}
			}
			got := walk(t, e, c.parameters, 9)
			if len(got) != len(want) {
				t.Errorf("%d users, want %d", len(got), len(want))
			}
			for _, u := range got {
				compare(t, u, want[u.ID])
			}
		})
	}
}

// compare computes a user's numbers again, in the simplest way.
func compare(t *testing.T, u user, calls []emulator.Conversation) {
	t.Helper()
	if len(calls) == 0 {
		t.Errorf("%s was not expected", u.ID)
		return
	}
	slices.SortFunc(calls, func(a, b emulator.Conversation) int {
		return cmp.Or(a.StartedAt.Compare(b.StartedAt), cmp.Compare(a.ID, b.ID))
	})
	first, last := calls[0], calls[len(calls)-1]
	if u.Count != len(calls) || u.First != first.StartedAt.Unix() || u.Last != last.StartedAt.Unix() ||
		u.ConversationID != last.ID || u.AgentID == nil || *u.AgentID != last.AgentID ||
		(u.AgentName == nil) != (last.AgentName == "") || u.AgentName != nil && *u.AgentName != last.AgentName {
		t.Errorf("%+v does not end with %+v", u, last)
	}
	var scored []emulator.Conversation
	for _, c := range calls {
		if c.Sentiment != nil {
			scored = append(scored, c)
		}
	}
	want := make(map[string]any)
	addUp(want, "", scored)
	addUp(want, "recent_", scored[max(0, len(scored)-5):])
	if len(u.Sentiment) != len(want) {
		t.Errorf("%s: %d numbers in %v", u.ID, len(u.Sentiment), u.Sentiment)
	}
	for name, value := range want {
		number, isNumber := value.(float64)
		got, gotNumber := u.Sentiment[name].(float64)
		if isNumber != gotNumber || math.Abs(number-got) > 1e-9 {
			t.Errorf("%s: %s is %v, want %v", u.ID, name, u.Sentiment[name], value)
		}
	}
	if len(u.MostFrustrated) > 3 || len(u.MostFrustrated) == 0 && slices.ContainsFunc(scored, func(c emulator.Conversation) bool { return c.Sentiment.Frustration > 0.5 }) {
		t.Errorf("%s: %d frustrated conversations", u.ID, len(u.MostFrustrated))
	}
	for i, f := range u.MostFrustrated {
		at := slices.IndexFunc(scored, func(c emulator.Conversation) bool { return c.ID == f.ID })
		if at < 0 || f.Frustration != scored[at].Sentiment.Frustration || f.Score != scored[at].Sentiment.Score ||
			f.AgentID != scored[at].AgentID || f.Start != scored[at].StartedAt.Unix() ||
			f.Label != label(f.Score) || i > 0 && f.Frustration > u.MostFrustrated[i-1].Frustration {
			t.Errorf("%s: %+v is wrong", u.ID, f)
		}
	}
	for _, c := range scored { // no conversation that was left out has more frustration
		if n := len(u.MostFrustrated); n == 3 && c.Sentiment.Frustration > u.MostFrustrated[2].Frustration &&
			!slices.ContainsFunc(u.MostFrustrated, func(f frustrated) bool { return f.ID == c.ID }) {
			t.Errorf("%s: %s is left out", u.ID, c.ID)
		}
	}
}

// addUp adds the six numbers of scored conversations to a map.
func addUp(to map[string]any, prefix string, scored []emulator.Conversation) {
	count := map[string]float64{}
	var score, frustration float64
	for _, c := range scored {
		count[label(c.Sentiment.Score)]++
		score += c.Sentiment.Score
		frustration += c.Sentiment.Frustration
	}
	to[prefix+"scored_conversation_count"] = float64(len(scored))
	for _, label := range []string{"positive", "neutral", "negative"} {
		to[prefix+label+"_count"] = count[label]
	}
	to[prefix+"average_sentiment_score"], to[prefix+"average_frustration_score"] = any(nil), any(nil)
	if n := float64(len(scored)); n > 0 {
		to[prefix+"average_sentiment_score"], to[prefix+"average_frustration_score"] = score/n, frustration/n
	}
}

// label returns the label of a score that is a multiple of a quarter: 0 is
// neutral.
func label(score float64) string {
	switch {
	case score > 0:
		return "positive"
	case score < 0:
		return "negative"
	}
	return "neutral"
}

func TestFiltersPartitionConversations(t *testing.T) {
	e := emulator.New(emulator.Options{Users: -1})
	for _, c := range calls(240) {
		e.Record(c)
	}
	count := func(parameters url.Values) (n int) {
		for _, u := range walk(t, e, parameters, 100) {
			n += u.Count
		}
		return n
	}
	for name, parts := range map[string][]url.Values{
		"agents":   {{"agent_id": {"agent_0"}}, {"agent_id": {"agent_1"}}, {"agent_id": {"agent_2"}}},
		"branches": {{"branch_id": {"b0"}}, {"branch_id": {"b1"}}},
		"times":    {{"call_start_before_unix": {"1020"}}, {"call_start_after_unix": {"1020"}}},
	} {
		sum := 0
		for _, part := range parts {
			sum += count(part)
		}
		if sum != 240 {
			t.Errorf("the %s have %d conversations, want 240", name, sum)
		}
	}
}

func TestChurn(t *testing.T) {
	e := emulator.New(emulator.Options{Users: 200})
	before := ids(walk(t, e, nil, 100))
	moved := make(map[string]bool)
	now := time.Date(2027, 1, 1, 0, 0, 0, 0, time.UTC)
	var got []string
	parameters := url.Values{"page_size": {"10"}}
	for i := 0; ; i++ {
		p := read(t, e, parameters)
		got = append(got, ids(p.Users)...)
		if !*p.HasMore {
			break
		}
		parameters.Set("cursor", *p.Next)
		// Three users call again: one who was read, one who was not, and the last
		// user of the page.
		for j, id := range []string{before[i*10], before[199-i], p.Users[len(p.Users)-1].ID} {
			moved[id] = true
			e.Record(emulator.Conversation{ID: fmt.Sprintf("conv_new%d_%d", i, j), UserID: id, AgentID: "agent_new", StartedAt: now.Add(time.Duration(i*3+j) * time.Second)})
		}
	}
	stayed := func(all []string) []string {
		return slices.DeleteFunc(slices.Clone(all), func(id string) bool { return moved[id] })
	}
	if !slices.Equal(stayed(got), stayed(before)) {
		t.Errorf("got %v\nwant %v", stayed(got), stayed(before))
	}
	if now := read(t, e, url.Values{"page_size": {"1"}}).Users[0]; !moved[now.ID] {
		t.Errorf("the first is %s, who did not call again", now.ID)
	}
}

func TestRecordDuringRequests(t *testing.T) {
	e := emulator.New(emulator.Options{Users: 100})
	var wg sync.WaitGroup
	for i := range 4 {
		wg.Go(func() {
			for j := range 25 {
				e.Record(emulator.Conversation{ID: fmt.Sprintf("conv_%d_%d", i, j), UserID: fmt.Sprintf("new%d", i), AgentID: "agent_new", StartedAt: time.Unix(int64(j), 0)})
				if u := read(t, e, url.Values{"search": {fmt.Sprintf("new%d", i)}}).Users; len(u) != 1 || u[0].Count != j+1 {
					t.Errorf("after %d conversations: %+v", j+1, u)
				}
			}
		})
		wg.Go(func() {
			for range 10 {
				walk(t, e, url.Values{"sort_by": {"conversation_count"}}, 20+i)
			}
		})
	}
	wg.Wait()
	if got := len(walk(t, e, url.Values{"agent_id": {"agent_new"}}, 100)); got != 4 {
		t.Errorf("the new agent has %d users", got)
	}
}

func TestFractionsOfSeconds(t *testing.T) {
	e := emulator.New(emulator.Options{Users: -1})
	for i := range 9 {
		e.Record(emulator.Conversation{ID: fmt.Sprintf("conv_%d", i), UserID: fmt.Sprintf("u%d", i), AgentID: "seng_1", StartedAt: time.Unix(1000, int64(i)*1e8)})
	}
	if got := ids(walk(t, e, url.Values{"agent_id": {"agent_1"}}, 1)); len(got) != 9 {
		t.Errorf("got %v", got)
	}
	if got := walk(t, e, url.Values{"call_start_before_unix": {"1000"}}, 4); len(got) != 9 {
		t.Errorf("%d users up to the second, want 9", len(got))
	}
}
