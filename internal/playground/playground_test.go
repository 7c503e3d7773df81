package playground

import (
	"crypto/sha256"
	"fmt"
	"io/fs"
	"net/http"
	"net/http/httptest"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"testing/fstest"
)

const script, style = "globalThis.GraphiQL = {}", ".graphiql {}"

// build returns the files of a build with assets. Its libraries are one script
// and one style sheet.
func build(t *testing.T, assets map[string]string) fs.FS {
	t.Helper()
	m := fstest.MapFS{"libraries.txt": {Data: fmt.Appendf(nil, "# comment\n%x editor@1.2.3 umd/editor.js\n%x editor@1.2.3 editor.css\n",
		sha256.Sum256([]byte(script)), sha256.Sum256([]byte(style)))}}
	for _, name := range []string{"index.html", "page.js", "page.css", "examples.js", "icon.svg"} {
		content, err := files.ReadFile("page/" + name)
		if err != nil {
			t.Fatal(err)
		}
		m["page/"+name] = &fstest.MapFile{Data: content}
	}
	for name, content := range assets {
		m["assets/"+name] = &fstest.MapFile{Data: []byte(content)}
	}
	return m
}

func get(h http.Handler, method, path string, header http.Header) *httptest.ResponseRecorder {
	r := httptest.NewRequest(method, path, nil)
	r.Header = header
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	return w
}

// directives parses a content security policy.
func directives(header http.Header) map[string]string {
	found := make(map[string]string)
	for part := range strings.SplitSeq(header.Get("Content-Security-Policy"), "; ") {
		name, value, _ := strings.Cut(part, " ")
		found[name] = value
	}
	return found
}

var reference = regexp.MustCompile(`(?:src|href)="([^"]+)"`)

func TestEmbeddedPage(t *testing.T) {
	h := newHandler(Config{Endpoint: "/graphql"}, build(t, map[string]string{"editor.js": script, "editor.css": style}))
	if !h.Embedded() {
		t.Fatal("it is not embedded")
	}
	w := get(h, "GET", "/", nil)
	if w.Code != 200 || w.Header().Get("Content-Type") != "text/html; charset=utf-8" || w.Header().Get("Cache-Control") != "no-store" {
		t.Errorf("%d %v", w.Code, w.Header())
	}
	for name, want := range map[string]string{"Cross-Origin-Opener-Policy": "same-origin", "Referrer-Policy": "no-referrer", "X-Content-Type-Options": "nosniff"} {
		if got := w.Header().Get(name); got != want {
			t.Errorf("%s is %q, want %q", name, got, want)
		}
	}
	nonce := regexp.MustCompile(`data-nonce="(\w{20,})"`).FindStringSubmatch(w.Body.String())
	if nonce == nil {
		t.Fatalf("no nonce in %s", w.Body)
	}
	policy := directives(w.Header())
	for name, want := range map[string]string{
		"default-src": "'none'", "script-src": "'self'", "style-src": "'self' 'nonce-" + nonce[1] + "'", "connect-src": "'self'",
		"img-src": "'self' data:", "font-src": "data:", "frame-ancestors": "'none'", "base-uri": "'none'", "form-action": "'none'",
	} {
		if policy[name] != want {
			t.Errorf("%s is %q, want %q", name, policy[name], want)
		}
	}
	if again := get(h, "GET", "/", nil); strings.Contains(again.Body.String(), nonce[1]) {
		t.Error("two pages have the same nonce")
	}

	loaded := make(map[string]string)
	for _, match := range reference.FindAllStringSubmatch(w.Body.String(), -1) {
		if strings.HasPrefix(match[1], "/") {
			t.Errorf("%s does not work below a path that a proxy removes", match[1])
		}
		asset := get(h, "GET", "/"+match[1], nil)
		if asset.Code != 200 || !strings.Contains(asset.Header().Get("Cache-Control"), "immutable") {
			t.Errorf("%s: %d %v", match[1], asset.Code, asset.Header())
		}
		if header := asset.Header(); header.Get("Cross-Origin-Resource-Policy") != "same-origin" || header.Get("X-Content-Type-Options") != "nosniff" {
			t.Errorf("%s: %v", match[1], header)
		}
		loaded[match[1][strings.LastIndex(match[1], "/")+1:]] = asset.Header().Get("Content-Type")
	}
	for name, want := range map[string]string{
		"editor.js": "text/javascript; charset=utf-8", "editor.css": "text/css; charset=utf-8", "page.css": "text/css; charset=utf-8",
		"page.js": "text/javascript; charset=utf-8", "icon.svg": "image/svg+xml",
	} {
		if loaded[name] != want {
			t.Errorf("%s has the type %q, want %q", name, loaded[name], want)
		}
	}
	if strings.Contains(w.Body.String(), "crossorigin") || !strings.Contains(w.Body.String(), "integrity=") {
		t.Errorf("got %s", w.Body)
	}
}

func TestAssetCaching(t *testing.T) {
	h := newHandler(Config{}, build(t, map[string]string{"editor.js": script, "editor.css": style}))
	address := "/" + regexp.MustCompile(`playground/\w+/`).FindString(get(h, "GET", "/", nil).Body.String()) + "editor.js"
	whole := get(h, "GET", address, nil)
	if whole.Body.String() != script {
		t.Fatalf("got %q", whole.Body)
	}
	if w := get(h, "GET", address, http.Header{"If-None-Match": {whole.Header().Get("ETag")}}); w.Code != http.StatusNotModified || w.Body.Len() != 0 {
		t.Errorf("with its ETag: %d, %d bytes", w.Code, w.Body.Len())
	}
	if w := get(h, "HEAD", address, nil); w.Code != 200 || w.Header().Get("Content-Length") != strconv.Itoa(len(script)) {
		t.Errorf("HEAD: %d %v", w.Code, w.Header())
	}
	other := newHandler(Config{}, build(t, nil))
	if w := get(other, "GET", address, nil); w.Code != http.StatusNotFound {
		t.Errorf("another build has the same URL: %d", w.Code)
	}
}

func TestPageFromCDN(t *testing.T) {
	for name, assets := range map[string]map[string]string{
		"nothing installed":   nil,
		"half of it":          {"editor.js": script},
		"one file is another": {"editor.js": script + " ", "editor.css": style},
	} {
		t.Run(name, func(t *testing.T) {
			h := newHandler(Config{}, build(t, assets))
			if h.Embedded() {
				t.Fatal("it is embedded")
			}
			w := get(h, "GET", "/", nil)
			policy := directives(w.Header())
			for url, directive := range map[string]string{
				"https://cdn.jsdelivr.net/npm/editor@1.2.3/umd/editor.js": "script-src",
				"https://cdn.jsdelivr.net/npm/editor@1.2.3/editor.css":    "style-src",
			} {
				tag := regexp.MustCompile(`="` + regexp.QuoteMeta(url) + `" integrity="sha256-[^"]+" crossorigin="anonymous">`)
				if !tag.MatchString(w.Body.String()) {
					t.Errorf("%s is missing in %s", url, w.Body)
				}
				if !strings.HasSuffix(policy[directive], " "+url) {
					t.Errorf("%s is %q", directive, policy[directive])
				}
			}
			if policy["connect-src"] != "'self'" || strings.Contains(w.Header().Get("Content-Security-Policy"), "unsafe") {
				t.Errorf("got %v", policy)
			}
		})
	}
}

func TestNotServed(t *testing.T) {
	h := NewHandler(Config{})
	own := "/" + regexp.MustCompile(`playground/\w+/`).FindString(get(h, "GET", "/", nil).Body.String())
	for name, c := range map[string]struct {
		method, path string
		status       int
	}{
		"the page to a POST":   {"POST", "/", http.StatusMethodNotAllowed},
		"an asset to a DELETE": {"DELETE", own + "page.js", http.StatusMethodNotAllowed},
		"another page":         {"GET", "/index.html", http.StatusNotFound},
		"the template":         {"GET", own + "index.html", http.StatusNotFound},
		"the list":             {"GET", own + "libraries.txt", http.StatusNotFound},
		"a folder":             {"GET", own, http.StatusNotFound},
		"another version":      {"GET", "/playground/0123456789abcdef/page.js", http.StatusNotFound},
		"what is above":        {"GET", own + "..%2Fplayground.go", http.StatusNotFound},
	} {
		t.Run(name, func(t *testing.T) {
			if w := get(h, c.method, c.path, nil); w.Code != c.status {
				t.Errorf("%d %s", w.Code, w.Body)
			}
		})
	}
}

func TestPageContent(t *testing.T) {
	for name, c := range map[string]struct {
		config Config
		want   []string
		not    string
	}{
		"the demo":       {Config{Endpoint: "/graphql", Demo: true, Introspection: true}, []string{"made up", `data-endpoint="graphql"`, `data-introspection="true"`}, "<form"},
		"callers' keys":  {Config{Credential: "xi-api-key"}, []string{`<label for="secret">xi-api-key</label>`, `placeholder="required"`, `data-introspection="false"`}, "made up"},
		"tokens":         {Config{Credential: "authorization"}, []string{`<label for="secret">Bearer token</label>`}, "xi-api-key"},
		"an odd address": {Config{Endpoint: `/"><script>`}, []string{"&lt;script&gt;"}, `"><script>`},
	} {
		t.Run(name, func(t *testing.T) {
			page := get(NewHandler(c.config), "GET", "/", nil).Body.String()
			for _, want := range c.want {
				if !strings.Contains(page, want) {
					t.Errorf("%q is missing in %s", want, page)
				}
			}
			if strings.Contains(page, c.not) {
				t.Errorf("%q is in %s", c.not, page)
			}
		})
	}
}
