package transport

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"net/url"
	"unicode/utf8"

	"github.com/99designs/gqlgen/graphql"
	"github.com/go-faster/jx"
)

// Messages for malformed parameters. They do not repeat them.
const (
	noJSON    = "The body is not JSON."
	noObject  = "The body must be a JSON object."
	noQuery   = "The request has no query."
	notAlone  = "There is something after the JSON object."
	wrongType = "The body's members have the wrong types: query and operationName are strings, variables and extensions are objects."
)

// parseBody reads the parameters of a request, or returns the response to a
// malformed body. A byte order mark is skipped, as RFC 8259 allows. A member that
// is null counts as absent, and unknown members are ignored.
func parseBody(body []byte) (*graphql.RawParams, *response) {
	body = bytes.TrimPrefix(body, []byte("\ufeff"))
	if !utf8.Valid(body) || !jx.Valid(body) {
		return nil, malformed(whyNotJSON(body))
	}
	d := jx.DecodeBytes(body)
	if d.Next() != jx.Object {
		if d.Next() == jx.Null {
			return nil, malformed(noQuery)
		}
		return nil, malformed(noObject)
	}
	var params graphql.RawParams
	wrong := false
	err := d.ObjBytes(func(d *jx.Decoder, name []byte) (err error) {
		kind := d.Next()
		if kind == jx.Null {
			return d.Null()
		}
		switch string(name) {
		case "query":
			wrong = wrong || kind != jx.String
			params.Query, err = d.Str()
		case "operationName":
			wrong = wrong || kind != jx.String
			params.OperationName, err = d.Str()
		case "variables":
			wrong = wrong || kind != jx.Object
			params.Variables, err = object(d)
		case "extensions":
			wrong = wrong || kind != jx.Object
			params.Extensions, err = object(d)
		default:
			err = d.Skip()
		}
		return err
	})
	switch {
	case wrong:
		return nil, malformed(wrongType)
	case err != nil:
		return nil, malformed(noJSON)
	case params.Query == "":
		return nil, malformed(noQuery)
	}
	return &params, nil
}

// whyNotJSON distinguishes a JSON value that something follows from a body that
// is not JSON.
func whyNotJSON(body []byte) string {
	d := jx.DecodeBytes(body)
	if d.Skip() == nil && !errors.Is(d.Skip(), io.EOF) {
		return notAlone
	}
	return noJSON
}

// parseURL reads the parameters of a GET from its URL's query, or returns the
// response to a malformed one. An empty parameter counts as absent, and unknown
// ones are ignored.
func parseURL(query []byte) (*graphql.RawParams, *response) {
	values, err := url.ParseQuery(string(query))
	if err != nil {
		return nil, malformed("The URL's query is not encoded correctly.")
	}
	var params graphql.RawParams
	for _, name := range []string{"query", "operationName", "variables", "extensions"} {
		switch given := values[name]; {
		case len(given) > 1:
			return nil, malformed("The URL has the parameter " + name + " more than once.")
		case !utf8.ValidString(values.Get(name)):
			return nil, malformed("The URL's parameter " + name + " is not UTF-8.")
		}
	}
	params.Query, params.OperationName = values.Get("query"), values.Get("operationName")
	for name, member := range map[string]*map[string]any{"variables": &params.Variables, "extensions": &params.Extensions} {
		wrong := false
		if *member, wrong = optionalObject(values.Get(name)); wrong {
			return nil, malformed("The URL's parameter " + name + " must be a JSON object.")
		}
	}
	if params.Query == "" {
		return nil, malformed(noQuery)
	}
	return &params, nil
}

// optionalObject reads a JSON object that may be absent, or null. It reports
// whether the text is none of these.
func optionalObject(text string) (o map[string]any, wrong bool) {
	if text == "" {
		return nil, false
	}
	d := jx.DecodeStr(text)
	kind := d.Next()
	if !jx.Valid([]byte(text)) || kind != jx.Null && kind != jx.Object {
		return nil, true
	}
	if kind == jx.Object {
		o, _ = object(d) // it is valid
	}
	return o, false
}

// object reads a JSON object as encoding/json does with UseNumber.
func object(d *jx.Decoder) (map[string]any, error) {
	o := make(map[string]any)
	err := d.Obj(func(d *jx.Decoder, name string) (err error) {
		o[name], err = anything(d)
		return err
	})
	return o, err
}

func anything(d *jx.Decoder) (any, error) {
	switch d.Next() {
	case jx.Null:
		return nil, d.Null()
	case jx.Bool:
		return d.Bool()
	case jx.Number:
		n, err := d.Num()
		return json.Number(n.String()), err
	case jx.String:
		return d.Str()
	case jx.Array:
		list := []any{}
		err := d.Arr(func(d *jx.Decoder) error {
			element, err := anything(d)
			list = append(list, element)
			return err
		})
		return list, err
	default:
		return object(d)
	}
}
