package transport_test

import (
	"encoding/json"
	"fmt"
	"strconv"
	"strings"
	"testing"

	"rollcall/graph"
	"rollcall/graph/internal/graphtest"
	"rollcall/graph/persisted"
)

const (
	usersText = "query Users($n: Int!) {\n  users(first: $n) {\n    nodes { userId }\n  }\n}\n"
	idOfUsers = "web~1~users"
)

// trusting returns a service with three trusted documents.
func trusting(t *testing.T, mode graph.TrustMode, o graphtest.Options) watched {
	t.Helper()
	w := newWatched(t, o)
	err := w.Executor.Trust(mode, []persisted.Document{
		{File: "web.json", ID: idOfUsers, Text: usersText},
		{File: "web.json", ID: "sha256:" + hashOf(typename), Text: typename},
		{File: "web.json", ID: "two", Text: "query A { a: __typename } query B { b: __typename }"},
	})
	if err != nil {
		t.Fatal(err)
	}
	return w
}

// body returns a request's body. Members are names and values in turn.
func body(members ...any) string {
	m := make(map[string]any)
	for i := 0; i < len(members); i += 2 {
		m[members[i].(string)] = members[i+1]
	}
	text, _ := json.Marshal(m)
	return string(text)
}

func TestTrustedDocuments(t *testing.T) {
	const (
		typenameOK = typenameData
		notInList  = "PERSISTED_QUERY_NOT_IN_LIST"
		idRequired = "PERSISTED_QUERY_ID_REQUIRED"
		safelist   = "QUERY_NOT_IN_SAFELIST"
		notFound   = "PERSISTED_QUERY_NOT_FOUND"
		off        = "PERSISTED_QUERY_NOT_SUPPORTED"
		badInput   = "BAD_USER_INPUT"
	)
	one := map[string]any{"n": 1}
	hash := hashOf(typename)
	other := "{ other: __typename }"
	otherData := `{"data":{"other":"Query"}}`
	for name, c := range map[string]struct {
		body                   string
		only, safelist, prefer string // a part of the response
		automatic              string // with prefer and automatic persisted queries; default: as prefer
	}{
		"an ID":                                 {body("documentId", idOfUsers, "variables", one), `"userId"`, `"userId"`, `"userId"`, ""},
		"Relay's member":                        {body("doc_id", idOfUsers, "variables", one), `"userId"`, `"userId"`, `"userId"`, ""},
		"Apollo's extension":                    {withHash(idOfUsers, ""), "$n", "$n", "$n", ""},
		"a hash":                                {withHash(hash, ""), typenameOK, typenameOK, typenameOK, ""},
		"a hash with its prefix":                {body("documentId", "sha256:"+hash), typenameOK, typenameOK, typenameOK, ""},
		"a hash without its prefix":             {body("documentId", hash), typenameOK, typenameOK, typenameOK, ""},
		"an operation of a document":            {body("documentId", "two", "operationName", "B"), `{"data":{"b":"Query"}}`, `{"data":{"b":"Query"}}`, `{"data":{"b":"Query"}}`, ""},
		"an ID and its text":                    {body("documentId", hash, "query", typename), typenameOK, typenameOK, typenameOK, ""},
		"an ID and its text, printed otherwise": {body("documentId", "two", "query", "query A{a:__typename}\nquery B{b:__typename}", "operationName", "A"), `"a":"Query"`, `"a":"Query"`, `"a":"Query"`, ""},
		"an ID and another text":                {body("documentId", idOfUsers, "query", other), badInput, badInput, badInput, ""},
		"a hash and another text":               {withHash(hash, other), badInput, badInput, badInput, ""},
		"two IDs":                               {body("documentId", idOfUsers, "doc_id", "two"), badInput, badInput, badInput, ""},
		"an unknown ID":                         {body("documentId", "web~2~users"), notInList, notInList, off, notFound},
		"an unknown hash":                       {withHash(hashOf(other), ""), notInList, notInList, off, notFound},
		"an unknown hash and its text":          {withHash(hashOf(other), other), notInList, safelist, otherData, ""},
		"an unknown hash of a known text":       {withHash(hashOf(usersText), usersText), notInList, "$n", "$n", ""},
		"a known text":                          {body("query", typename), idRequired, typenameOK, typenameOK, ""},
		"a known text, printed otherwise":       {body("query", "#comment\n{__typename,}"), idRequired, typenameOK, typenameOK, ""},
		"another text":                          {body("query", other), idRequired, safelist, otherData, ""},
		"a known text with something after":     {body("query", typename+" ?"), idRequired, safelist, "GRAPHQL_PARSE_FAILED", ""},
		"introspection":                         {body("query", "{ __schema { queryType { name } } }"), idRequired, safelist, `"queryType"`, ""},
		"a router's request for the schema":     {body("query", "{ _service { sdl } }"), idRequired, safelist, `"sdl"`, ""},
		"nothing":                               {body(), idRequired, badInput, badInput, ""},
	} {
		for mode, want := range map[graph.TrustMode]string{graph.TrustOnly: c.only, graph.TrustSafelist: c.safelist, graph.TrustPrefer: c.prefer, "automatic": c.automatic} {
			t.Run(fmt.Sprintf("%s, %s", name, mode), func(t *testing.T) {
				options := graphtest.Options{}
				if mode == "automatic" {
					options.Graph = automatic
					mode = graph.TrustPrefer
					if want == "" {
						want = c.prefer
					}
				}
				s := trusting(t, mode, options)
				w := s.Post(c.body)
				if !strings.Contains(w.Body.String(), want) {
					t.Errorf("got %d %s, want %s", w.Code, w.Body, want)
				}
				if strings.Contains(want, notInList) && strings.Contains(w.Body.String(), "PersistedQueryNotFound") {
					t.Errorf("clients would send the text: %s", w.Body)
				}
				if refused := strings.HasPrefix(want, "PERSISTED_QUERY_NOT_IN") || want == idRequired || want == safelist; refused != strings.Contains(s.Log.String(), "refused=untrusted_document") {
					t.Errorf("logged %s", s.Log)
				}
			})
		}
	}
}

func TestTrustedDocumentsInURL(t *testing.T) {
	s := trusting(t, graph.TrustOnly, graphtest.Options{})
	if got := send(s.Service, "GET", inURL("documentId", idOfUsers, "variables", `{"n":1}`)).Body.String(); !strings.Contains(got, `"userId"`) {
		t.Errorf("got %s", got)
	}
	wantError(t, send(s.Service, "GET", inURL("query", typename)).Body.Bytes(), "PERSISTED_QUERY_ID_REQUIRED", "")
}

// TestTrustedDocumentsWithAutomatic registers the hash of a document that is trusted
// by another ID.
func TestTrustedDocumentsWithAutomatic(t *testing.T) {
	s := trusting(t, graph.TrustPrefer, graphtest.Options{Graph: automatic})
	for _, text := range []string{usersText, "{ other: __typename }"} {
		wantError(t, s.Post(withHash(hashOf(text), "")).Body.Bytes(), "PERSISTED_QUERY_NOT_FOUND", "PersistedQueryNotFound")
		s.Post(withHash(hashOf(text), text))
		if got := s.Post(withHash(hashOf(text), "")).Body.String(); strings.Contains(got, "PERSISTED") {
			t.Errorf("%s: %s", text, got)
		}
	}
}

// TestTrustedDocumentByAnotherHash sends a document of the list as another client
// prints it, by the hash of that print.
func TestTrustedDocumentByAnotherHash(t *testing.T) {
	s := trusting(t, graph.TrustPrefer, graphtest.Options{Graph: automatic})
	printed := strings.Join(strings.Fields(usersText), " ")
	s.Post(withHash(hashOf(printed), printed))
	s.Log.Reset()
	s.Post(withHash(hashOf(printed), ""))
	if log := s.Log.String(); !strings.Contains(log, "document_id="+idOfUsers) || strings.Contains(log, "trusted=false") {
		t.Errorf("logged %s", log)
	}
}

func TestTrustedDocumentsAreChecked(t *testing.T) {
	long := "{" + strings.Repeat(" __typename", 1001) + " }"
	for name, c := range map[string]struct{ text, want string }{
		"not GraphQL":          {"{", "GRAPHQL_PARSE_FAILED"},
		"an unknown field":     {"{ canary }", "GRAPHQL_VALIDATION_FAILED in line 1: Cannot query field"},
		"a mutation":           {"mutation { canary }", "GRAPHQL_VALIDATION_FAILED"},
		"beyond the limits":    {long, "OPERATION_TOO_COMPLEX: The document has more than 1000 tokens."},
		"too many root fields": {"{" + strings.Repeat(" __typename", 21) + " }", "OPERATION_TOO_COMPLEX"},
	} {
		t.Run(name, func(t *testing.T) {
			s := trusting(t, graph.TrustOnly, graphtest.Options{})
			err := s.Executor.Trust(graph.TrustOnly, []persisted.Document{{File: "good.json", ID: "good", Text: typename}, {File: "bad.json", ID: "bad", Text: c.text}})
			if err == nil || !strings.HasPrefix(err.Error(), `bad.json: document "bad": `) || !strings.Contains(err.Error(), c.want) {
				t.Errorf("got %v", err)
			}
			if got := s.Post(body("documentId", idOfUsers, "variables", map[string]any{"n": 1})).Body.String(); !strings.Contains(got, `"userId"`) {
				t.Errorf("the previous documents are gone: %s", got)
			}
			wantError(t, s.Post(body("documentId", "good")).Body.Bytes(), "PERSISTED_QUERY_NOT_IN_LIST", "")
		})
	}
	t.Run("an error names a few documents", func(t *testing.T) {
		s := trusting(t, graph.TrustOnly, graphtest.Options{})
		var documents []persisted.Document
		for i := range 1000 {
			documents = append(documents, persisted.Document{File: "bad.json", ID: strconv.Itoa(i), Text: "{ canary }"})
		}
		if err := s.Executor.Trust(graph.TrustOnly, documents); err == nil || !strings.Contains(err.Error(), "995 more documents") {
			t.Errorf("got %v", err)
		}
	})
	t.Run("the cost is checked with each request", func(t *testing.T) {
		s := trusting(t, graph.TrustOnly, graphtest.Options{Graph: func(c *graph.Config) { c.Limits.Cost = 10 }})
		wantError(t, s.Post(body("documentId", idOfUsers, "variables", map[string]any{"n": 11})).Body.Bytes(), "OPERATION_TOO_COMPLEX", "")
	})
	t.Run("a change removes documents", func(t *testing.T) {
		s := trusting(t, graph.TrustOnly, graphtest.Options{})
		if err := s.Executor.Trust(graph.TrustOnly, []persisted.Document{{File: "web.json", ID: "new", Text: typename}}); err != nil {
			t.Fatal(err)
		}
		wantError(t, s.Post(body("documentId", idOfUsers)).Body.Bytes(), "PERSISTED_QUERY_NOT_IN_LIST", "")
		if got := s.Post(body("documentId", "new")).Body.String(); got != typenameData {
			t.Errorf("got %s", got)
		}
	})
}

func TestTrustedDocumentsAreNamed(t *testing.T) {
	s := trusting(t, graph.TrustPrefer, graphtest.Options{})
	request := func(body, logged string) {
		t.Helper()
		s.Log.Reset()
		s.Post(body)
		if !strings.Contains(s.Log.String(), logged) {
			t.Errorf("logged %s, want %s", s.Log, logged)
		}
	}
	request(body("documentId", idOfUsers, "variables", map[string]any{"n": 1}), "document_id="+idOfUsers)
	request(body("documentId", hashOf(typename)), "document_id=sha256:"+hashOf(typename)) // as the file has it
	request(body("query", usersText), "document_id="+idOfUsers)
	request(body("query", "{ canary: __typename }"), "trusted=false")
	request(body("documentId", "canary"), "refused=unknown_document")
	spans := make(map[string]int)
	for _, span := range s.spans.Ended() {
		spans[tags(span)["rollcall.document.id"]]++
	}
	if spans[idOfUsers] != 2 || spans["sha256:"+hashOf(typename)] != 1 {
		t.Errorf("the spans are %v", spans)
	}
	metrics := s.metrics()
	if metrics["rollcall.document.duration{document_id="+idOfUsers+"}"] != 2 || metrics["rollcall.document.duration{document_id=sha256:"+hashOf(typename)+"}"] != 1 {
		t.Errorf("the metrics are %v", metrics)
	}
	for series := range metrics {
		if strings.Contains(series, "canary") {
			t.Errorf("a caller has chosen a label: %s", series)
		}
	}
	t.Run("no more than a thousand labels", func(t *testing.T) {
		s := newWatched(t, graphtest.Options{})
		var documents []persisted.Document
		for i := range 1005 {
			documents = append(documents, persisted.Document{ID: fmt.Sprint("d", i), Text: fmt.Sprintf("{ a%d: __typename }", i)})
		}
		if err := s.Executor.Trust(graph.TrustOnly, documents); err != nil {
			t.Fatal(err)
		}
		for _, d := range documents {
			s.Post(body("documentId", d.ID))
		}
		labels := 0
		for series := range s.metrics() {
			if strings.HasPrefix(series, "rollcall.document.duration") {
				labels++
			}
		}
		if labels != 1001 || s.metrics()["rollcall.document.duration{document_id=other}"] != 5 {
			t.Errorf("%d labels", labels)
		}
	})
}
