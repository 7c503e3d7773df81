package emulator_test

import (
	"encoding/base64"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"

	"rollcall/upstream/emulator"
)

func TestRefusals(t *testing.T) {
	e := emulator.New(emulator.Options{Users: 20, Keys: []string{"good-key", "other-key"}})
	for name, c := range map[string]struct {
		method, path, key string // GET, the endpoint and good-key if empty
		parameters        url.Values
		status            int
		detail            string // JSON; R stands for the trace ID, and "message" is not compared
	}{
		"no key":               {key: "-", status: 401, detail: `{"type":"authentication_error","code":"needs_authorization","status":"needs_authorization","request_id":"R"}`},
		"an unknown key":       {key: "bad-key", status: 401, detail: `{"type":"authentication_error","code":"invalid_api_key","status":"invalid_api_key","request_id":"R"}`},
		"a key with a space":   {key: "bad key", status: 400, detail: `{"type":"authentication_error","code":"invalid_api_key","status":"invalid_api_key","request_id":"R"}`},
		"a key with a control": {key: "bad\x01key", status: 400, detail: `{"type":"authentication_error","code":"invalid_api_key","status":"invalid_api_key","request_id":"R"}`},
		"a key of 257":         {key: strings.Repeat("k", 257), status: 400, detail: `{"type":"authentication_error","code":"invalid_api_key","status":"invalid_api_key","request_id":"R"}`},
		"an unknown agent":     {parameters: url.Values{"agent_id": {"agent_nobody"}}, status: 404, detail: `{"type":"not_found","code":"document_not_found","status":"document_not_found","request_id":"R"}`},
		"a made-up cursor":     {parameters: url.Values{"cursor": {"made up"}}, status: 400, detail: `{"type":"invalid_request","code":"invalid_cursor","status":"invalid_cursor","request_id":"R","param":"cursor"}`},
		"another path":         {path: "/v1/convai/agents", status: 404, detail: `"Not Found"`},
		"a longer path":        {path: "/v1/convai/users/", status: 404, detail: `"Not Found"`},
		"a POST":               {method: http.MethodPost, status: 405, detail: `"Method Not Allowed"`},
		"a HEAD":               {method: http.MethodHead, status: 405, detail: `"Method Not Allowed"`},
		"a page size of 0": {parameters: url.Values{"page_size": {"0"}}, status: 422,
			detail: `[{"type":"greater_than_equal","loc":["query","page_size"],"msg":"Input should be greater than or equal to 1","input":"0","ctx":{"ge":1}}]`},
		"a page size of 101": {parameters: url.Values{"page_size": {"101"}}, status: 422,
			detail: `[{"type":"less_than_equal","loc":["query","page_size"],"msg":"Input should be less than or equal to 100","input":"101","ctx":{"le":100}}]`},
		"a page size beyond int64": {parameters: url.Values{"page_size": {"99999999999999999999"}}, status: 422,
			detail: `[{"type":"less_than_equal","loc":["query","page_size"],"msg":"Input should be less than or equal to 100","input":"99999999999999999999","ctx":{"le":100}}]`},
		"all faults at once": {parameters: url.Values{"page_size": {"ten"}, "sort_by": {"shoe_size"}, "sort_direction": {"up"}, "call_start_after_unix": {"1.5"}, "call_start_before_unix": {"now"}, "cursor": {"x"}}, status: 422,
			detail: `[{"type":"int_parsing","loc":["query","call_start_before_unix"],"msg":"Input should be a valid integer, unable to parse string as an integer","input":"now"},
				{"type":"int_parsing","loc":["query","call_start_after_unix"],"msg":"Input should be a valid integer, unable to parse string as an integer","input":"1.5"},
				{"type":"int_parsing","loc":["query","page_size"],"msg":"Input should be a valid integer, unable to parse string as an integer","input":"ten"},
				{"type":"enum","loc":["query","sort_by"],"msg":"Input should be 'last_contact_unix_secs', 'conversation_count' or 'average_sentiment_score'","input":"shoe_size","ctx":{"expected":"'last_contact_unix_secs', 'conversation_count' or 'average_sentiment_score'"}},
				{"type":"enum","loc":["query","sort_direction"],"msg":"Input should be 'asc' or 'desc'","input":"up","ctx":{"expected":"'asc' or 'desc'"}}]`},
	} {
		t.Run(name, func(t *testing.T) {
			method, path, key := c.method, c.path, c.key
			if method == "" {
				method = http.MethodGet
			}
			if path == "" {
				path = "/v1/convai/users"
			}
			r := httptest.NewRequest(method, path+"?"+c.parameters.Encode(), nil)
			switch key {
			case "-":
			case "":
				r.Header.Set("xi-api-key", "good-key")
			default:
				r.Header.Set("xi-api-key", key)
			}
			w := httptest.NewRecorder()
			e.ServeHTTP(w, r)

			var body struct{ Detail any }
			if err := json.Unmarshal(w.Body.Bytes(), &body); err != nil {
				t.Fatalf("%s: %v", w.Body, err)
			}
			trace := w.Header().Get("x-trace-id")
			if object, is := body.Detail.(map[string]any); is {
				if message, _ := object["message"].(string); message == "" {
					t.Error("there is no message")
				}
				delete(object, "message")
			}
			got, _ := json.Marshal(body.Detail)
			if want := normal(t, strings.Replace(c.detail, `"R"`, `"`+trace+`"`, 1)); w.Code != c.status || string(got) != want || trace == "" {
				t.Errorf("%d %s\nwant %d %s", w.Code, got, c.status, want)
			}
			if c.status == 405 && w.Header().Get("Allow") != "GET" {
				t.Errorf("Allow is %q", w.Header().Get("Allow"))
			}
		})
	}
}

func normal(t *testing.T, text string) string {
	t.Helper()
	var v any
	if err := json.Unmarshal([]byte(text), &v); err != nil {
		t.Fatal(err)
	}
	b, _ := json.Marshal(v)
	return string(b)
}

func TestCursorBelongsToItsList(t *testing.T) {
	e := emulator.New(emulator.Options{Users: -1})
	for _, c := range calls(240) {
		e.Record(c)
	}
	home := url.Values{"agent_id": {"agent_1"}, "call_start_after_unix": {"1001"}, "page_size": {"3"}}
	cursor := *read(t, e, home).Next
	for name, c := range map[string]struct {
		key        string // a-key if empty
		parameters url.Values
		status     int
	}{
		"its own list":      {"", home, 200},
		"another size":      {"", with(home, "page_size", "50"), 200},
		"the alias":         {"", with(home, "agent_id", "seng_1"), 200},
		"another agent":     {"", with(home, "agent_id", "agent_2"), 400},
		"another branch":    {"", with(home, "branch_id", "b0"), 400},
		"another time":      {"", with(home, "call_start_after_unix", "1002"), 400},
		"another end":       {"", with(home, "call_start_before_unix", "1050"), 400},
		"another search":    {"", with(home, "search", "u1"), 400},
		"another sort":      {"", with(home, "sort_by", "conversation_count"), 400},
		"another direction": {"", with(home, "sort_direction", "asc"), 400},
		"another key":       {"other-key", home, 400},
		"no filter at all":  {"", url.Values{}, 400},
	} {
		t.Run(name, func(t *testing.T) {
			key := c.key
			if key == "" {
				key = "a-key"
			}
			if w := getAs(e, key, with(c.parameters, "cursor", cursor)); w.Code != c.status {
				t.Errorf("%d %s", w.Code, w.Body)
			}
		})
	}
}

func TestForgedCursors(t *testing.T) {
	e := emulator.New(emulator.Options{Users: 100})
	for _, sort := range []string{"last_contact_unix_secs", "conversation_count", "average_sentiment_score"} {
		cursor := *read(t, e, url.Values{"sort_by": {sort}, "page_size": {"3"}}).Next
		raw, err := base64.RawURLEncoding.DecodeString(cursor)
		if err != nil {
			t.Fatalf("%s is not base64url: %v", cursor, err)
		}
		var forged []string
		for i := range raw {
			raw[i] ^= 1
			forged = append(forged, base64.RawURLEncoding.EncodeToString(raw))
			raw[i] ^= 1
			forged = append(forged, base64.RawURLEncoding.EncodeToString(raw[:i]))
		}
		forged = append(forged[2:], cursor+"A", cursor+"=", " "+cursor, forged[0])
		for _, f := range forged {
			if f == "" {
				continue
			}
			if w := get(e, url.Values{"sort_by": {sort}, "cursor": {f}}); w.Code != http.StatusBadRequest {
				t.Errorf("%s: %d %s", f, w.Code, w.Body)
			}
		}
	}
}
