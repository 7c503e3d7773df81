package upstream_test

import (
	"bufio"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"io"
	"log"
	"math/big"
	"net"
	"net/http"
	"net/url"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"rollcall/upstream"
)

// certificate returns a certificate for 127.0.0.1, and the pool that verifies it.
func certificate(t *testing.T) (tls.Certificate, *x509.CertPool) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
		NotAfter: time.Now().Add(time.Hour), IsCA: true, BasicConstraintsValid: true,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	parsed, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	pool := x509.NewCertPool()
	pool.AddCert(parsed)
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}, pool
}

// segments is a connection that holds its writes back until flush, which sends
// them at once: several TLS records in one TCP segment.
type segments struct {
	net.Conn

	hold bool
	held []byte
}

func (s *segments) Write(p []byte) (int, error) {
	if !s.hold {
		return s.Conn.Write(p)
	}
	s.held = append(s.held, p...)
	return len(p), nil
}

func (s *segments) flush() {
	_, _ = s.Conn.Write(s.held)
	s.held = s.held[:0]
}

// doubled is a server over TLS that sends two responses to each third request. A
// response has one user, whose ID is the request's key.
type doubled struct {
	config  *tls.Config
	records int // that carry the two responses
}

func (d *doubled) serve(raw net.Conn) {
	defer raw.Close()
	segments := &segments{Conn: raw}
	conn := tls.Server(segments, d.config)
	if conn.Handshake() != nil {
		return
	}
	segments.hold = true
	lines := bufio.NewReader(conn)
	for n := 1; ; n++ {
		r, err := http.ReadRequest(lines)
		if err != nil {
			return
		}
		body := fmt.Sprintf(`{"users":[{"user_id":%q,"last_contact_unix_secs":2,"first_contact_unix_secs":1,"conversation_count":1,"last_contact_conversation_id":"c"}],"has_more":false}`, r.Header.Get("xi-api-key"))
		response := fmt.Sprintf("HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s", len(body), body)
		switch {
		case n%3 != 0:
			_, _ = io.WriteString(conn, response)
		case d.records == 1:
			_, _ = io.WriteString(conn, response+response)
		default:
			_, _ = io.WriteString(conn, response)
			_, _ = io.WriteString(conn, response)
		}
		segments.flush()
	}
}

// TestResponsesNeverCrossKeys has an upstream that sends two responses to a request,
// which HTTP/1.1 cannot always detect.
func TestResponsesNeverCrossKeys(t *testing.T) {
	was := log.Writer()
	log.SetOutput(io.Discard) // net/http logs surplus responses, with their text
	defer log.SetOutput(was)
	const keys, rounds = 30, 30
	pair, pool := certificate(t)
	for version, name := range map[uint16]string{tls.VersionTLS12: "TLS 1.2", tls.VersionTLS13: "TLS 1.3"} {
		for records, framing := range map[int]string{1: "one record", 2: "two records"} {
			t.Run(name+", two responses in one segment and "+framing, func(t *testing.T) {
				listener, err := net.Listen("tcp", "127.0.0.1:0")
				if err != nil {
					t.Fatal(err)
				}
				defer listener.Close()
				server := &doubled{records: records, config: &tls.Config{Certificates: []tls.Certificate{pair}, MaxVersion: version}}
				var connections atomic.Int32
				go func() {
					for {
						conn, err := listener.Accept()
						if err != nil {
							return
						}
						connections.Add(1)
						go server.serve(conn)
					}
				}()
				client := upstream.NewClient(upstream.Config{
					BaseURL: &url.URL{Scheme: "https", Host: listener.Addr().String()}, Concurrency: 4, CallersKeys: true,
					Transport: &http.Transport{
						TLSClientConfig: &tls.Config{RootCAs: pool, ClientSessionCache: tls.NewLRUClientSessionCache(0)},
						DialContext:     (&net.Dialer{}).DialContext,
					},
				})
				defer client.Close()
				var wrong, failed, total atomic.Int32
				var wg sync.WaitGroup
				for k := range keys {
					key := fmt.Sprint("key ", k)
					session := client.As(upstream.Caller{Key: upstream.NewAPIKey(key)})
					wg.Go(func() {
						for i := range rounds {
							total.Add(1)
							page, err := session.ListUsers(t.Context(), distinct(i))
							if err != nil {
								failed.Add(1)
								continue
							}
							if slices.ContainsFunc(page.Users, func(u upstream.User) bool { return u.ID != key }) {
								wrong.Add(1)
							}
						}
					})
				}
				wg.Wait()
				t.Logf("%d of %d responses were another key's, %d failed, over %d connections", wrong.Load(), total.Load(), failed.Load(), connections.Load())
				if wrong.Load() > 0 {
					t.Errorf("%d of %d responses were another key's", wrong.Load(), total.Load())
				}
				if failed.Load() > total.Load()/10 {
					t.Errorf("%d of %d calls failed", failed.Load(), total.Load())
				}
			})
		}
	}
}
