// Proxy is a reverse proxy that forwards bytes without reading them: the least
// that any server in front of the upstream costs.
package main

import (
	"flag"
	"log"
	"net/http"
	"net/http/httputil"
	"net/url"
	"sync"
	"time"
)

func main() {
	listen := flag.String("listen", "127.0.0.1:8081", "`host:port` to serve on")
	upstream := flag.String("upstream", "", "the upstream's base `URL`")
	flag.Parse()

	base, err := url.Parse(*upstream)
	if err != nil {
		log.Fatal(err)
	}
	s := &http.Server{
		Addr: *listen,
		Handler: &httputil.ReverseProxy{
			Rewrite: func(r *httputil.ProxyRequest) { r.SetURL(base) },
			Transport: &http.Transport{
				MaxIdleConnsPerHost: 512,
				DisableCompression:  true,
				IdleConnTimeout:     90 * time.Second,
			},
			BufferPool: new(buffers),
		},
		ReadHeaderTimeout: 5 * time.Second,
	}
	log.Fatal(s.ListenAndServe())
}

// buffers are the buffers through which responses are copied.
type buffers struct{ pool sync.Pool }

// Get implements [httputil.BufferPool].
func (b *buffers) Get() []byte {
	if buffer, ok := b.pool.Get().(*[]byte); ok {
		return *buffer
	}
	return make([]byte, 32<<10)
}

// Put implements [httputil.BufferPool].
func (b *buffers) Put(buffer []byte) { b.pool.Put(&buffer) }
