package fetch

import (
	"io"
	"net/http"

	"github.com/flashcrowd/flashcrowd/dht"
	"github.com/flashcrowd/flashcrowd/verify"
)

// leastCarried is from where on a body that waits takes the place of the one
// that the origin has begun to send: a shorter one is here already.
const leastCarried = 64 << 10

// send asks the origin. Where a body waits that is said to be what the request
// is for, it is first asked by HEAD: if that states the digest, the origin
// sends no octet of a body.
func (fl *flight) send(stored, part *Stored) (*Answer, error) {
	if stored == nil && part == nil {
		if ans := fl.expected(); ans != nil {
			return ans, nil
		}
	}
	return fl.f.cfg.Origin.Send(fl.ctx, fl.req, fl.conditions(stored, part))
}

// expected returns the origin's answer to HEAD with a body that waits, or nil
// where there is none, or the origin does not state its digest.
func (fl *flight) expected() *Answer {
	c := fl.f.cfg.Carried
	if c == nil {
		return nil
	}
	id, err := dht.URLID(fl.req.URL)
	if err != nil || !c.Expects(id) {
		return nil
	}
	said, err := fl.f.cfg.Origin.Probe(fl.ctx, fl.req)
	if err != nil {
		return nil
	}
	b := fl.claim(said.Meta)
	if b == nil {
		c.Disappoint(id)
		return nil
	}
	return &Answer{Meta: said.Meta, Body: b}
}

// claim opens the body that waits and that m, of the origin, proves. Only a
// digest of which nobody can make two bodies does: without the origin's own
// octets nobody would notice the other one.
func (fl *flight) claim(m *Meta) io.ReadCloser {
	known := *m
	fl.recall(&known)
	proof, _, err := fl.f.admit(&known, documentOf(fl.req))
	if err != nil || m.Status != http.StatusOK {
		return nil
	}
	return fl.carried(proof.Digest(), m)
}

// carried opens the body of m that waits and has the digest d.
func (fl *flight) carried(d verify.Digest, m *Meta) io.ReadCloser {
	if d.IsZero() || !d.Algorithm().Strong() || m.Length >= 0 && d.Length() != m.Length {
		return nil
	}
	b, ok := fl.f.cfg.Carried.Claim(d)
	if !ok {
		return nil
	}
	return &carriedBody{b}
}

// takeCarried lets a body that waits take the place of the rest of the
// origin's, if the origin has just stated its digest: status and fields are the
// origin's own. What the disk no longer has comes from the origin.
func (fl *flight) takeCarried(ans *Answer) {
	if _, already := ans.Body.(*carriedBody); already || fl.f.cfg.Carried == nil ||
		!fl.proof().Valid() || ans.Meta.Status != http.StatusOK || ans.Meta.Length < leastCarried {
		return
	}
	if b := fl.carried(fl.proof().Digest(), ans.Meta); b != nil {
		ans.Body.Close()
		ans.Body = b
	}
}

// carriedBody is a body that was here before its origin named it.
type carriedBody struct{ Body }

// fromDisk is as patchwork's.
func (*carriedBody) fromDisk() bool { return true }
