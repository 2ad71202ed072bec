package fetch

import (
	"net/url"

	"github.com/flashcrowd/flashcrowd/verify"
)

// documentOf returns the origin of the document that a request is tied to by
// both its Referer and its Sec-Fetch fields, which no page can forge (Fetch
// Metadata); nobody if they do not agree.
func documentOf(req *Request) verify.Authority {
	from, err := url.Parse(req.Header.Get("Referer"))
	if err != nil {
		return verify.Authority{}
	}
	a, err := verify.AuthorityOf(from)
	own, ownErr := verify.AuthorityOf(req.URL)
	if err != nil || ownErr != nil {
		return verify.Authority{}
	}
	switch site := req.Header.Values("Sec-Fetch-Site"); {
	case len(site) != 1 || req.Header.Get("Sec-Fetch-Mode") == "navigate":
		return verify.Authority{}
	case site[0] == "same-origin" && a == own, (site[0] == "same-site" || site[0] == "cross-site") && a != own:
		return a
	}
	return verify.Authority{}
}
