package graph

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"

	"github.com/99designs/gqlgen/graphql"
)

// parseBody reads the parameters of a request, and does not repeat them in a
// refusal.
func parseBody(body []byte) (*graphql.RawParams, *answer) {
	var request struct {
		Query         *string        `json:"query"`
		OperationName *string        `json:"operationName"`
		Variables     map[string]any `json:"variables"`
		Extensions    map[string]any `json:"extensions"`
	}
	decoder := json.NewDecoder(bytes.NewReader(body))
	decoder.UseNumber()
	err := decoder.Decode(&request)
	wrongType, isWrongType := errors.AsType[*json.UnmarshalTypeError](err)
	switch {
	case isWrongType && wrongType.Field == "":
		return nil, malformed("The body has to be a JSON object.")
	case isWrongType:
		return nil, malformed("The body's members have the wrong types: query and operationName are strings, variables and extensions are objects.")
	case err != nil:
		return nil, malformed("The body is not JSON.")
	}
	if _, err := decoder.Token(); !errors.Is(err, io.EOF) {
		return nil, malformed("There is something after the JSON object.")
	}
	if request.Query == nil || *request.Query == "" {
		return nil, malformed("The body has no query.")
	}
	params := &graphql.RawParams{Query: *request.Query, Variables: request.Variables, Extensions: request.Extensions}
	if request.OperationName != nil {
		params.OperationName = *request.OperationName
	}
	return params, nil
}
