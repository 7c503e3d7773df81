package emulator

import (
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"fmt"
)

// cursorForm is a cursor's content: the last user of a page by what the list
// is ordered by. So pages do not shift when others move (keyset paging, which
// is a guess at what the upstream does).
type cursorForm struct {
	UserID string   `json:"u"`
	Last   int64    `json:"l,omitempty"`
	Count  int      `json:"n,omitempty"`
	Score  *float64 `json:"s,omitempty"`
	Seal   string   `json:"x"`
}

func sealCursor(last user, list listKey, key string) string {
	form := cursorForm{UserID: last.id}
	switch list.sortBy {
	case byCount:
		form.Count = last.count
	case byScore:
		form.Score = last.overall.averageSentiment()
	default:
		form.Last = last.last.StartedAt.Unix()
	}
	form.Seal = form.seal(list, key)
	text, _ := json.Marshal(form) // of strings and finite numbers
	return base64.RawURLEncoding.EncodeToString(text)
}

// openCursor returns a user that stands where the cursor's did. It reports
// false for a cursor of another list or key, and for one that it never made.
func openCursor(cursor string, list listKey, key string) (last user, ok bool) {
	text, err := base64.RawURLEncoding.DecodeString(cursor)
	if err != nil {
		return user{}, false
	}
	var form cursorForm
	if json.Unmarshal(text, &form) != nil || form.Seal != form.seal(list, key) {
		return user{}, false
	}
	last = user{id: form.UserID, count: form.Count}
	last.last.StartedAt = unix(form.Last)
	if form.Score != nil {
		last.overall = summary{scored: 1, sentiment: *form.Score}
	}
	return last, true
}

// seal binds a cursor to its list and to the API key.
func (f cursorForm) seal(list listKey, key string) string {
	f.Seal = ""
	text, _ := json.Marshal(f)
	sum := sha256.Sum256(fmt.Appendf(nil, "%s\x00%+v\x00%q", text, list, key))
	return base64.RawURLEncoding.EncodeToString(sum[:6])
}
