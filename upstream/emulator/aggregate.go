package emulator

import (
	"cmp"
	"math"
	"slices"
	"time"
)

// Conversation is one conversation of a user with an agent.
type Conversation struct {
	ID        string
	UserID    string
	AgentID   string // agent_…
	AgentName string // empty where the upstream would not say
	BranchID  string
	StartedAt time.Time // in whole seconds
	Sentiment *Sentiment
}

// Sentiment is how a conversation was scored; a conversation without one was not.
type Sentiment struct {
	Score       float64 // -1 to 1
	Frustration float64 // 0 to 1
}

// label is the sentiment in a word. Where its borders are is a guess.
func (s *Sentiment) label() string {
	switch {
	case s.Score > 0.2:
		return "positive"
	case s.Score < -0.2:
		return "negative"
	}
	return "neutral"
}

// user is a user over the conversations of a list.
type user struct {
	id              string
	count           int
	first, last     Conversation
	overall, recent summary
	frustrated      []Conversation
}

// summary sums up scored conversations.
type summary struct {
	scored, positive, neutral, negative int
	sentiment, frustration              float64 // sums
}

func (s *summary) add(c Sentiment) {
	s.scored++
	s.sentiment += c.Score
	s.frustration += c.Frustration
	switch c.label() {
	case "positive":
		s.positive++
	case "neutral":
		s.neutral++
	default:
		s.negative++
	}
}

// averageSentiment is nil where nothing was scored.
func (s summary) averageSentiment() *float64   { return average(s.sentiment, s.scored) }
func (s summary) averageFrustration() *float64 { return average(s.frustration, s.scored) }

func average(sum float64, n int) *float64 {
	if n == 0 {
		return nil
	}
	v := sum / float64(n)
	return &v
}

const (
	recentScored  = 5 // how many conversations are recent: a guess
	mostFrustated = 3 // how many are listed: a guess
)

// selects reports whether a conversation counts. That the instants select
// conversations, and not users, is a guess; after is exclusive and before
// inclusive, as the reference page words them.
func (l listKey) selects(c *Conversation) bool {
	at := c.StartedAt.Unix()
	return (l.agentID == "" || c.AgentID == l.agentID) &&
		(l.branchID == "" || c.BranchID == l.branchID) &&
		(l.search == "" || c.UserID == l.search) &&
		(!l.after.set || at > l.after.unix) &&
		(!l.before.set || at <= l.before.unix)
}

// aggregate makes the users of a list from all conversations, in its order.
func aggregate(all []Conversation, key listKey) []user {
	byUser := make(map[string][]Conversation)
	for i := range all {
		if key.selects(&all[i]) {
			byUser[all[i].UserID] = append(byUser[all[i].UserID], all[i])
		}
	}
	list := make([]user, 0, len(byUser))
	for id, conversations := range byUser {
		list = append(list, newUser(id, conversations))
	}
	slices.SortFunc(list, key.compare)
	return list
}

func newUser(id string, conversations []Conversation) user {
	slices.SortStableFunc(conversations, func(a, b Conversation) int {
		return cmp.Or(b.StartedAt.Compare(a.StartedAt), cmp.Compare(b.ID, a.ID))
	})
	u := user{id: id, count: len(conversations), last: conversations[0], first: conversations[len(conversations)-1]}
	for _, c := range conversations {
		if c.Sentiment == nil {
			continue
		}
		if u.overall.scored < recentScored {
			u.recent.add(*c.Sentiment)
		}
		u.overall.add(*c.Sentiment)
		if c.Sentiment.Frustration > 0.5 {
			u.frustrated = append(u.frustrated, c)
		}
	}
	slices.SortStableFunc(u.frustrated, func(a, b Conversation) int {
		return cmp.Compare(b.Sentiment.Frustration, a.Sentiment.Frustration)
	})
	u.frustrated = u.frustrated[:min(len(u.frustrated), mostFrustated)]
	return u
}

// compare orders users: by the sort key, then by ID, so that no two are equal
// and one direction is the reverse of the other. That users without a score
// come last in descending order is a guess.
func (l listKey) compare(a, b user) int {
	var c int
	switch l.sortBy {
	case byCount:
		c = cmp.Compare(a.count, b.count)
	case byScore:
		c = cmp.Compare(orLowest(a.overall.averageSentiment()), orLowest(b.overall.averageSentiment()))
	default:
		c = a.last.StartedAt.Compare(b.last.StartedAt)
	}
	c = cmp.Or(c, cmp.Compare(a.id, b.id))
	if l.ascending {
		return c
	}
	return -c
}

func orLowest(score *float64) float64 {
	if score == nil {
		return math.Inf(-1)
	}
	return *score
}

func unix(seconds int64) time.Time { return time.Unix(seconds, 0).UTC() }
