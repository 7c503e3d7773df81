package main

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"math/big"
	"net"
	"net/http/httptest"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"rollcall/upstream/shared/redistest"
)

// TestRedisTLS has a Redis that speaks TLS, with a certificate that only the first
// of two services trusts, and a user with the permissions of docs/operations.md.
func TestRedisTLS(t *testing.T) {
	folder := t.TempDir()
	certificate, key := filepath.Join(folder, "redis.crt"), filepath.Join(folder, "redis.key")
	writeCertificate(t, certificate, key)
	tlsAddr := redistest.FreeAddr(t)
	_, port, _ := net.SplitHostPort(tlsAddr)
	manual, err := os.ReadFile("docs/operations.md")
	if err != nil {
		t.Fatal(err)
	}
	permissions := regexp.MustCompile(`(?m)^(ACL SETUSER .*)$`).FindSubmatch(manual)
	if permissions == nil {
		t.Fatal("the manual has no permissions")
	}
	redis := redistest.Start(t, "--tls-port", port, "--tls-cert-file", certificate, "--tls-key-file", key, "--tls-auth-clients", "no")
	redis.Command(strings.Fields(strings.Replace(string(permissions[1]), "PASSWORD", "canary-password", 1))...)
	redis.Command("acl", "setuser", "default", "nopass", "+@all")
	server := httptest.NewServer(&countingUpstream{})
	defer server.Close()
	program := buildService(t)
	env := []string{"UPSTREAM_URL=" + server.URL, "REDIS_URL=rediss://rollcall:canary-password@" + tlsAddr, "LOG_FORMAT=json"}

	t.Run("a trusted certificate", func(t *testing.T) {
		var log syncBuffer
		p := startProcessWith(t, program, &log, append(env, "SSL_CERT_FILE="+certificate)...)
		await(t, 10*time.Second, "the limit is shared", func() bool { return strings.Contains(log.String(), "shared by all replicas") })
		if _, body := post(t, p.url, `{ user(userId: "a") { conversationCount } }`, nil); !strings.Contains(body, `"data"`) {
			t.Error(body)
		}
		if !strings.Contains(redis.Command("keys", "*"), ":state") {
			t.Error("a call leaves nothing in Redis")
		}
		p.kill()
	})
	t.Run("another certificate", func(t *testing.T) {
		var log syncBuffer
		p := startProcessWith(t, program, &log, env...)
		if _, body := post(t, p.url, `{ user(userId: "a") { conversationCount } }`, nil); !strings.Contains(body, `"data"`) {
			t.Error(body)
		}
		await(t, 5*time.Second, "the log says why", func() bool { return strings.Contains(log.String(), "certificate signed by unknown authority") })
		if strings.Contains(log.String(), "shared by all replicas") || strings.Contains(log.String(), "canary") {
			t.Errorf("logged %s", log.String())
		}
	})
}

// writeCertificate writes a certificate of 127.0.0.1, signed by itself.
func writeCertificate(t *testing.T, certificate, key string) {
	t.Helper()
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "redis"}, IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour), IsCA: true, BasicConstraintsValid: true,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &private.PublicKey, private)
	if err != nil {
		t.Fatal(err)
	}
	secret, err := x509.MarshalPKCS8PrivateKey(private)
	if err != nil {
		t.Fatal(err)
	}
	for path, block := range map[string]*pem.Block{certificate: {Type: "CERTIFICATE", Bytes: der}, key: {Type: "PRIVATE KEY", Bytes: secret}} {
		var text bytes.Buffer
		if err := pem.Encode(&text, block); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, text.Bytes(), 0o600); err != nil {
			t.Fatal(err)
		}
	}
}
