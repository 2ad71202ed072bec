package fetch

import (
	"context"
	"io"
	"net/url"
	"slices"
	"sync"
	"time"

	"github.com/flashcrowd/flashcrowd/dht"
	"github.com/flashcrowd/flashcrowd/verify"
)

const (
	// probeTimeout is how long a probe may take; the download does not wait.
	probeTimeout = 10 * time.Second
	// A URL is probed at most once a freshness lifetime; these bound what counts
	// as one.
	leastProbed, mostProbed = time.Minute, 24 * time.Hour
	maxProbes               = 4096
	// maxRetold bounds how much of a body is hashed once more because the
	// digest came late.
	maxRetold = 16 << 20
)

// inquiry is what a flight asks the origin beside the download, whose header
// fields told nothing that proves a byte.
type inquiry struct {
	url *url.URL
	// parts: it is asked of which parts an upload was made; then field is the
	// Flashcrowd-Evidence field of what the answer would be worth. What any
	// other inquiry finds is for the next download: this response has said
	// already that no strangers' octets are in it.
	parts bool
	field string
}

// inquire decides whether there is something to ask, at the header fields m of
// a body that strangers could help with, were there a proof.
func (fl *flight) inquire(m *Meta) {
	f := fl.f
	policy, c := f.caseOf(m, documentOf(fl.req))
	ask, field, parts := verify.PartProbe(policy, c, m.Exchange())
	switch {
	case m.StrongETag() == "" || m.Moved || len(m.Evidence) > 0:
	case parts && f.probes.may(m, f.lifetime(fl.req, m)):
		fl.inquiry = &inquiry{ask, true, field}
	case !parts && !tokenLike(fl.req.URL) && f.probes.may(m, f.lifetime(fl.req, m)):
		fl.inquiry = &inquiry{url: fl.req.URL}
	}
}

// lifetime is for how long m may be used without asking.
func (f *Fetcher) lifetime(req *Request, m *Meta) time.Duration {
	if f.cfg.Judge == nil {
		return leastProbed
	}
	s := f.cfg.Judge(req, m, time.Now())
	if s == nil {
		return leastProbed
	}
	return min(max(s.TTL, leastProbed), mostProbed)
}

// probe asks the origin what its header fields left out.
func (c *crowd) probe(ctx context.Context) {
	fl, in := c.fl, c.fl.inquiry
	ctx, cancel := context.WithTimeout(ctx, probeTimeout)
	defer cancel()
	ask := *fl.req
	ask.URL = in.url
	ans, err := fl.f.cfg.Origin.Probe(ctx, &ask)
	if err != nil {
		fl.f.log.Debug("probe", "host", fl.req.URL.Host, "err", err)
		fl.lacked("the site did not say more when it was asked by HEAD or for one octet")
		return
	}
	found := answered(fl.meta, ans, in.parts)
	fl.f.probes.keep(fl.meta, found)
	switch {
	case len(found) == 0:
		fl.lacked("the site said no more, or something else, when it was asked by HEAD")
	case in.parts:
		c.believe(found)
	default:
		fl.lacked(found[0].Words() + ", but only in answer to HEAD; the next download of this version can use that")
	}
}

// lacked notes one more reason why the swarm is out.
func (fl *flight) lacked(why string) {
	fl.mu.Lock()
	defer fl.mu.Unlock()
	fl.missing = append(slices.Clip(fl.missing), why)
}

// answered returns what ans, the answer to a probe, says of the body of m: only
// if it is about the very same version, which a server that answers HEAD with
// something else denies.
func answered(m *Meta, ans *Answer, parts bool) []verify.Evidence {
	got := ans.Meta
	if got.StrongETag() != m.StrongETag() || got.Coding() != m.Coding() {
		return nil
	}
	if parts {
		if ans.Part.Offset != 0 || ans.Part.Len() == 0 || ans.Total != m.Length {
			return nil
		}
		x := m.Exchange()
		x.PartSize = ans.Part.Len()
		return verify.Read(x)
	}
	if got.Length != m.Length {
		return nil
	}
	return got.Evidence
}

// believe lets strangers help from now on, on the word of found, which came
// after the header fields.
func (c *crowd) believe(found []verify.Evidence) {
	fl := c.fl
	policy, of := fl.f.caseOf(fl.meta, documentOf(fl.req))
	proof, err := verify.AdmitFor(policy, of, found)
	if err != nil {
		return
	}
	c.disk.Lock()
	defer c.disk.Unlock()
	fl.mu.Lock()
	front, over := fl.body.front, fl.landed || fl.failure != nil
	fl.mu.Unlock()
	if over || c.recorder == nil || front > maxRetold {
		return
	}
	r := proof.Recorder()
	r.Suppose(fl.f.cfg.Profiles.Guesses(fl.meta.Exchange())...)
	if _, err := io.Copy(r, io.NewSectionReader(fl.writer, 0, front)); err != nil {
		return
	}
	c.recorder, c.stated = r, proof
	fl.mu.Lock()
	fl.evidence, fl.missing = sorted(found, fl.meta.Evidence), nil
	fl.mu.Unlock()
	fl.faith.Store(&faith{proof: proof, swarmed: true})
	c.mu.Lock()
	c.gathering = true
	c.mu.Unlock()
	c.wg.Go(func() { c.gather(c.peersCtx) })
}

// sorted returns all of the evidence, the strongest first.
func sorted(more, have []verify.Evidence) []verify.Evidence {
	all := slices.Concat(more, have)
	slices.SortStableFunc(all, func(a, b verify.Evidence) int { return int(b.Level()) - int(a.Level()) })
	return all
}

// probes remembers which URLs were probed, and what came of it. It is bounded
// and forgets by time. The zero value is ready.
type probes struct {
	mu  sync.Mutex // guards all
	all map[dht.ID]probed
}

type probed struct {
	until        time.Time
	etag, coding string
	length       int64
	evidence     []verify.Evidence
}

// may reports whether the URL of m may be probed, and notes that it was, for a
// freshness lifetime.
func (p *probes) may(m *Meta, lifetime time.Duration) bool {
	now := time.Now()
	p.mu.Lock()
	defer p.mu.Unlock()
	if now.Before(p.all[m.ID].until) {
		return false
	}
	if p.all == nil {
		p.all = make(map[dht.ID]probed)
	}
	for known := range p.all { // any: to forget one costs a request
		if len(p.all) < maxProbes {
			break
		}
		delete(p.all, known)
	}
	p.all[m.ID] = probed{until: now.Add(lifetime), etag: m.StrongETag(), coding: m.Coding(), length: m.Length}
	return true
}

// keep notes what the probe for m found.
func (p *probes) keep(m *Meta, found []verify.Evidence) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if x, known := p.all[m.ID]; known {
		x.evidence = found
		p.all[m.ID] = x
	}
}

// recall returns what a probe found of the very version that m is of.
func (p *probes) recall(m *Meta) []verify.Evidence {
	p.mu.Lock()
	defer p.mu.Unlock()
	x := p.all[m.ID]
	if !time.Now().Before(x.until) || x.etag == "" || x.etag != m.StrongETag() || x.coding != m.Coding() || x.length != m.Length || m.Moved {
		return nil
	}
	return x.evidence
}
