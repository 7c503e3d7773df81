package admin

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"time"
)

// checkTimeout bounds a health check. Docker's own default is 30 s.
const checkTimeout = 5 * time.Second

// CheckHealth requests the probes of the service that listens on an address, in
// the form of LISTEN_ADDR, from the same machine. It returns why the service is
// not alive or not ready.
func CheckHealth(ctx context.Context, listenAddr string) error {
	host, port, err := net.SplitHostPort(listenAddr)
	if err != nil || port == "0" {
		return fmt.Errorf("%q has no port that can be requested", listenAddr)
	}
	ctx, cancel := context.WithTimeout(ctx, checkTimeout)
	defer cancel()
	for _, host := range reachable(host) {
		base := "http://" + net.JoinHostPort(host, port)
		err = request(ctx, base+livez)
		if op, ok := errors.AsType[*net.OpError](err); ok && op.Op == "dial" {
			continue // the listener may be at the next host
		}
		if err == nil {
			err = request(ctx, base+readyz)
		}
		break
	}
	return err
}

// reachable returns the hosts at which a listener can be reached. A listener on
// all addresses is reached on loopback, with either IP version.
func reachable(host string) []string {
	if ip := net.ParseIP(host); host == "" || ip != nil && ip.IsUnspecified() {
		return []string{"127.0.0.1", "::1"}
	}
	return []string{host}
}

// request returns an error unless the response is 200. It uses no proxy and
// follows no redirect.
func request(ctx context.Context, url string) error {
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, url, http.NoBody)
	if err != nil {
		return err
	}
	response, err := (&http.Transport{DisableKeepAlives: true}).RoundTrip(r)
	if err != nil {
		return fmt.Errorf("%s: %w", url, err)
	}
	defer response.Body.Close()
	if response.StatusCode != http.StatusOK {
		text, _ := io.ReadAll(io.LimitReader(response.Body, 100)) // describes the response
		return fmt.Errorf("%s: %s: %s", url, response.Status, strings.TrimSpace(string(text)))
	}
	return nil
}
