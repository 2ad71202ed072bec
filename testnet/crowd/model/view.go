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
	for _, s := range fl.sources {
		for _, o := range s.orders {
			if o.flow != nil {
				o.flow.sync()
			}
		}
	}
	v := fetch.View{
		Now: now - fl.start, Layout: fl.o.layout, Front: fl.front, Have: slices.Clone(fl.held), Tail: fl.tail,
		Slots: max(int(transferMemory/fl.o.layout.PieceSize), 1),
		// The reader takes what is there at once, so it waits since the front
		// last moved.
		Hungry: max(fl.frontAt, fl.begun) - fl.start,
		Origin: fetch.OriginView{Returns: fl.returns, NotBefore: fl.notBefore - fl.start, LetGo: fl.letGone},
	}
	if l := fl.lead; l != nil {
		v.Origin.Open, v.Origin.Until, v.Origin.Since = true, l.until, l.since-fl.start
	}
	open := now
	for i := range fl.loose {
		open = min(open, fl.arrivals[i].from)
	}
	for _, s := range fl.sources {
		p := fetch.PeerView{ID: s.id, Has: fl.offered(s)}
		s.gauge.Fill(&p, s.known, at(fl.start), at(now))
		for _, o := range s.orders {
			p.Orders = append(p.Orders, o.Order)
			if o.First < fl.tail && o.began >= 0 {
				open = min(open, o.began)
			}
		}
		if p.Has != nil && !s.left {
			v.Peers = append(v.Peers, p)
		}
	}
	fl.gauges.Fill(&v, at(fl.start), at(open), at(now))
	return v
}

// offered is what s offers under the list in use, as fetch.crowd.offersLocked.
func (fl *flight) offered(s *source) fetch.Pieces {
	switch {
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
