package transport

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"net/url"
	"unicode/utf8"

	"github.com/go-faster/jx"

	"rollcall/graph"
	"rollcall/graph/persisted"
)

// Messages for malformed parameters. They do not repeat them.
const (
	noJSON    = "The body is not JSON."
	noObject  = "The body must be a JSON object."
	notAlone  = "There is something after the JSON object."
	wrongType = "The body's members have the wrong types: query, documentId and operationName are strings, variables and extensions are objects."
)

// parseBody reads the parameters of a request, or returns the response to a
// malformed body. A byte order mark is skipped, as RFC 8259 allows. A member that
// is null counts as absent, and unknown members are ignored.
func parseBody(body []byte) (*graph.Request, *response) {
	body = bytes.TrimPrefix(body, []byte("\ufeff"))
	if !utf8.Valid(body) || !jx.Valid(body) {
		return nil, malformed(whyNotJSON(body))
	}
	d := jx.DecodeBytes(body)
	switch d.Next() {
	case jx.Null:
		return &graph.Request{}, nil
	case jx.Object:
	default:
		return nil, malformed(noObject)
	}
	var request graph.Request
	var ids documentIDs
	var extensions map[string]any
	wrong := false
	err := d.ObjBytes(func(d *jx.Decoder, name []byte) (err error) {
		kind := d.Next()
		if kind == jx.Null {
			return d.Null()
		}
		switch string(name) {
		case "query":
			wrong = wrong || kind != jx.String
			request.Query, err = d.Str()
		case "documentId", "doc_id": // of the specification, and of Relay's documentation
			wrong = wrong || kind != jx.String
			id, failed := d.Str()
			ids, err = append(ids, id), failed
		case "operationName":
			wrong = wrong || kind != jx.String
			request.OperationName, err = d.Str()
		case "variables":
			wrong = wrong || kind != jx.Object
			request.Variables, err = object(d)
		case "extensions":
			wrong = wrong || kind != jx.Object
			extensions, err = object(d)
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
	}
	return ids.complete(&request, extensions)
}

// documentIDs are the IDs of one request's document. All of them have to be the
// same.
type documentIDs []string

// complete adds the request's ID, if it has one.
func (ids documentIDs) complete(r *graph.Request, extensions map[string]any) (*graph.Request, *response) {
	if extension := extensions["persistedQuery"]; extension != nil {
		hash, refused := hashIn(extension)
		if refused != nil {
			return nil, refused
		}
		ids = append(ids, hash)
	}
	for _, id := range ids {
		switch id = persisted.Canonical(id); {
		case id == "" || r.DocumentID == id:
		case r.DocumentID == "":
			r.DocumentID = id
		default:
			return nil, malformed("The request has two different IDs of a document.")
		}
	}
	return r, nil
}

// hashIn returns the ID in the extension persistedQuery. Its protocol is that of
// Apollo's automatic persisted queries, version 1, with members for other purposes.
func hashIn(extension any) (string, *response) {
	members, _ := extension.(map[string]any)
	hash, _ := members["sha256Hash"].(string)
	version, _ := members["version"].(json.Number)
	switch number, _ := version.Float64(); {
	case hash == "":
		return "", malformed("The extension persistedQuery must be an object with a string sha256Hash.")
	case number != 1:
		return "", malformed("The only version of persistedQuery that the service supports is 1.")
	}
	return hash, nil
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
func parseURL(query []byte) (*graph.Request, *response) {
	values, err := url.ParseQuery(string(query))
	if err != nil {
		return nil, malformed("The URL's query is not encoded correctly.")
	}
	for _, name := range []string{"query", "documentId", "doc_id", "operationName", "variables", "extensions"} {
		switch given := values[name]; {
		case len(given) > 1:
			return nil, malformed("The URL has the parameter " + name + " more than once.")
		case !utf8.ValidString(values.Get(name)):
			return nil, malformed("The URL's parameter " + name + " is not UTF-8.")
		}
	}
	request := graph.Request{Query: values.Get("query"), OperationName: values.Get("operationName")}
	var extensions map[string]any
	for name, member := range map[string]*map[string]any{"variables": &request.Variables, "extensions": &extensions} {
		wrong := false
		if *member, wrong = optionalObject(values.Get(name)); wrong {
			return nil, malformed("The URL's parameter " + name + " must be a JSON object.")
		}
	}
	return documentIDs{values.Get("documentId"), values.Get("doc_id")}.complete(&request, extensions)
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
