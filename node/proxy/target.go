package proxy

import (
	"errors"
	"net/url"
	"strconv"
	"strings"
)

// parseTarget reads the URL that a request is for, in absolute form as it
// stood in the request line. The result is absolute, http or https, with a
// host, and without userinfo and fragment; path and query are as they were
// sent.
func parseTarget(raw string) (*url.URL, error) {
	if strings.Contains(raw, "#") {
		return nil, badRequest("a request target has no fragment")
	}
	u, err := url.ParseRequestURI(raw)
	if err != nil {
		return nil, badRequest("request target: %v", reason(err))
	}
	switch {
	case u.Scheme != "http" && u.Scheme != "https":
		return nil, badRequest("scheme %.40q: only http and https are proxied", u.Scheme)
	case u.User != nil:
		return nil, badRequest("userinfo in a URL is not accepted")
	case u.Opaque != "" || u.Hostname() == "":
		return nil, badRequest("request target without a host")
	}
	switch port := u.Port(); {
	case port != "":
		if n, err := strconv.ParseUint(port, 10, 16); err != nil || n == 0 {
			return nil, badRequest("port %.40q", port)
		}
	default: // "host:" means the same
		u.Host = strings.TrimSuffix(u.Host, ":")
	}
	if u.Path == "" {
		u.Path = "/"
	}
	return u, nil
}

// reason returns what is wrong with a URL without the URL itself, which may
// hold what must not be shown.
func reason(err error) error {
	var e *url.Error
	if errors.As(err, &e) {
		return e.Err
	}
	return err
}

// localPart returns path and query of a target in absolute form, as they were
// sent.
func localPart(raw string) string {
	_, rest, _ := strings.Cut(raw, "://")
	i := strings.IndexAny(rest, "/?")
	switch {
	case i < 0:
		return "/"
	case rest[i] == '?':
		return "/" + rest[i:]
	default:
		return rest[i:]
	}
}

// gatewayTarget returns the absolute URL within the path of a request to the
// gateway, "/https://host/path?query". Some clients make one slash of two;
// "/https:/host" can mean nothing else.
func gatewayTarget(raw string) (string, bool) {
	for _, scheme := range []string{"http:", "https:"} {
		if len(raw) <= len("/")+len(scheme) || !strings.EqualFold(raw[1:1+len(scheme)], scheme) {
			continue
		}
		rest := raw[1+len(scheme):]
		switch {
		case strings.HasPrefix(rest, "//"):
			return scheme + rest, true
		case strings.HasPrefix(rest, "/"):
			return scheme + "/" + rest, true
		}
	}
	return "", false
}
