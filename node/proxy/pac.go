package proxy

import (
	"encoding/json"
	"io"
	"net/http"
	"strconv"
	"strings"
)

// pac answers with a file for the automatic configuration of browsers: the
// hosts that the user chose go through this node, and directly where it does
// not answer; all others do not.
func (p *Proxy) pac(v *visit) error {
	if v.r.Method != http.MethodGet && v.r.Method != http.MethodHead {
		return refuse(readOnly, "this file is only to be read")
	}
	v.outcome = "local"
	chosen := p.cfg.PAC
	if chosen == nil {
		chosen = []string{}
	}
	list, err := json.Marshal(chosen)
	if err != nil {
		return badRequest("list of hosts")
	}
	text := strings.NewReplacer("CHOSEN", string(list), "HERE", v.r.Host).Replace(pacText)
	h := v.w.Header()
	h.Set("Content-Type", "application/x-ns-proxy-autoconfig")
	h.Set("Content-Length", strconv.Itoa(len(text)))
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("Cache-Control", "no-store")
	v.w.WriteHeader(http.StatusOK)
	if v.r.Method == http.MethodGet {
		io.WriteString(v.w, text)
	}
	return nil
}

const pacText = `// The hosts that go through flashcrowd: those of --intercept.
var chosen = CHOSEN;

function FindProxyForURL(url, host) {
  host = host.toLowerCase();
  for (var i = 0; i < chosen.length; i++) {
    if (shExpMatch(host, chosen[i])) {
      return "PROXY HERE; DIRECT";
    }
  }
  return "DIRECT";
}
`
