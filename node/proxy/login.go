package proxy

import (
	"context"
	"crypto/subtle"
	"encoding/base64"
	"net/http"
	"strings"
)

// challenge is for HTTP Basic (RFC 7617): what every client of a proxy can.
const challenge = `Basic realm="flashcrowd", charset="UTF-8"`

// login finds out whether a client that has to say who it is has done so. A
// client that takes this node for a proxy says it in Proxy-Authorization, which
// goes no further (see hopByHop). One that takes it for a server, the gateway or
// a mirror, has Authorization alone: then that was for this node and is taken
// out, while one with anything else in it is for the origin.
func (p *Proxy) login(r *http.Request) error {
	if p.cfg.Login == nil || interceptedIn(r.Context()) != nil { // the CONNECT was asked
		return nil
	}
	server := r.Method != http.MethodConnect && !strings.Contains(r.RequestURI, "://") || strings.HasPrefix(r.RequestURI, "/")
	given := r.Header["Proxy-Authorization"]
	switch {
	case p.opens(r.Context(), given):
		return nil
	case !server:
		p.stranded(r, given)
		return refuse(proxyLogin, "clients have to say who they are")
	}
	given = r.Header["Authorization"]
	if p.opens(r.Context(), given) {
		delete(r.Header, "Authorization")
		return nil
	}
	p.stranded(r, given)
	return refuse(serverLogin, "clients have to say who they are")
}

// stranded logs a client that was wrong. How often that happens is bounded by
// what Login costs.
func (p *Proxy) stranded(r *http.Request, given []string) {
	if len(given) > 0 {
		p.log.Warn("rejected", "why", "user name or password is wrong", "client", r.RemoteAddr)
	}
}

// opens reports whether the lines of a field are one, with credentials that
// are right.
func (p *Proxy) opens(ctx context.Context, lines []string) bool {
	if len(lines) != 1 {
		return false
	}
	scheme, credentials, _ := strings.Cut(lines[0], " ")
	credentials = strings.TrimLeft(credentials, " ")
	switch {
	case strings.EqualFold(scheme, "Bearer"):
		return p.cfg.Token != "" && subtle.ConstantTimeCompare([]byte(credentials), []byte(p.cfg.Token)) == 1
	case strings.EqualFold(scheme, "Basic"):
		raw, err := base64.StdEncoding.DecodeString(credentials)
		user, password, ok := strings.Cut(string(raw), ":")
		return err == nil && ok && p.cfg.Login(ctx, user, password)
	}
	return false
}
