package config

import (
	"errors"
	"net"
	"net/url"
	"path"
	"strings"
)

// readUpstream determines the server to call.
func (s *settings) readUpstream(regionURL func(string) (string, bool)) {
	base, known := regionURL(s.region)
	if !known {
		s.faultChoice("UPSTREAM_REGION", s.region, "global", "us", "eu", "in", "sg")
	}
	if s.url != "" {
		base = s.url
	} else if !known {
		return
	}
	upstream, err := parseBase(base)
	if err != nil {
		s.fault("UPSTREAM_URL", "%w", err)
		return
	}
	if strings.Trim(upstream.Path, "/") != "" {
		s.warn("UPSTREAM_URL has a path: calls go to that path followed by %s", apiPath)
	}
	if !s.Demo {
		s.Upstream = upstream
	}
}

// apiPath is what the client adds to the base URL.
const apiPath = "/v1/convai/users"

// parseBase parses a server's base URL, to which a path and a query are added.
func parseBase(base string) (*url.URL, error) {
	u, err := parseServer(base)
	if err != nil {
		return nil, err
	}
	if u.RawQuery != "" || u.ForceQuery {
		return nil, errors.New("must not have a query")
	}
	for beginning := apiPath; beginning != "/"; beginning = path.Dir(beginning) {
		if strings.HasSuffix(path.Clean("/"+u.Path), beginning) {
			return nil, errors.New("must not end in " + beginning + ": the service adds " + apiPath + " to the base URL")
		}
	}
	return u, nil
}

// parseServer parses a server's URL. Its errors do not contain the URL, which may
// contain a password.
func parseServer(address string) (*url.URL, error) {
	u, err := url.Parse(address)
	switch {
	case err != nil || u.Hostname() == "" || u.Scheme != "https" && u.Scheme != "http":
		return nil, errors.New("is not an http or https URL")
	case u.Port() != "" && (!isPort(u.Port()) || u.Port() == "0"):
		return nil, errors.New("has a port that is not a number from 1 to 65535")
	case u.User != nil:
		return nil, errors.New("must not contain a user or a password")
	case u.Fragment != "":
		return nil, errors.New("must not have a fragment")
	case u.Scheme == "http" && !isLoopback(u.Hostname()):
		return nil, errors.New("must be https, because it would carry secrets without encryption; plain http is accepted only to loopback")
	}
	return u, nil
}

func isLoopback(host string) bool {
	ip := net.ParseIP(host)
	return host == "localhost" || ip != nil && ip.IsLoopback()
}

// IsLoopback reports whether host:port, with the host's address, is on loopback.
func IsLoopback(addr string) bool {
	host, _, err := net.SplitHostPort(addr)
	return err == nil && isLoopback(host)
}
