package proxy

import (
	"net/http"
	"net/url"

	"github.com/flashcrowd/flashcrowd/fetch"
)

// local answers a request to this node itself: the gateway and the page that
// says what this is. raw is the target in origin form.
func (p *Proxy) local(v *visit, raw string) error {
	v.face = "local"
	if err := p.checkHost(v.r); err != nil {
		return err
	}
	if inner, ok := gatewayTarget(raw); ok {
		return p.gateway(v, inner)
	}
	if raw == "/proxy.pac" {
		return p.pac(v)
	}
	if raw == "/" {
		return v.page()
	}
	return refuse(nothingHere, "nothing is here")
}

// gateway answers a request whose target stands in its path. It is for
// downloads: to a browser all sites that come this way are one origin, so what
// would let one of them act upon another is taken away.
func (p *Proxy) gateway(v *visit, raw string) error {
	v.face = "gateway"
	if isWorker(v.r.Header) {
		return badRequest("service workers are not served here: one would rule all sites")
	}
	if v.r.Method != http.MethodGet && v.r.Method != http.MethodHead {
		return refuse(readOnly, "the gateway is for GET and HEAD; use the proxy")
	}
	target, err := parseTarget(raw)
	if err != nil {
		return err
	}
	if p.owner(v.r, target) != nobodys {
		return refuse(misdirected, "%s is a listener of this node", target.Host)
	}
	base := "http://" + v.r.Host + "/"
	return p.relay(v, target, way{
		face:    fetch.Gateway,
		request: dropGatewayOrigin,
		response: func(h http.Header) {
			sandbox(h)
			relocate(h, target, func(u *url.URL) (string, bool) { return throughGateway(base, u) })
		},
	})
}

// isWorker reports whether a browser asks for the script of a service worker
// (Service Workers section 7.1; older browsers say it by destination only).
func isWorker(h http.Header) bool {
	return h.Get("Service-Worker") != "" || h.Get("Sec-Fetch-Dest") == "serviceworker"
}

// dropGatewayOrigin removes from a request what a browser says about the
// gateway as if it were the site: another site has set it, or would learn it.
// Credentials stay when it is not a browser that sends them.
func dropGatewayOrigin(h http.Header) {
	browser := false
	for _, name := range []string{
		"Sec-Fetch-Site", "Sec-Fetch-Mode", "Sec-Fetch-Dest", "Sec-Fetch-User", "Origin", "Referer",
	} {
		browser = browser || len(h[name]) > 0
		delete(h, name)
	}
	if browser {
		delete(h, "Authorization")
	}
	delete(h, "Cookie")
}

// sandbox takes from a response what would make it act on the gateway's own
// origin: documents get an opaque one, and nothing is kept for the host.
func sandbox(h http.Header) {
	h.Add("Content-Security-Policy", "sandbox")
	for _, name := range []string{
		"Set-Cookie", "Clear-Site-Data", "Strict-Transport-Security", "Alt-Svc", "Service-Worker-Allowed",
		"Nel", "Report-To", "Reporting-Endpoints", "Public-Key-Pins",
	} {
		delete(h, name)
	}
}

// throughGateway returns the address of u within the gateway at base, if a
// gateway leads there.
func throughGateway(base string, u *url.URL) (string, bool) {
	return base + u.String(), u.Scheme == "http" || u.Scheme == "https"
}

// relocate rewrites Location and Content-Location. rewrite gets each as an
// absolute URL and returns its address here, if it has one; if not, it keeps
// its own, and a relative one is made absolute, since here it would lead
// elsewhere. A value that is no reference at all is dropped.
func relocate(h http.Header, target *url.URL, rewrite func(u *url.URL) (string, bool)) {
	for _, name := range []string{"Location", "Content-Location"} {
		values := h[name]
		if len(values) == 0 {
			continue
		}
		kept := make([]string, 0, len(values))
		for _, value := range values {
			ref, err := url.Parse(value)
			if err != nil {
				continue
			}
			u := target.ResolveReference(ref)
			if to, ok := rewrite(u); ok {
				value = to
			} else if !ref.IsAbs() {
				value = u.String()
			}
			kept = append(kept, value)
		}
		h[name] = kept
	}
}
