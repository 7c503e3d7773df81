package document_test

import (
	"bytes"
	"encoding/json"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"

	"rollcall/graph/document"
)

// read reads a document and its variables, which are JSON.
func read(t *testing.T, r *document.Reader, text, variables string) (map[string]any, *document.Refusal) {
	t.Helper()
	d, refused := r.Read(text)
	if refused != nil {
		return nil, refused
	}
	operation, refused := d.Operation("")
	if refused != nil {
		return nil, refused
	}
	var given map[string]any
	decoder := json.NewDecoder(bytes.NewReader([]byte(variables)))
	decoder.UseNumber()
	if err := decoder.Decode(&given); err != nil {
		t.Fatal(err)
	}
	return r.Variables(d, operation, given)
}

// use returns a document that uses a variable $v of a type in a position of that
// type.
func use(declared string) string {
	kind := strings.Trim(strings.SplitN(declared, " ", 2)[0], "[]!")
	place := map[string]string{
		"Int": "users(first: $v)", "String": "users(after: $v)", "ID": "users(filter: {userId: $v})", "DateTime": "users(filter: {callStartedAfter: $v})",
		"ConversationUserSort": "users(sortBy: $v)", "ConversationUserFilter": "users(filter: $v)", "Boolean": "users @include(if: $v)",
		"Float": `_entities(representations: [{__typename: "User", x: $v}])`, "_Any": "_entities(representations: $v)",
	}[kind]
	if kind == "ID" && strings.HasPrefix(declared, "[") {
		place = "nodes(ids: $v)"
	}
	if kind == "_Any" && !strings.HasPrefix(declared, "[") {
		place = "_entities(representations: [$v])"
	}
	return "query($v: " + declared + ") { " + place + " { __typename } }"
}

func TestVariables(t *testing.T) {
	absent := any(struct{}{})
	for name, c := range map[string]struct {
		declared, given string // given is the value as JSON; "" if it is absent
		want            any
		message         string // of the refusal, if it is refused
	}{
		"an integer":                              {"Int", `5`, int64(5), ""},
		"an integer with a decimal point":         {"Int", `2.0`, int64(2), ""},
		"an integer with an exponent":             {"Int", `2e3`, int64(2000), ""},
		"the largest integer":                     {"Int", `2147483647`, int64(2147483647), ""},
		"an integer beyond 32 bits":               {"Int", `2147483648`, nil, "$v: must be an integer of 32 bits."},
		"an integer below 32 bits":                {"Int", `-2147483649.0`, nil, "$v: must be an integer of 32 bits."},
		"an integer beyond all numbers":           {"Int", `1e999`, nil, "$v: must be an integer of 32 bits, not a number with a fraction or an exponent."},
		"a fraction for Int":                      {"Int", `1.5`, nil, "$v: must be an integer of 32 bits, not a number with a fraction or an exponent."},
		"a string for Int":                        {"Int", `"2"`, nil, "$v: must be an integer of 32 bits, not a string."},
		"a boolean for Int":                       {"Int", `true`, nil, "$v: must be an integer of 32 bits, not a boolean."},
		"a list for Int":                          {"Int", `[1]`, nil, "$v: must be an integer of 32 bits, not a list."},
		"an object for Int":                       {"Int", `{}`, nil, "$v: must be an integer of 32 bits, not an object."},
		"null":                                    {"Int", `null`, nil, ""},
		"absent":                                  {"Int", ``, absent, ""},
		"null for a default":                      {"Int = 5", `null`, nil, ""},
		"absent for a default":                    {"Int = 5", ``, int64(5), ""},
		"null for a non-null type":                {"Int!", `null`, nil, "$v: cannot be null."},
		"absent for a non-null type":              {"Int!", ``, nil, "$v: must be defined."},
		"a default for a non-null type":           {"Int! = 5", ``, int64(5), ""},
		"a string":                                {"String", `"王"`, "王", ""},
		"a number for String":                     {"String", `5`, nil, "$v: must be a string, not an integer."},
		"a float":                                 {"Float", `1.5`, 1.5, ""},
		"an integer for Float":                    {"Float", `2`, 2.0, ""},
		"a string for Float":                      {"Float", `"1.5"`, nil, "$v: must be a number, not a string."},
		"a float beyond all numbers":              {"Float", `1e999`, nil, "$v: must be a number that a double can hold."},
		"a default that is an integer":            {"Float = 12345678901234567890", ``, 12345678901234567890.0, ""},
		"an ID":                                   {"ID", `"u"`, "u", ""},
		"an integer for ID":                       {"ID", `5`, "5", ""},
		"an integer of 20 digits for ID":          {"ID", `12345678901234567890`, "12345678901234567890", ""},
		"an integer with a decimal point for ID":  {"ID", `2.0`, "2", ""},
		"a fraction for ID":                       {"ID", `1.5`, nil, "$v: must be a string or an integer, not a number with a fraction or an exponent."},
		"a boolean for ID":                        {"ID", `false`, nil, "$v: must be a string or an integer, not a boolean."},
		"a default of 20 digits for ID":           {"ID = 12345678901234567890", ``, "12345678901234567890", ""},
		"a string for Boolean":                    {"Boolean!", `"true"`, nil, "$v: must be a boolean, not a string."},
		"null for a default that makes it valid":  {"Boolean = true", `null`, nil, "$v: cannot be null in the argument if."},
		"an enum value":                           {"ConversationUserSort", `"LAST_CONTACT"`, "LAST_CONTACT", ""},
		"an enum value in another case":           {"ConversationUserSort", `"last_contact"`, nil, "$v: must be LAST_CONTACT, CONVERSATION_COUNT, or AVERAGE_SENTIMENT_SCORE; upper and lower case differ."},
		"a number for an enum":                    {"ConversationUserSort", `0`, nil, "$v: must be an enum value, not an integer."},
		"an object for an enum":                   {"ConversationUserSort", `{}`, nil, "$v: must be an enum value, not an object."},
		"an instant":                              {"DateTime", `"2026-01-31T12:00:00Z"`, "2026-01-31T12:00:00Z", ""},
		"an invalid instant":                      {"DateTime", `"canary"`, nil, "$v: must be an instant in RFC 3339, such as 2026-01-31T12:00:00Z."},
		"a number for an instant":                 {"DateTime", `5`, nil, "$v: must be a string, not an integer."},
		"an object":                               {"ConversationUserFilter", `{"userId": 5, "agentId": null}`, map[string]any{"userId": "5", "agentId": nil}, ""},
		"a number for an object":                  {"ConversationUserFilter", `5`, nil, "$v: must be an object, not an integer."},
		"a string for an object":                  {"ConversationUserFilter", `"canary"`, nil, "$v: must be an object, not a string."},
		"an unknown field":                        {"ConversationUserFilter", `{"canary": 1}`, nil, "$v: has an unknown field."},
		"a type name":                             {"ConversationUserFilter", `{"__typename": "canary"}`, nil, "$v: has an unknown field."},
		"what is inside of an object":             {"ConversationUserFilter", `{"callStartedAfter": "canary"}`, nil, "$v.callStartedAfter: must be an instant in RFC 3339, such as 2026-01-31T12:00:00Z."},
		"a list":                                  {"[ID!]!", `["a", 5]`, []any{"a", "5"}, ""},
		"a single value for a list":               {"[ID!]!", `"a"`, []any{"a"}, ""},
		"null in a list":                          {"[ID!]!", `["a", null]`, nil, "$v[1]: cannot be null."},
		"an object in a list":                     {"[ID!]!", `[{}]`, nil, "$v[0]: must be a string or an integer, not an object."},
		"a list in a list":                        {"[ID!]!", `[["a"]]`, nil, "$v[0]: must be a string or an integer, not a list."},
		"a default for a list":                    {"[ID!]! = 7", ``, []any{"7"}, ""},
		"null for the list's default":             {"[ID!] = []", `null`, nil, "$v: cannot be null in the argument ids."},
		"representations":                         {"[_Any!]!", `[{"userId": 12345678901234567890}]`, []any{map[string]any{"userId": json.Number("12345678901234567890")}}, ""},
		"one representation for a list":           {"[_Any!]!", `{"a": 1}`, []any{map[string]any{"a": json.Number("1")}}, ""},
		"a representation that is not an object":  {"[_Any!]!", `["canary", []]`, []any{map[string]any{}, map[string]any{}}, ""},
		"null for a representation":               {"[_Any!]!", `[null]`, nil, "$v[0]: cannot be null."},
		"one representation for a list's element": {"_Any!", `{}`, map[string]any{}, ""},
	} {
		t.Run(name, func(t *testing.T) {
			variables := `{"other": 1}`
			if c.given != "" {
				variables = `{"v": ` + c.given + `}`
			}
			got, refused := read(t, newReader(true), use(c.declared), variables)
			if c.message != "" {
				if refused == nil || refused.Kind != document.BadVariable || len(refused.Errors) != 1 || refused.Errors[0].Message != c.message || len(refused.Errors[0].Locations) != 1 {
					t.Fatalf("got %v, %+v; want %s", got, refused, c.message)
				}
				return
			}
			if refused != nil {
				t.Fatal(refused)
			}
			want := map[string]any{"v": c.want}
			if c.want == absent {
				want = map[string]any{}
			}
			if !reflect.DeepEqual(got, want) {
				t.Errorf("got %#v, want %#v", got, want)
			}
		})
	}
}

func TestNullForDefault(t *testing.T) {
	const null = `{"v": null, "yes": true}`
	for name, c := range map[string]struct {
		text    string
		refused bool
	}{
		"in an argument":                    {`query($v: ID = "x") { user(userId: $v) { id } }`, true},
		"in a list":                         {`query($v: ID = "x") { nodes(ids: ["a", $v]) { id } }`, true},
		"in a fragment":                     {`query($v: ID = "x") { ...f } fragment f on Query { user(userId: $v) { id } }`, true},
		"in a directive on a field":         {`query($v: Boolean = true) { user(userId: 1) { id @skip(if: $v) } }`, true},
		"in a directive on a fragment":      {`query($v: Boolean = true) { ...f @include(if: $v) } fragment f on Query { __typename }`, true},
		"in a directive on an inline one":   {`query($v: Boolean = true) { ... @include(if: $v) { __typename } }`, true},
		"in a field that is skipped":        {`query($v: ID = "x", $yes: Boolean!) { user(userId: $v) @skip(if: $yes) { id } __typename }`, false},
		"in a fragment that is skipped":     {`query($v: ID = "x", $yes: Boolean!) { ...f @skip(if: $yes) __typename } fragment f on Query { user(userId: $v) { id } }`, false},
		"in a position where null is valid": {`query($v: Int = 5) { users(first: $v) { __typename } }`, false},
	} {
		t.Run(name, func(t *testing.T) {
			if !strings.Contains(c.text, "$yes") {
				c.text = strings.Replace(c.text, "{", "{ a: __typename ", 1)
			}
			_, refused := read(t, newReader(true), c.text, null)
			if (refused != nil) != c.refused || refused != nil && refused.Kind != document.BadVariable {
				t.Errorf("got %v", refused)
			}
		})
	}
}

func TestSharedFragmentDefaults(t *testing.T) {
	r := newReader(true)
	d, refused := r.Read(`query a($v: ID) { ...f } query b($v: ID = "b") { ...f } fragment f on Query { users(filter: {userId: $v}) { __typename } }`)
	if refused != nil {
		t.Fatal(refused)
	}
	operation, _ := d.Operation("a")
	values, refused := r.Variables(d, operation, nil)
	if refused != nil {
		t.Fatal(refused)
	}
	filter := d.Fragments[0].SelectionSet[0]
	for _, selection := range []any{filter} {
		got := argumentsOf(selection, values)["filter"]
		if !reflect.DeepEqual(got, map[string]any{}) {
			t.Errorf("the other operation's default is used: %v", got)
		}
	}
}

// TestLiterals has literals that do not have their types, in arguments, defaults
// and directives.
func TestLiterals(t *testing.T) {
	for text, message := range map[string]string{
		`{ user(userId: {}) { id } }`:                                                                "userId: must be a string or an integer, not an object.",
		`{ user(userId: [1]) { id } }`:                                                               "userId: must be a string or an integer, not a list.",
		`{ user(userId: 1.5) { id } }`:                                                               "userId: must be a string or an integer, not a number with a fraction or an exponent.",
		`{ user(userId: true) { id } }`:                                                              "userId: must be a string or an integer, not a boolean.",
		`{ user(userId: null) { id } }`:                                                              "userId: must not be null.",
		`{ users(first: {}) { __typename } }`:                                                        "first: must be an integer of 32 bits, not an object.",
		`{ users(first: 2147483648) { __typename } }`:                                                "first: must be an integer of 32 bits.",
		`{ users(first: 2.0) { __typename } }`:                                                       "first: must be an integer of 32 bits, not a number with a fraction or an exponent.",
		`{ users(after: 5) { __typename } }`:                                                         "after: must be a string, not an integer.",
		`{ users(after: canary) { __typename } }`:                                                    "after: must be a string, not an enum value.",
		`{ users(sortBy: {}) { __typename } }`:                                                       "sortBy: must be an enum value, not an object.",
		`{ users(sortBy: "LAST_CONTACT") { __typename } }`:                                           "sortBy: must be an enum value, not a string.",
		`{ users(sortBy: last_contact) { __typename } }`:                                             "sortBy: must be LAST_CONTACT, CONVERSATION_COUNT, or AVERAGE_SENTIMENT_SCORE; upper and lower case differ.",
		`{ users(filter: 5) { __typename } }`:                                                        "filter: must be an object, not an integer.",
		`{ users(filter: [{}]) { __typename } }`:                                                     "filter: must be an object, not a list.",
		`{ users(filter: {userId: [1]}) { __typename } }`:                                            "filter.userId: must be a string or an integer, not a list.",
		`{ users(filter: {userID: 1}) { __typename } }`:                                              `filter.userID: unknown field. Did you mean "userId"?`,
		`{ users(filter: {callStartedAfter: 5}) { __typename } }`:                                    "filter.callStartedAfter: must be a string, not an integer.",
		`{ nodes(ids: [{}]) { id } }`:                                                                "ids[0]: must be a string or an integer, not an object.",
		`{ nodes(ids: [["a"]]) { id } }`:                                                             "ids[0]: must be a string or an integer, not a list.",
		`{ nodes(ids: ["a", null]) { id } }`:                                                         "ids[1]: must not be null.",
		`{ _entities(representations: "x") { __typename } }`:                                         "representations: must be an object, not a string.",
		`{ _entities(representations: [[{}]]) { __typename } }`:                                      "representations[0]: must be an object, not a list.",
		`{ user(userId: 1) { id @include(if: {}) } }`:                                                "if: must be a boolean, not an object.",
		`{ user(userId: 1) { id @include(if: "true") } }`:                                            "if: must be a boolean, not a string.",
		`query($v: Int = "5") { users(first: $v) { __typename } }`:                                   "$v: must be an integer of 32 bits, not a string.",
		`query($v: [ID!] = [null]) { nodes(ids: $v) { id } }`:                                        "$v[0]: must not be null.",
		`query($v: ConversationUserFilter = {a: 1}) { users(filter: $v) { __typename } }`:            "$v.a: unknown field.",
		`query { ...f } fragment f on Query { users(first: "5") { __typename } }`:                    "first: must be an integer of 32 bits, not a string.",
		`{ node(id: 1) { ... on User { a: __typename } ... on User { a: lastContactAgentName } } }`:  `Fields "a" conflict because "__typename" and "lastContactAgentName" are different fields. Use different aliases on the fields to fetch both if this was intentional.`,
		`{ node(id: 1) { ... on Agent { a: __typename } ... on User { a: lastContactAgentName } } }`: `Fields "a" conflict because they return conflicting types "String!" and "String". Use different aliases on the fields to fetch both if this was intentional.`,
	} {
		_, refused := newReader(true).Read(text)
		if refused == nil || refused.Kind != document.Invalid || len(refused.Errors) != 1 || refused.Errors[0].Message != message {
			t.Errorf("%s\nis %v, want %s", text, refused, message)
		}
	}
	for _, text := range []string{
		`{ user(userId: 12345678901234567890) { id } }`,
		`{ nodes(ids: 5) { id } }`,
		`{ _entities(representations: {__typename: "User", userId: 12345678901234567890, x: 1e999, y: [1.5, {z: null}]}) { __typename } }`,
		`query($v: Float) { _entities(representations: [{x: $v}]) { __typename } }`,
		`{ users(filter: {}, sortBy: null, after: """x""") { __typename } }`,
		`{ users(filter: {callStartedAfter: "canary"}) { __typename } }`, // an argument's value, which its field reports
	} {
		if _, refused := newReader(true).Read(text); refused != nil {
			t.Errorf("%s\nis refused: %v", text, refused)
		}
	}
}

func TestSyntax(t *testing.T) {
	for text, kind := range map[string]document.Kind{
		``:  document.ParseFailed,
		`{`: document.ParseFailed,
		`{ __typename } fragment f($v: Int) on Query { __typename }`: document.ParseFailed,
		`fragment f on Query { __typename }`:                         document.Invalid,
		`mutation { a }`:                                             document.Invalid,
		`{ __typename } query a { __typename }`:                      document.Invalid,
	} {
		if _, refused := newReader(true).Read(text); refused == nil || refused.Kind != kind || len(refused.Errors) == 0 {
			t.Errorf("%s is %v", text, refused)
		}
	}
}

// TestWithoutIntrospection checks for each rule that its message names nothing of
// the schema that the caller did not write.
func TestWithoutIntrospection(t *testing.T) {
	r := newReader(false)
	schema := make(map[string]bool)
	for _, definition := range generatedSchema().Types {
		if strings.HasPrefix(definition.Name, "__") {
			continue // a name of GraphQL itself
		}
		schema[definition.Name] = true
		for _, f := range definition.Fields {
			schema[f.Name] = true
			for _, a := range f.Arguments {
				schema[a.Name] = true
			}
		}
		for _, v := range definition.EnumValues {
			schema[v.Name] = true
		}
	}
	// Names of the schema that messages also use as words.
	for _, word := range []string{"id", "first", "last", "node", "label", "filter", "after", "before"} {
		delete(schema, word)
	}
	word := regexp.MustCompile(`[_A-Za-z][_0-9A-Za-z]*`)
	rules := make(map[string]bool)
	for text, variables := range map[string]string{
		`{ nope }`:                                                    ``,
		`{ user { userId } }`:                                         ``,
		`{ user(userId: 1) }`:                                         ``,
		`{ user(userId: 1) { userId { x } } }`:                        ``,
		`{ user(userID: 1, userId: 1) { userId } }`:                   ``,
		`{ users(filter: {agentID: 1}) { __typename } }`:              ``,
		`{ users(filter: 5) { __typename } }`:                         ``,
		`{ users(sortBy: LAST) { __typename } }`:                      ``,
		`{ users(sortBy: "x") { __typename } }`:                       ``,
		`{ users(first: "x") { __typename } }`:                        ``,
		`{ users @include { __typename } }`:                           ``,
		`{ users @include(unless: 1, if: true) { __typename } }`:      ``,
		`{ users @nope { __typename } }`:                              ``,
		`query @skip(if: true) { __typename }`:                        ``,
		`{ users @skip(if: true) @skip(if: true) { __typename } }`:    ``,
		`query($v: Int) { user(userId: $v) { userId } }`:              ``,
		`query($v: Nope) { user(userId: $v) { userId } }`:             ``,
		`query($v: User) { user(userId: $v) { userId } }`:             ``,
		`query($v: Int) { __typename }`:                               ``,
		`query($v: Int, $v: Int) { users(first: $v) { __typename } }`: ``,
		`{ users(first: $v) { __typename } }`:                         ``,
		`{ users(first: 1, first: 1) { __typename } }`:                ``,
		`{ users(filter: {userId: 1, userId: 1}) { __typename } }`:    ``,
		`{ ...f }`: ``,
		`{ __typename } fragment f on User { id }`:                                            ``,
		`{ ...f } fragment f on Query { ...f }`:                                               ``,
		`{ ...f } fragment f on User { id }`:                                                  ``,
		`{ ...f ...f } fragment f on Query { __typename } fragment f on Query { __typename }`: ``,
		`{ ... on User { id } }`:                                                              ``,
		`{ ... on Nope { id } }`:                                                              ``,
		`{ ... on ID { id } }`:                                                                ``,
		`{ user(userId: 1) { ... on Agent { id } } }`:                                         ``,
		`{ a: user(userId: 1) { id } a: users { __typename } }`:                               ``,
		`{ node(id: 1) { ... on User { a: conversationCount } ... on Agent { a: id } } }`:     ``,
		`{ node(id: 1) { ... on User { a: lastContactAgent { b: id } } ... on Agent { a: users { b: pageInfo { hasNextPage } } } } }`: ``,
		`mutation { a }`:     ``,
		`subscription { a }`: ``,
		`query a { __typename } query a { __typename }`:                                ``,
		`{ __typename } query b { __typename }`:                                        ``,
		`{ __schema { types { name } } }`:                                              ``,
		`{ ... @defer { __typename } }`:                                                ``,
		`query($v: ConversationUserFilter) { users(filter: $v) { __typename } }`:       `{"v": {"x": 1}}`,
		`query($w: ConversationUserFilter) { users(filter: $w) { __typename } }`:       `{"w": 5}`,
		`query($v: ConversationUserSort) { users(sortBy: $v) { __typename } }`:         `{"v": "x"}`,
		`query($v: [_Any!]!) { _entities(representations: $v) { __typename } }`:        `{"v": null}`,
		`query($v: ID = 1) { user(userId: $v) { id } }`:                                `{"v": null}`,
		`query($v: DateTime) { users(filter: {callStartedAfter: $v}) { __typename } }`: `{"v": 1}`,
	} {
		if variables == "" {
			variables = "{}"
		}
		_, refused := read(t, r, text, variables)
		if refused == nil {
			t.Errorf("%s is accepted", text)
			continue
		}
		written := word.FindAllString(text+variables, -1)
		for _, err := range refused.Errors {
			rules[err.Rule] = true
			for _, name := range word.FindAllString(err.Message, -1) {
				if schema[name] && !slices.Contains(written, name) {
					t.Errorf("%s\nnames %s: %s", text, name, err.Message)
				}
			}
			if err.Message == "" || strings.Contains(err.Message, "Did you mean") || strings.Contains(err.Message, "not valid here") {
				t.Errorf("%s: %q", text, err.Message)
			}
		}
	}
	t.Logf("messages of %d rules", len(rules))
	if len(rules) < 27 {
		t.Errorf("only %d rules have a message: %v", len(rules), rules)
	}
}
