package proxy

import (
	"net/http"
	"strings"

	"github.com/flashcrowd/flashcrowd/fetch"
)

// swarmField is the switch of a request: "off" keeps other nodes out of it. No
// origin gets to see it.
const swarmField = "Flashcrowd-Swarm"

// switches applies to req what the user decided about such requests.
func (p *Proxy) switches(req *fetch.Request) {
	req.NoSwarm = isOff(req.Header)
	delete(req.Header, swarmField)
	req.Bypass = p.paused() || p.cfg.Bypass != nil && p.cfg.Bypass(hostOf(req.URL.Host))
}

func isOff(h http.Header) bool {
	for _, value := range h[swarmField] {
		if strings.EqualFold(strings.TrimSpace(value), "off") {
			return true
		}
	}
	return false
}

// denied refuses hosts that the user wants nobody to reach.
func (p *Proxy) denied(host string) error {
	if p.cfg.Deny != nil && p.cfg.Deny(host) {
		return refuse(hostDenied, "%.80s", host)
	}
	return nil
}

// paused reports whether this node is a plain proxy for now.
func (p *Proxy) paused() bool { return p.cfg.Paused != nil && p.cfg.Paused() }
