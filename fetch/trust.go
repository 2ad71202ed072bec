package fetch

import (
	"log/slog"
	"net/http"
	"sync"

	"github.com/flashcrowd/flashcrowd/dht"
	"github.com/flashcrowd/flashcrowd/verify"
)

// rules are what the user said of trust.
func (f *Fetcher) rules() verify.Rules {
	return verify.Rules{Default: f.cfg.Policy, For: f.cfg.PolicyFor, Publishers: f.cfg.Publishers}
}

// admit returns the proof for m's body under the policy for its host, which it
// names, for a request that is tied to document.
func (f *Fetcher) admit(m *Meta, document verify.Authority) (verify.Proof, verify.Policy, error) {
	policy, c := f.caseOf(m, document)
	p, err := verify.AdmitFor(policy, c, m.Evidence)
	return p, policy, err
}

// caseOf returns the policy for m's host and what it is applied to.
func (f *Fetcher) caseOf(m *Meta, document verify.Authority) (verify.Policy, verify.Case) {
	u := m.ParsedURL()
	policy, publisher := f.rules().Of(u)
	return policy, verify.Case{
		URL: u, ContentType: m.Header.Get("Content-Type"), Publisher: publisher, Document: document,
		Immutable: directives(m.Header.Values("Cache-Control")).has("immutable"),
		Derived:   f.cfg.Profiles.Derives(m.Exchange()),
	}
}

// Exchange is m as far as evidence is concerned: the fields of a mirror are
// none of the origin's.
func (m *Meta) Exchange() verify.Exchange {
	h := m.Header
	if m.Moved {
		h = http.Header{}
	}
	return verify.Exchange{
		URL: m.ParsedURL(), Method: m.Method, Status: m.Status, Header: h, Length: m.Length,
		At: m.ResponseTime, Authorized: m.Authorized,
	}
}

// Stated returns the digest that m's origin states, by the strongest evidence
// there is: the one that a body is held against before it is stored.
func (m *Meta) Stated() (verify.Digest, bool) {
	if len(m.Evidence) == 0 {
		return verify.Digest{}, false
	}
	p, err := verify.Admit(verify.Open, m.ParsedURL(), m.Evidence)
	return p.Digest(), err == nil
}

// Digests returns what a stored body of m is known by: its own digest d, and
// the stated one.
func (m *Meta) Digests(d verify.Digest) []verify.Digest {
	out := []verify.Digest{d}
	if s, ok := m.Stated(); ok && s != d && s.Length() == d.Length() {
		out = append(out, s)
	}
	return out
}

// as makes s the offer of the same body to those who know it as token says. A
// body under the digest id is offered for itself, whatever its URL.
func (s *Shelved) as(id dht.ID, token verify.Token) {
	if s.Meta == nil {
		return
	}
	for _, d := range s.Meta.Digests(s.Digest) {
		if d != s.Digest && verify.TokenOf(id, d) == token {
			s.States = verify.ListFor(d, verify.Whole{Digest: s.Digest, States: s.States})
			s.Digest = d
			return
		}
	}
}

// maxTwins bounds how many digests that can collide are watched.
const maxTwins = 4096

// twins watches digests of which two bodies can be made: the first body that
// had one is the one that this node goes on believing. The zero value is ready.
type twins struct {
	mu    sync.Mutex // guards following
	first map[verify.Digest]verify.Digest
	order []verify.Digest
}

// collide reports whether another body than the one with the digest whole had
// weak, and notes whole if it is the first.
func (t *twins) collide(weak, whole verify.Digest) bool {
	if weak.IsZero() || weak.Algorithm().Strong() {
		return false
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	if was, known := t.first[weak]; known {
		return was != whole
	}
	if t.first == nil {
		t.first = make(map[verify.Digest]verify.Digest)
	}
	t.first[weak] = whole
	if t.order = append(t.order, weak); len(t.order) > maxTwins {
		delete(t.first, t.order[0])
		t.order = t.order[1:]
	}
	return false
}

// alarm says that two bodies claim one digest that can collide.
func (f *Fetcher) alarm(host string, weak verify.Digest) {
	f.log.Warn("rejected", slog.String("reason", "two SHA-256 under one "+weak.Algorithm().String()), slog.String("host", host))
	f.stats.alarms.Inc()
}
