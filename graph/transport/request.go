package transport

import (
	"bytes"
	"errors"
	"math"
	"mime"
	"net/http"
	"slices"
	"strconv"
	"strings"

	"rollcall/graph"
)

// The media types of requests and responses.
const (
	typeGraphQL = "application/graphql-response+json"
	typeJSON    = "application/json"
)

// initialBody is the largest buffer that is allocated because of a request's
// Content-Length alone, in bytes. Most bodies are shorter.
const initialBody = 4 << 10

// Methods returns the methods that the service accepts. A GET executes only
// queries, and so does a QUERY (RFC 10008).
func Methods(get bool) []string {
	if get {
		return []string{http.MethodGet, http.MethodPost, methodQuery}
	}
	return []string{http.MethodPost, methodQuery}
}

// methodQuery is a safe method with a body (RFC 10008).
const methodQuery = "QUERY"

// read checks a request and reads its parameters: the query of a GET's URL, or
// the body. It records the caller. If it refuses the request, it returns the
// response with the reason.
func (h *handler) read(w http.ResponseWriter, r *http.Request, record *record) (params []byte, refused *response) {
	c := h.config
	if c.Admit != nil && c.Admit(r) != nil {
		return nil, refuse(http.StatusForbidden, graph.CodeForbidden, "This service may not be used from that web site, or by that host name.")
	}
	if !slices.Contains(h.methods, r.Method) {
		w.Header().Set("Allow", h.allow)
		return nil, refuse(http.StatusMethodNotAllowed, graph.CodeBadUserInput, "The service accepts only these methods: "+h.allow+".")
	}
	if r.Method != http.MethodGet && !isJSON(r.Header.Get("Content-Type")) {
		return nil, refuse(http.StatusUnsupportedMediaType, graph.CodeBadUserInput, "The body must be "+typeJSON+" in UTF-8.")
	}
	var err error
	if record.caller, err = c.Authenticate(r); err != nil {
		return nil, h.unauthenticated(w, record, err)
	}
	if c.Wait != nil {
		if wait := c.Wait(record.caller); wait > 0 {
			seconds := int(math.Ceil(wait.Seconds()))
			w.Header().Set("Retry-After", strconv.Itoa(seconds))
			refused := refuse(http.StatusTooManyRequests, graph.CodeRateLimited, "You have used up your upstream calls for now.")
			refused.Errors[0].Extensions["retryAfter"] = seconds
			return nil, refused
		}
	}
	if r.Method == http.MethodGet {
		return readURL(r, c.MaxBody)
	}
	return readBody(w, r, c.MaxBody)
}

// readURL returns the query of a URL.
func readURL(r *http.Request, limit int) ([]byte, *response) {
	if len(r.URL.RawQuery) > limit {
		return nil, refuse(http.StatusRequestURITooLong, graph.CodeBadUserInput, "The URL's query is longer than "+strconv.Itoa(limit)+" bytes.")
	}
	return []byte(r.URL.RawQuery), nil
}

func readBody(w http.ResponseWriter, r *http.Request, limit int) ([]byte, *response) {
	if r.ContentLength > int64(limit) {
		w.Header().Set("Connection", "close") // so that net/http does not wait for the body
		return nil, tooLarge(limit)
	}
	// A body need not arrive just because its length is announced, so little
	// memory is allocated in advance.
	arrived := bytes.NewBuffer(make([]byte, 0, min(max(r.ContentLength, 0), initialBody)+bytes.MinRead))
	_, err := arrived.ReadFrom(http.MaxBytesReader(w, r.Body, int64(limit)))
	if _, beyond := errors.AsType[*http.MaxBytesError](err); beyond {
		return nil, tooLarge(limit)
	}
	if err != nil {
		return nil, malformed("The body is incomplete.")
	}
	return arrived.Bytes(), nil
}

// Refusal is an error of [Config.Authenticate] with more than a text.
type Refusal interface {
	error
	// Reason returns a word for the log, which the caller does not see.
	Reason() string
	// Forbidden reports that the caller is known and lacks a permission: 403.
	Forbidden() bool
}

// unauthenticated returns the response to a request whose credentials are refused.
func (h *handler) unauthenticated(w http.ResponseWriter, record *record, err error) *response {
	if refusal, ok := errors.AsType[Refusal](err); ok {
		record.reason = refusal.Reason()
		if refusal.Forbidden() {
			challenge(w, h.config.ScopeChallenge)
			return refuse(http.StatusForbidden, graph.CodeForbidden, "The service does not admit you: "+err.Error()+".")
		}
	}
	challenge(w, h.config.Challenge)
	return refuse(http.StatusUnauthorized, graph.CodeUnauthenticated, "The service could not authenticate the request: "+err.Error()+".")
}

// challenge sets the header that describes how to authenticate, unless it is
// empty.
func challenge(w http.ResponseWriter, value string) {
	if value != "" {
		w.Header().Set("WWW-Authenticate", value)
	}
}

func tooLarge(limit int) *response {
	return refuse(http.StatusRequestEntityTooLarge, graph.CodeBadUserInput, "The body is larger than "+strconv.Itoa(limit)+" bytes.")
}

// isJSON reports whether a Content-Type is accepted.
func isJSON(header string) bool {
	if header == typeJSON { // as nearly all clients send it
		return true
	}
	mediaType, params, err := mime.ParseMediaType(header)
	charset := strings.ToLower(params["charset"])
	return err == nil && mediaType == typeJSON && (charset == "" || charset == "utf-8")
}

// negotiate chooses the media type of the response by the Accept headers. A
// client that accepts any type gets application/json, which all clients
// understand.
func negotiate(accept []string) (mediaType string, ok bool) {
	if len(accept) == 0 || len(accept) == 1 && (accept[0] == "" || accept[0] == "*/*" || accept[0] == typeJSON) {
		return typeJSON, true
	}
	best, bestQuality := typeJSON, 0.0
	for entry := range strings.SplitSeq(strings.Join(accept, ","), ",") {
		wanted, params, err := mime.ParseMediaType(entry)
		if err != nil {
			continue
		}
		if charset := strings.ToLower(params["charset"]); charset != "" && charset != "utf-8" {
			continue
		}
		quality := 1.0
		if q, err := strconv.ParseFloat(params["q"], 64); err == nil {
			quality = q
		}
		switch wanted {
		case "*/*", "application/*":
			wanted = typeJSON
		case typeGraphQL, typeJSON:
		default:
			continue
		}
		if quality > bestQuality {
			best, bestQuality = wanted, quality
		}
	}
	return best, bestQuality > 0
}
