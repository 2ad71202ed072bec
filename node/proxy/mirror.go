package proxy

import (
	"net/http"
	"net/url"
	"strings"

	"github.com/flashcrowd/flashcrowd/fetch"
)

// mirror is one origin under the address of one listener.
type mirror struct {
	origin *url.URL
	site   string // scheme://host of origin
	base   string // path before that of each request, without the last slash
}

func newMirror(origin *url.URL) mirror {
	return mirror{
		origin: origin,
		site:   origin.Scheme + "://" + origin.Host,
		base:   strings.TrimSuffix(origin.EscapedPath(), "/"),
	}
}

// mirror answers a request for m's origin.
func (p *Proxy) mirror(v *visit, m mirror) error {
	v.face = "mirror"
	raw, err := p.mirrorPath(v.r)
	if err != nil {
		return err
	}
	target, err := parseTarget(m.site + m.base + raw)
	if err != nil {
		return err
	}
	if p.owner(v.r, target) == thisListener {
		return &fetch.Failure{Cause: fetch.Loop, Err: errLoop}
	}
	here := "http://" + v.r.Host
	return p.relay(v, target, way{
		face:     fetch.Mirror,
		request:  func(h http.Header) { m.introduce(h, here) },
		response: func(h http.Header) { relocate(h, target, func(u *url.URL) (string, bool) { return m.moved(u, here) }) },
	})
}

// mirrorPath returns the target of r in origin form. The absolute form is
// accepted for the mirror's own address (RFC 9112 section 3.2.2): it is no
// proxy for others.
func (p *Proxy) mirrorPath(r *http.Request) (string, error) {
	if err := p.checkHost(r); err != nil {
		return "", err
	}
	switch {
	case r.Method == http.MethodConnect:
		return "", refuse(wrongMethod, "a mirror has no tunnels")
	case strings.HasPrefix(r.RequestURI, "/"):
		return r.RequestURI, nil
	}
	target, err := parseTarget(r.RequestURI)
	if err != nil {
		return "", err
	}
	if p.owner(r, target) != thisListener {
		return "", refuse(misdirected, "this is a mirror, not a proxy")
	}
	return localPart(r.RequestURI), nil
}

// introduce says Origin and Referer as they would be at the origin when they
// name the mirror at here. Those of other sites stay, so that the origin's own
// checks hold.
func (m mirror) introduce(h http.Header, here string) {
	if h.Get("Origin") == here {
		h.Set("Origin", m.site)
	}
	if rest, ok := strings.CutPrefix(h.Get("Referer"), here); ok && strings.HasPrefix(rest, "/") {
		h.Set("Referer", m.site+m.base+rest)
	}
}

// moved returns the address of u under the mirror at here, if the mirror
// covers it.
func (m mirror) moved(u *url.URL, here string) (string, bool) {
	rest, under := strings.CutPrefix(u.EscapedPath(), m.base)
	switch {
	case !under || rest != "" && rest[0] != '/', !sameSite(u, m.origin):
		return "", false
	case rest == "":
		rest = "/"
	}
	if u.ForceQuery || u.RawQuery != "" {
		rest += "?" + u.RawQuery
	}
	if u.Fragment != "" {
		rest += "#" + u.EscapedFragment()
	}
	return here + rest, true
}

func sameSite(a, b *url.URL) bool {
	return a.Scheme == b.Scheme && a.User == nil && hostOf(a.Host) == hostOf(b.Host) && effectivePort(a) == effectivePort(b)
}
