package upstream

import (
	"compress/flate"
	"compress/gzip"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"io"
	"net"
	"net/http"
	"strings"
	"syscall"
)

// A call that got no whole response failed for a reason that an operator has to
// find: the name does not resolve, nothing listens, the certificate is wrong, the
// response breaks the contract. The errors of net, net/http and crypto report it
// in texts that may quote the URL with its cursor and user ID, the certificate or
// the response. So none of those texts is passed on: an error is recognised by
// its type, and described by a sentence of this file or by the operating
// system's name for it.

// failure is the class of a failed call: the error.type of metric and span. The
// set is small and fixed.
type failure string

const (
	failedDNS        failure = "dns"        // the server's name was not resolved
	failedRefused    failure = "refused"    // nothing listens at the server's address
	failedTLS        failure = "tls"        // no TLS connection, for example because of the certificate
	failedTimeout    failure = "timeout"    // no whole response in time
	failedConnection failure = "connection" // any other failure of the network
	failedContract   failure = "contract"   // a response that the contract does not allow
)

// contractError describes how a response breaks the contract.
type contractError string

func (e contractError) Error() string { return string(e) }

// exchangeError returns the error of an exchange that ended without a whole response.
// The response is nil if its head did not arrive.
func exchangeError(ctx context.Context, key APIKey, stage Stage, resp *http.Response, cause error) error {
	if errors.Is(context.Cause(ctx), context.Canceled) {
		return context.Canceled
	}
	e := &Error{Kind: Unavailable, Stage: stage, Cause: cause}
	if resp != nil {
		e.Status, e.TraceID = resp.StatusCode, traceIDOf(resp, key)
	}
	network, isNetwork := errors.AsType[net.Error](cause)
	class, _ := describe(cause)
	switch {
	case class == failedContract:
		e.Kind = BadResponse
	case isNetwork && network.Timeout():
		e.Kind = Timeout
	case !isNetwork && stage == Reading:
		e.Kind = BadResponse // cut short, or not in the encoding that its header names
	}
	return e
}

// badResponse returns the error of a response with status 200 that breaks the contract.
func badResponse(resp *http.Response, key APIKey, stage Stage, cause error) error {
	return &Error{
		Kind: BadResponse, Stage: stage, Status: resp.StatusCode,
		TraceID: traceIDOf(resp, key), Cause: cause,
	}
}

// Reason returns a sentence about the cause, or "" if the status says it all. It
// is safe to log: it quotes no URL and nothing that the upstream wrote.
func (e *Error) Reason() string {
	if e.Cause == nil {
		return denials[e.Denial]
	}
	_, reason := describe(e.Cause)
	return reason
}

// class returns the failure's class. It does not contradict the kind.
func (e *Error) class() failure {
	if e.Kind == BadResponse {
		return failedContract
	}
	class, _ := describe(e.Cause)
	return class
}

// describe returns the class of a cause and a sentence about it. The sentence
// consists of words of this package, the operating system and the resolver.
func describe(cause error) (failure, string) {
	if _, ok := errors.AsType[contractError](cause); ok {
		return failedContract, cause.Error() // with the position in the response, which is ours as well
	}
	// The calls that were not sent: the reason is this package's own.
	for _, unsent := range []error{errOpen, errQueue, errPaused, errNoTime, errAllInUse, errOverloaded, errRefusedKey} {
		if errors.Is(cause, unsent) {
			return failedConnection, unsent.Error()
		}
	}
	if dns, ok := errors.AsType[*net.DNSError](cause); ok {
		return failedDNS, describeDNS(dns)
	}
	if reason := describeTLS(cause); reason != "" {
		return failedTLS, reason
	}
	if reason := describeMalformed(cause); reason != "" {
		return failedContract, reason
	}
	network, isNetwork := errors.AsType[net.Error](cause)
	number, isErrno := errors.AsType[syscall.Errno](cause)
	switch {
	case errors.Is(cause, syscall.ECONNREFUSED):
		return failedRefused, "connection refused"
	case isNetwork && network.Timeout():
		return failedTimeout, describeTimeout(cause)
	case isErrno:
		return failedConnection, number.Error()
	case errors.Is(cause, io.ErrUnexpectedEOF):
		return failedConnection, "the connection was closed in the middle of the response"
	case errors.Is(cause, io.EOF):
		return failedConnection, "the connection was closed before a response"
	}
	return failedConnection, "the connection failed"
}

// describeDNS describes a failed look-up. The name is that of the configured
// server and the text is the resolver's, so neither contains a caller's or the
// upstream's words.
func describeDNS(e *net.DNSError) string {
	switch {
	case e.IsNotFound:
		return "no such host"
	case e.IsTimeout:
		return "the name server did not answer in time"
	}
	return "the name server reported an error"
}

func describeTimeout(cause error) string {
	if dial, ok := errors.AsType[*net.OpError](cause); ok && dial.Op == "dial" {
		return "no connection in time"
	}
	if strings.HasSuffix(cause.Error(), "TLS handshake timeout") { // net/http's; it has no type
		return "no TLS handshake in time"
	}
	return "no response in time"
}

// describeTLS returns "" if the cause is not a failure of TLS.
func describeTLS(cause error) string {
	if _, ok := errors.AsType[x509.UnknownAuthorityError](cause); ok {
		return "certificate signed by unknown authority"
	}
	if _, ok := errors.AsType[x509.HostnameError](cause); ok {
		return "certificate is valid for another host"
	}
	if invalid, ok := errors.AsType[x509.CertificateInvalidError](cause); ok {
		if invalid.Reason == x509.Expired {
			return "certificate has expired or is not yet valid"
		}
		return "certificate is not valid for a server"
	}
	if _, ok := errors.AsType[*tls.CertificateVerificationError](cause); ok {
		return "certificate cannot be verified"
	}
	if _, ok := errors.AsType[tls.RecordHeaderError](cause); ok || errors.Is(cause, http.ErrSchemeMismatch) {
		return "the server does not speak TLS"
	}
	// An alert of the server has a type of crypto/tls's own. Its text is one of
	// the names of RFC 8446, section 6.
	if alert, ok := errors.AsType[*net.OpError](cause); ok && alert.Op == "remote error" {
		return "the server refused the TLS connection: " + strings.TrimPrefix(alert.Err.Error(), "tls: ")
	}
	// The other errors of a handshake have no type: only their prefix identifies
	// them.
	if strings.HasPrefix(rootOf(cause).Error(), "tls: ") {
		return "the TLS connection failed"
	}
	return ""
}

// describeMalformed returns "" if the cause is not a response that breaks HTTP
// or its own encoding. Most of net/http's errors of this kind have no type.
func describeMalformed(cause error) string {
	text := rootOf(cause).Error()
	for _, c := range []struct{ prefix, reason string }{
		{"malformed ", "the response is not valid HTTP"},
		{"invalid ", "the response is not valid HTTP"},
		{"bad Content-Length", "the response is not valid HTTP"},
		{"unsupported transfer encoding", "the response is not valid HTTP"},
		{"net/http: server response headers exceeded", "the response's head is too large"},
		{"http: invalid ", "the response is not valid HTTP"},
	} {
		if strings.HasPrefix(text, c.prefix) {
			return c.reason
		}
	}
	_, inflate := errors.AsType[flate.CorruptInputError](cause)
	if inflate || errors.Is(cause, gzip.ErrHeader) || errors.Is(cause, gzip.ErrChecksum) {
		return "the body is not valid gzip"
	}
	return ""
}

// rootOf returns the innermost error.
func rootOf(err error) error {
	for {
		inner := errors.Unwrap(err)
		if inner == nil {
			return err
		}
		err = inner
	}
}
