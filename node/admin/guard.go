package admin

import (
	"net/http"
	"net/netip"
	"strconv"
)

// hostsOf returns the values of Host by which the listener at addr may be
// asked: its loopback addresses and localhost with its port, and without one
// where it is the default of http.
func hostsOf(addr netip.AddrPort) map[string]bool {
	hosts := make(map[string]bool)
	if !addr.IsValid() || addr.Port() == 0 {
		return hosts
	}
	names := []string{"127.0.0.1", "[::1]", "localhost"}
	if ip := addr.Addr().Unmap(); ip.Is4() && ip.IsLoopback() {
		names = append(names, ip.String())
	}
	for _, name := range names {
		hosts[name+":"+strconv.Itoa(int(addr.Port()))] = true
		if addr.Port() == 80 {
			hosts[name] = true
		}
	}
	return hosts
}

// contentSecurity lets the page show itself, reload itself, and send its one
// form to this server. Its style and its script are named by hash: no other
// works.
var contentSecurity = "default-src 'none'; style-src " + hashOf(pageStyle) + "; script-src " + hashOf(pageScript) +
	"; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"

// guard stands before all routes: nothing behind it runs for a request that
// names another host, or that a browser sends on behalf of another site.
func guard(hosts map[string]bool, next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h := w.Header()
		h.Set("Content-Security-Policy", contentSecurity)
		h.Set("Cross-Origin-Opener-Policy", "same-origin")
		h.Set("Cross-Origin-Resource-Policy", "same-origin")
		h.Set("X-Content-Type-Options", "nosniff")
		h.Set("X-Frame-Options", "DENY")
		h.Set("Referrer-Policy", "no-referrer")
		h.Set("Cache-Control", "no-store")
		switch {
		case !hosts[r.Host]:
			writeError(w, http.StatusMisdirectedRequest, "this is not that host", "ask 127.0.0.1 and the port of the node's admin listener")
		case foreign(r):
			writeError(w, http.StatusForbidden, "a page of another site may not ask", "open the address itself")
		default:
			next.ServeHTTP(w, r)
		}
	})
}

// foreign reports whether a browser says that r was caused by a page of
// another origin. Another port of this host is one too: pages of strangers come
// through the gateway there. Programs that are no browser send neither field.
func foreign(r *http.Request) bool {
	switch r.Header.Get("Sec-Fetch-Site") {
	case "", "same-origin", "none":
	default:
		return true
	}
	origins := r.Header.Values("Origin")
	return len(origins) > 1 || len(origins) == 1 && origins[0] != "http://"+r.Host
}
