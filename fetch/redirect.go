package fetch

import (
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/flashcrowd/flashcrowd/dht"
	"github.com/flashcrowd/flashcrowd/verify"
)

// maxHops is how many redirects in a row are followed.
const maxHops = 5

// chase returns ans, or, if it is a redirect on which the origin states what
// the bytes are that it leads to, the answer to which it led: as one to the
// request itself, vouched for by the origin that was asked (design.md section
// 5). So a mirror needs no trust, and what its URL is called, or whoever else
// is sent there, has nothing to do with it. Where that does not lead to a whole
// body that the origin's word is about, the redirect is the answer.
func (fl *flight) chase(ans *Answer) *Answer {
	switch {
	case tokenLike(fl.req.URL), !promises(ans.Meta):
		return ans
	case !mayFollow(fl.req):
		fl.missing = append(fl.missing, "the redirect states a digest of what it leads to; a program that downloads, without Referer, would get that from others under this URL")
		return ans
	}
	first, at := ans.Meta, ans.Meta
	for range maxHops {
		to := leadsTo(at)
		if to == nil {
			return ans
		}
		next := *fl.req
		next.URL = to
		got, err := fl.f.cfg.Origin.Send(fl.ctx, &next, nil)
		if err != nil {
			return ans
		}
		if m := vouched(first, got.Meta); m != nil {
			ans.Body.Close()
			got.Meta, fl.moved = m, &next
			return got
		}
		got.Body.Close()
		at = got.Meta
	}
	return ans
}

// mayFollow reports whether a redirect may be followed on behalf of req: it is
// of a tool that downloads. To a browser it matters whose URL a document has,
// and it shows one origin nothing of what another one sends.
func mayFollow(req *Request) bool {
	for _, name := range []string{"Origin", "Referer", "Sec-Fetch-Site", "Sec-Fetch-Mode", "Sec-Fetch-Dest", "Upgrade-Insecure-Requests"} {
		if req.Header.Get(name) != "" {
			return false
		}
	}
	return req.Method == http.MethodGet && plainRequest(req) && !strings.HasPrefix(req.Header.Get("User-Agent"), "Mozilla/")
}

// promises reports whether m is a redirect for everybody that states a digest
// of what it leads to.
func promises(m *Meta) bool {
	cc := directives(m.Header.Values("Cache-Control"))
	return isRedirect(m.Status) && !cc.has("private") && len(m.Header.Values("Set-Cookie")) == 0 &&
		len(promised(m, lengthBehind(m))) > 0
}

func isRedirect(status int) bool {
	switch status {
	case http.StatusMovedPermanently, http.StatusFound, http.StatusSeeOther, http.StatusTemporaryRedirect, http.StatusPermanentRedirect:
		return true
	}
	return false
}

// lengthBehind is the length that a redirect says of what it leads to; where
// it says none, any will do to see whether it states a digest.
func lengthBehind(m *Meta) int64 {
	if n, err := strconv.ParseInt(m.Header.Get("X-Linked-Size"), 10, 64); err == nil && n >= 0 {
		return n
	}
	return 0
}

// promised is what the redirect m says of a body of length octets.
func promised(m *Meta, length int64) []verify.Evidence {
	x := m.Exchange()
	x.Length, x.Followed = length, true
	return verify.Read(x)
}

// leadsTo returns where m redirects to, nil if nowhere that can be asked.
func leadsTo(m *Meta) *url.URL {
	lines := m.Header.Values("Location")
	if !isRedirect(m.Status) || len(lines) != 1 || lines[0] == "" {
		return nil
	}
	to, err := m.ParsedURL().Parse(lines[0])
	if err != nil || to.Scheme != "http" && to.Scheme != "https" || to.Host == "" || to.User != nil || to.Opaque != "" {
		return nil
	}
	to.Fragment, to.RawFragment = "", ""
	return to
}

// representation are the fields of a mirror's answer that are about the bytes.
// What speaks for its origin, such as cookies and policies, is not for the URL
// that was asked.
var representation = fieldSet(
	"Accept-Ranges", "Age", "Cache-Control", "Content-Disposition", "Content-Language", "Content-Length", "Content-Type",
	"Date", "Etag", "Expires", "Last-Modified", "Vary",
)

// vouched returns what is known of the body that got brings, as an answer to
// the request that first redirected; nil if first does not vouch for it. It is
// fresh for no longer than the redirect is.
func vouched(first, got *Meta) *Meta {
	evidence := promised(first, got.Length)
	foreign := len(got.Header.Values("Set-Cookie")) > 0 || first.PublicOrigin && !got.PublicOrigin
	if got.Status != http.StatusOK || got.Coding() != "" || foreign || len(evidence) == 0 {
		return nil
	}
	m := *got
	m.URL, m.ID, m.Evidence, m.Moved = first.URL, first.ID, evidence, true
	m.RequestTime, m.PublicOrigin = first.RequestTime, first.PublicOrigin && got.PublicOrigin
	m.Header = http.Header{}
	for name, lines := range got.Header {
		if representation[name] {
			m.Header[name] = slices.Clone(lines)
		}
	}
	cc := directives(first.Header.Values("Cache-Control"))
	switch {
	case cc.has("no-store"):
		m.Header.Set("Cache-Control", "no-store")
	case !cc.has("max-age") && !cc.has("s-maxage") && len(first.Header.Values("Expires")) == 0 || cc.has("no-cache"):
		m.Header.Set("Cache-Control", "no-cache")
	}
	return &m
}

// confirms returns what says that stored is right, if m does: a 304, or a
// redirect that states the digest of what is stored.
func confirms(stored *Stored, m *Meta) *Meta {
	if m.Status == http.StatusNotModified {
		return m
	}
	if !stored.Meta.Moved || !promises(m) {
		return nil
	}
	was, ok := stored.Meta.Stated()
	for _, e := range promised(m, stored.Meta.Length) {
		if ok && e.Digest() == was && e.Digest().Algorithm().Strong() {
			same := *m
			same.Status, same.Length = http.StatusNotModified, 0
			same.Header = http.Header{"Date": m.Header.Values("Date")}
			return &same
		}
	}
	return nil
}

// leads remembers to which URLs anybody is led who asks for one that everybody
// may: the signed URLs of a CDN, say. It is bounded and forgets by time. The
// zero value is ready.
type leads struct {
	mu    sync.Mutex // guards until
	until map[dht.ID]time.Time
}

const (
	// leadsFor is how long a client may take to follow.
	leadsFor = 10 * time.Minute
	maxLeads = 4096
)

// note learns from m, the answer to req.
func (l *leads) note(req *Request, m *Meta, s Sharing) {
	to := leadsTo(m)
	cc := directives(m.Header.Values("Cache-Control"))
	if to == nil || !plainRequest(req) || tokenLike(req.URL) || cc.has("private") ||
		len(m.Header.Values("Set-Cookie")) > 0 || !m.PublicOrigin && !s.Private {
		return
	}
	id, err := dht.URLID(to)
	if err != nil {
		return
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.until == nil {
		l.until = make(map[dht.ID]time.Time)
	}
	for known := range l.until { // any: to forget one costs a look-up that could have been
		if len(l.until) < maxLeads {
			break
		}
		delete(l.until, known)
	}
	l.until[id] = time.Now().Add(leadsFor)
}

// capability reports whether m, the answer of a URL that grants access, may be
// shared nevertheless: anybody is led to it, and it is known by a digest, the
// only name that is given to others. Else why says what is against it.
func (l *leads) capability(m *Meta, proof verify.Proof) (ok bool, why []string) {
	l.mu.Lock()
	led := time.Now().Before(l.until[m.ID])
	l.mu.Unlock()
	switch {
	case !led:
		return false, []string{"the query looks like a credential; where everybody is led to it by a redirect, the download through that could be shared"}
	case !proof.Digest().Algorithm().Strong():
		return false, []string{"the query looks like a credential, and there is no SHA-2 digest to share the body under instead; the site could send Repr-Digest with sha-256"}
	}
	return true, nil
}
