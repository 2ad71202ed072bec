package model

import (
	"slices"
	"time"

	"github.com/flashcrowd/flashcrowd/fetch"
)

// transferMemory is what pieces under way may take up, as in fetch.
const transferMemory = 6 << 20

// view is the flight as the planner sees it: the one place where simulated
// state becomes a fetch.View. What the planner decides is obeyed in plan.
func (fl *flight) view() fetch.View {
	now := fl.n.w.clock.now
	at := func(t time.Duration) time.Time { return epoch.Add(t) }
	fl.catchUp()
	v := fetch.View{
		Now: now - fl.start, Layout: fl.o.layout, Front: fl.front, Have: fl.held, Tail: fl.tail,
		Slots:  max(int(transferMemory/fl.o.layout.PieceSize), 1),
		Hungry: fl.waits(),
		Origin: fetch.OriginView{Returns: fl.returns, NotBefore: fl.notBefore - fl.start, LetGo: fl.letGone},
	}
	if l := fl.lead; l != nil {
		v.Origin.Open, v.Origin.Until, v.Origin.Since = true, l.until, l.since-fl.start
	}
	for _, s := range fl.sources {
		if !s.left && !s.away() {
			v.Peers = append(v.Peers, fl.peerView(s, now))
		}
	}
	v.Peers = slices.DeleteFunc(v.Peers, func(p fetch.PeerView) bool { return p.Has == nil })
	v.Crowd = fl.crowdView(&v)
	fl.gauges.Fill(&v, at(fl.start), at(fl.open(now)), at(now))
	return v
}

// peerView is one peer; Has is nil for one that offers nothing under the list
// in use.
func (fl *flight) peerView(s *source, now time.Duration) fetch.PeerView {
	p := fetch.PeerView{ID: s.id, Has: fl.offers(s), Rate: s.known}
	for _, o := range s.orders {
		p.Orders = append(p.Orders, o.Order)
		if o.flow != nil {
			o.flow.sync()
		}
	}
	if s.gauge != nil {
		s.gauge.Fill(&p, s.known, epoch.Add(fl.start), epoch.Add(now))
	}
	if m := s.member; m != nil {
		p.Partial, p.Rank, p.Group, p.Excused = true, m.b.rank, m.b.group, m.excused || m.whole
		p.NotBefore, p.Intents = m.busy-fl.start, m.intents
	}
	return p
}

// crowdView is the crowd but for its rates, nil before there is one.
func (fl *flight) crowdView(v *fetch.View) *fetch.Crowd {
	if fl.since < 0 {
		return nil
	}
	c := &fetch.Crowd{
		Rank: fl.board.rank, Others: len(fl.heard), Ahead: fl.before, Since: fl.since - fl.start, News: fl.news - fl.start, Striping: fl.striping, Next: fl.next,
		Doubtful: fl.doubtful(), Audit: fl.audit(),
	}
	if fl.stripe != nil {
		c.Stripe = fl.stripe.Run
	}
	if hint := fl.hinted - fl.start; hint > v.Origin.NotBefore && fl.striping {
		v.Origin.NotBefore = hint
	}
	return c
}

// open returns when the first octet came of what is not proven, now if all is.
func (fl *flight) open(now time.Duration) time.Duration {
	open := now
	if fl.striping {
		return open // what counts then is what fits
	}
	for i := range fl.tail {
		if fl.loose.Has(i) {
			open = min(open, fl.arrivals[i].from)
		}
	}
	for _, s := range fl.sources {
		for _, o := range s.orders {
			if o.First < fl.tail && o.began >= 0 {
				open = min(open, o.began)
			}
		}
	}
	return open
}

// away reports whether s is a member that is not to be asked any more, and owes
// nothing.
func (s *source) away() bool {
	m := s.member
	return m != nil && m.gone && (!m.whole || m.enlisted && len(s.orders) == 0)
}

// offers is what s offers under the list in use, as fetch.crowd.offersLocked.
func (fl *flight) offers(s *source) fetch.Pieces {
	switch {
	case s.member != nil && s.member.enlisted:
		return fetch.NewPieces(fl.o.layout.Pieces())
	case s.member != nil && fl.words == nil:
		return s.member.has
	case s.member != nil:
		offers := slices.Clone(s.member.has)
		fl.words.Filter(offers, func(i int) [32]byte { return *s.member.b.claims[i].hash })
		return offers
	case fl.active == nil || fl.chain == nil || fl.chain.List() != fl.active.list:
		return nil
	case s.camp == fl.active:
		return s.has
	}
	if s.camp.common == nil {
		s.camp.common = fetch.CommonPieces(fl.active.list, s.camp.list)
	}
	out := fetch.NewPieces(fl.o.layout.Pieces())
	for i := range min(len(out), len(s.has)) {
		out[i] = s.camp.common[i] & s.has[i]
	}
	return out
}
