package fetch

import (
	"errors"
	"fmt"
	"mime"
	"net/http"
	"strings"
	"time"

	"github.com/flashcrowd/flashcrowd/verify"
)

// run is the flight from take-off to landing. It owns all that the flight
// starts and returns when that has ended.
func (fl *flight) run(stored *Stored) {
	defer close(fl.settled)
	ans := fl.ask(stored)
	fl.f.noteSolitary(fl)
	close(fl.ready)
	if ans == nil {
		return
	}
	fl.carry(ans)
	fl.settle()
}

// ask sends the request and decides what the flight will be. It returns the
// answer whose body the riders share, or nil when there is none.
func (fl *flight) ask(stored *Stored) *Answer {
	part := fl.remainder(stored)
	origin := fl.f.cfg.Origin
	ans, err := fl.send(stored, part)
	if err == nil && part != nil && (ans.Meta.Status == http.StatusPartialContent || ans.Meta.Status == http.StatusRequestedRangeNotSatisfiable) {
		if resumed := fl.resume(part, ans); resumed != nil {
			return resumed
		}
		ans, err = origin.Send(fl.ctx, fl.req, nil)
	}
	if err == nil && stored != nil {
		if news := confirms(stored, ans.Meta); news != nil {
			ans.Body.Close()
			if fl.freshened = fl.freshen(stored, news); fl.freshened {
				return nil
			}
			ans, err = origin.Send(fl.ctx, fl.req, nil)
		}
	}
	if err != nil {
		fl.err = fl.own(err)
		return nil
	}
	fl.f.leads.note(fl.req, ans.Meta, fl.f.cfg.Sharing)
	ans = fl.chase(ans)
	if stored != nil && stored.StaleOK && isError(ans.Meta.Status) {
		ans.Body.Close()
		fl.refused = true
		return nil
	}
	if helped := fl.persist(ans); helped != nil {
		ans = helped
	}
	if endless(ans.Meta) {
		fl.alone(ans, fmt.Errorf("%w: a stream without an end", ErrNotStorable))
		return nil
	}
	fl.judge(ans.Meta)
	fl.takeCarried(ans)
	writer, err := fl.f.cfg.Cache.Create(fl.req, ans.Meta)
	if err != nil {
		fl.alone(ans, err)
		return nil
	}
	fl.takeOff(ans.Meta, writer)
	return ans
}

// takeOff readies the flight for a body of m that is written to w.
func (fl *flight) takeOff(m *Meta, w Writer) {
	fl.meta, fl.writer = m, w
	fl.body = newBody(m, fl.proof())
	if fl.swarmed() && fl.proof().Digest().Algorithm().Lists() && !fl.small() {
		fl.board = newBoard(fl.body.layout.Pieces())
	}
}

// endless reports whether m begins a body that is not meant to end: events, or
// sound and pictures of no known length. Spooling one would fill the cache
// with it and cut it there.
func endless(m *Meta) bool {
	if m.Length >= 0 {
		return false
	}
	t, _, _ := mime.ParseMediaType(m.Header.Get("Content-Type"))
	return t == "text/event-stream" || t == "multipart/x-mixed-replace" ||
		strings.HasPrefix(t, "audio/") || strings.HasPrefix(t, "video/")
}

// own turns the end of the flight's own context into a failure: to a rider it
// is not its own cancellation.
func (fl *flight) own(err error) error {
	if fl.ctx.Err() != nil {
		return &Failure{InternalFailure, ErrNotDelivered}
	}
	return err
}

// validators returns the conditions by which stored is revalidated.
func validators(stored *Stored) http.Header {
	if stored == nil {
		return nil
	}
	h := http.Header{}
	if tags := stored.Meta.Header.Values("Etag"); len(tags) > 0 {
		h["If-None-Match"] = tags[:1]
	}
	if at := stored.Meta.Header.Values("Last-Modified"); len(at) > 0 {
		h["If-Modified-Since"] = at[:1]
	}
	return h
}

// isError reports whether a status is an error that a stale response may stand
// in for (RFC 5861 section 4).
func isError(status int) bool {
	switch status {
	case http.StatusInternalServerError, http.StatusBadGateway, http.StatusServiceUnavailable, http.StatusGatewayTimeout:
		return true
	}
	return false
}

// freshen updates what is stored by the 304 answer m. If it cannot be, the
// cache has nothing for the request.
func (fl *flight) freshen(stored *Stored, m *Meta) bool {
	s, err := fl.f.freshen(fl.req, stored, m)
	if err != nil {
		fl.f.log.Warn("cache", "err", err)
		return false
	}
	fl.mu.Lock()
	defer fl.mu.Unlock()
	if fl.leaderGone {
		s.Body.Close()
		return true
	}
	fl.renewed = s
	return true
}

// freshen is Cache.Freshen, for what is about to be stored too.
func (f *Fetcher) freshen(req *Request, stored *Stored, m *Meta) (*Stored, error) {
	if stored.landing != nil { // its octets are here, and the index has it in a moment
		<-stored.landing.settled
	}
	return f.cfg.Cache.Freshen(req, stored, m, time.Now())
}

// takeRenewed gives the leader what the origin said is right, which may be
// nowhere else any more: a 304 that says no-store ends the storing.
func (fl *flight) takeRenewed(leader bool) *Stored {
	fl.mu.Lock()
	defer fl.mu.Unlock()
	if !leader {
		return nil
	}
	s := fl.renewed
	fl.renewed = nil
	return s
}

// alone gives the origin's answer to the leader and to nobody else.
func (fl *flight) alone(ans *Answer, why error) {
	fl.mu.Lock()
	defer fl.mu.Unlock()
	if !errors.Is(why, ErrNotStorable) {
		fl.f.log.Warn("not stored", "err", why)
	}
	fl.missing = append(fl.missing, why.Error())
	if fl.leaderGone {
		ans.Body.Close()
		fl.err = &Failure{InternalFailure, ErrNotDelivered}
		return
	}
	fl.direct = ans
}

// judge decides at the header fields whether strangers may be asked for the
// body and served with it.
func (fl *flight) judge(m *Meta) {
	fl.id = m.ID
	m.Evidence = sorted(fl.f.probes.recall(m), m.Evidence)
	shareable, why := fl.f.cfg.Sharing.Shareable(fl.req, m)
	fl.missing = append(fl.missing, why...)
	fl.recall(m)
	proof, policy, err := fl.f.admit(m, documentOf(fl.req))
	fl.policy = policy
	fl.missing = append(fl.missing, verify.Missing(m.Exchange(), policy, err)...)
	if tokenLike(fl.req.URL) {
		ok, why := fl.f.leads.capability(m, proof)
		shareable = shareable && ok
		fl.missing = append(fl.missing, why...)
	}
	announced, reason := fl.f.cfg.Sharing.Announced(m)
	if !announced {
		fl.missing = append(fl.missing, reason)
	}
	m.Shared, m.Anyone = shareable && announced, fl.f.cfg.Sharing.anyones(fl.req, m)
	fl.faith.Store(&faith{proof: proof, swarmed: err == nil && fl.swarmable(m)})
	if err != nil && fl.swarmable(m) {
		fl.inquire(m)
	}
}

// swarmable reports whether strangers may be asked for m's body, once there is
// a proof to hold theirs against.
func (fl *flight) swarmable(m *Meta) bool {
	return m.Shared && m.Length > 0 && m.Length <= MaxSwarmBody && fl.f.cfg.Swarm != nil && fl.f.cfg.Router != nil
}

// recall adds the digest of an earlier full download of this very version, if
// the origin states none that is as strong.
func (fl *flight) recall(m *Meta) {
	if len(m.Evidence) > 0 && m.Evidence[0].Level() > verify.E6 || fl.f.cfg.Memory == nil || m.StrongETag() == "" || m.Moved || m.Status != http.StatusOK {
		return
	}
	d, ok := fl.f.cfg.Memory.Recall(m.ID, m.StrongETag(), m.Coding())
	if !ok || d.Length() != m.Length {
		return
	}
	if e, err := verify.Remember(m.ParsedURL(), d, m.ResponseTime); err == nil {
		m.Evidence = append([]verify.Evidence{e}, m.Evidence...)
	}
}

// carry gets the body and, where strangers may be asked, lets them help.
func (fl *flight) carry(ans *Answer) {
	c := newCrowd(fl)
	switch {
	case fl.swarmed():
		c.wg.Go(func() { c.gather(c.peersCtx) })
	case fl.inquiry != nil:
		c.wg.Go(func() { c.probe(c.peersCtx) })
	}
	c.conduct(ans)
	c.close()
	fl.leaves(c.remains())
}

// settle ends the body: it is stored if it is whole and right, and else what is
// right of it is kept to go on with. Readers have got all that they will get.
func (fl *flight) settle() {
	committed := false
	if seal := fl.verdict(); seal != nil {
		if fl.board != nil {
			fl.board.close(true) // whoever follows may ask for all
		}
		fl.queue()
		err := fl.writer.Commit(*seal)
		fl.report(*seal, err)
		committed = true
		if err != nil {
			fl.mu.Lock()
			fl.released, fl.stored = true, true // it is offered no more
			fl.mu.Unlock()
			fl.forget()
		} else {
			fl.announceStored(seal.Whole.Digest)
		}
	} else {
		fl.forget()
	}
	if fl.board != nil {
		fl.board.close(committed)
	}
	fl.mu.Lock()
	fl.released, fl.stored = true, committed
	end := fl.endIfDoneLocked()
	fl.mu.Unlock()
	end()
}

func (fl *flight) report(seal Seal, err error) {
	if err != nil {
		fl.f.log.Warn("not stored", "host", fl.req.URL.Host, "err", err)
		return
	}
	fl.f.log.Info("stored", "host", fl.req.URL.Host, "octets", seal.Whole.Digest.Length(), "from", detailOf(seal.Sources))
}

// verdict returns the seal of a body that landed and is right.
func (fl *flight) verdict() *Seal {
	fl.mu.Lock()
	defer fl.mu.Unlock()
	if !fl.landed {
		if fl.failure == nil {
			fl.failLocked(fl.own(&Failure{Incomplete, ErrNotDelivered}))
		}
		if fl.riders > 0 {
			fl.f.log.Warn("failed", "host", fl.req.URL.Host, "octets", fl.body.front, "err", fl.failure)
		}
		return nil
	}
	fl.f.stats.flight(fl.perSource["origin"], fl.body.front, time.Since(fl.start), fl.body.originRate)
	return fl.whole
}
