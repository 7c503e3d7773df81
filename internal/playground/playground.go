// Package playground serves a page to explore a GraphQL API: GraphiQL with
// examples. It knows the path of the API, but not the API itself. Only
// page/examples.js does.
//
// GraphiQL's files are third-party and not part of the repository. install.sh
// fetches them into assets, and the next build embeds them. If they are missing,
// the browser fetches the same bytes from a CDN. In both cases the browser checks
// them against libraries.txt.
package playground

import (
	"bytes"
	"crypto/rand"
	"crypto/sha256"
	"embed"
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"html/template"
	"io/fs"
	"net/http"
	"path"
	"slices"
	"strings"
	"time"
)

// Config describes the API.
type Config struct {
	Endpoint      string // the path that operations are posted to
	Demo          bool   // whether the data is generated
	Credential    string // the header that requests need: xi-api-key or authorization; empty for none
	Introspection bool   // whether the schema can be read
}

//go:embed page libraries.txt all:assets
var files embed.FS

// page is the template of the page at /.
var page = template.Must(template.ParseFS(files, "page/index.html"))

// cdn serves the files of npm packages.
const cdn = "https://cdn.jsdelivr.net/npm/"

// Handler serves the page at / and its files below /playground/. It is safe for
// concurrent use.
type Handler struct {
	mux      *http.ServeMux
	embedded bool
}

// NewHandler returns the playground for an API.
func NewHandler(c Config) *Handler {
	return newHandler(c, files)
}

// Embedded reports whether the page works without the internet. Otherwise the
// browser loads GraphiQL from a CDN.
func (h *Handler) Embedded() bool { return h.embedded }

func (h *Handler) ServeHTTP(w http.ResponseWriter, r *http.Request) { h.mux.ServeHTTP(w, r) }

func newHandler(c Config, files fs.FS) *Handler {
	libraries := listLibraries(files)
	assets := ownAssets(files)
	embedded := true
	for _, l := range libraries {
		content, err := fs.ReadFile(files, "assets/"+l.name)
		if err != nil || sha256.Sum256(content) != l.sum {
			embedded = false // missing, or not the version of the list
			break
		}
		assets[l.name] = content
	}

	// A URL changes with its content, so that browsers may cache it forever.
	version := digest(assets)
	own := "playground/" + version + "/"
	for i := range libraries {
		libraries[i].URL = cdn + libraries[i].at
		if embedded {
			libraries[i].URL = own + libraries[i].name
		}
	}

	h := &Handler{mux: http.NewServeMux(), embedded: embedded}
	h.mux.HandleFunc("GET /{$}", func(w http.ResponseWriter, _ *http.Request) {
		nonce := rand.Text()
		var b bytes.Buffer
		if err := page.Execute(&b, pageData{c, own, libraries, !embedded, nonce}); err != nil {
			http.Error(w, "the page cannot be rendered", http.StatusInternalServerError)
			return
		}
		header := w.Header()
		header.Set("Content-Type", "text/html; charset=utf-8")
		header.Set("Content-Security-Policy", policy(libraries, !embedded, nonce))
		header.Set("Cross-Origin-Opener-Policy", "same-origin")
		header.Set("Referrer-Policy", "no-referrer")
		header.Set("X-Content-Type-Options", "nosniff")
		header.Set("Cache-Control", "no-store") // each nonce is used once
		_, _ = w.Write(b.Bytes())               // an error means that the client has disconnected
	})
	h.mux.HandleFunc("GET /"+own+"{name}", func(w http.ResponseWriter, r *http.Request) {
		name := r.PathValue("name")
		content, ok := assets[name]
		if !ok {
			http.NotFound(w, r)
			return
		}
		header := w.Header()
		header.Set("Content-Type", contentTypes[path.Ext(name)])
		header.Set("Cache-Control", "public, max-age=31536000, immutable")
		header.Set("Cross-Origin-Resource-Policy", "same-origin")
		header.Set("X-Content-Type-Options", "nosniff")
		header.Set("ETag", fmt.Sprintf(`"%x"`, sha256.Sum256(content)))
		http.ServeContent(w, r, "", time.Time{}, bytes.NewReader(content))
	})
	return h
}

// pageData is the template's data.
type pageData struct {
	Config
	Own       string // the path of the service's own files, relative to the page
	Libraries []library
	FromCDN   bool
	Nonce     string
}

// RelativeEndpoint returns the path of the API relative to the page. All addresses of
// the page are relative, so it works below a prefix that a proxy removes.
func (d pageData) RelativeEndpoint() string { return strings.TrimPrefix(d.Endpoint, "/") }

var contentTypes = map[string]string{
	".css": "text/css; charset=utf-8",
	".js":  "text/javascript; charset=utf-8",
	".svg": "image/svg+xml",
}

// policy returns the content security policy: the page runs its own scripts and
// the libraries', and connects to its own service alone. The nonce is for a style
// sheet that GraphiQL's dialogs create.
func policy(libraries []library, fromCDN bool, nonce string) string {
	scripts, styles := []string{"'self'"}, []string{"'self'", "'nonce-" + nonce + "'"}
	for _, l := range libraries {
		switch {
		case !fromCDN: // 'self' includes them
		case l.IsStyle():
			styles = append(styles, l.URL)
		default:
			scripts = append(scripts, l.URL)
		}
	}
	return strings.Join([]string{
		"default-src 'none'",
		"script-src " + strings.Join(scripts, " "),
		"style-src " + strings.Join(styles, " "),
		"connect-src 'self'",
		"img-src 'self' data:",
		"font-src data:", // both are inside GraphiQL's style sheet
		"base-uri 'none'",
		"form-action 'none'",
		"frame-ancestors 'none'",
	}, "; ")
}

// library is a third-party file that the page loads.
type library struct {
	URL  string
	name string
	at   string // package and path at the CDN
	sum  [sha256.Size]byte
}

// IsStyle reports whether the library is a style sheet, not a script.
func (l library) IsStyle() bool { return path.Ext(l.name) == ".css" }

// Integrity returns the hash that the browser checks.
func (l library) Integrity() string {
	return "sha256-" + base64.StdEncoding.EncodeToString(l.sum[:])
}

// listLibraries reads libraries.txt. It panics if the list is malformed, because
// it is part of the program.
func listLibraries(files fs.FS) []library {
	text, err := fs.ReadFile(files, "libraries.txt")
	if err != nil {
		panic(err)
	}
	var list []library
	for line := range strings.Lines(string(text)) {
		if strings.HasPrefix(line, "#") {
			continue
		}
		fields := strings.Fields(line)
		sum, err := hex.DecodeString(fields[0])
		if err != nil || len(fields) != 3 {
			panic("libraries.txt: " + line)
		}
		list = append(list, library{name: path.Base(fields[2]), at: fields[1] + "/" + fields[2], sum: [sha256.Size]byte(sum)})
	}
	return list
}

// ownAssets returns the page's own files, which are served unchanged.
func ownAssets(files fs.FS) map[string][]byte {
	assets := make(map[string][]byte)
	for _, name := range []string{"examples.js", "icon.svg", "page.css", "page.js"} {
		content, err := fs.ReadFile(files, "page/"+name)
		if err != nil {
			panic(err)
		}
		assets[name] = content
	}
	return assets
}

// digest returns a name for the content of all assets together.
func digest(assets map[string][]byte) string {
	var sums []string
	for name, content := range assets {
		sums = append(sums, fmt.Sprintf("%s %x", name, sha256.Sum256(content)))
	}
	slices.Sort(sums)
	return fmt.Sprintf("%x", sha256.Sum256([]byte(strings.Join(sums, "\n"))))[:16]
}
