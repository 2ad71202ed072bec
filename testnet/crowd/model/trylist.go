package model

import "github.com/flashcrowd/flashcrowd/verify"

// tryList asks peer for the last piece before its list is used in a crowd, as
// fetch.crowd.tryList.
func (fl *flight) tryList(peer *node, home *camp) {
	if fl.ended || fl.since < 0 || fl.active != nil {
		fl.enrol(peer, home)
		return
	}
	up, last := peer.up, fl.o.layout.Pieces()-1
	if peer.liar {
		up = peer.liarLine()
	}
	if up == nil {
		return // it never sends
	}
	w := fl.n.w
	w.control += orderOctets
	w.clock.after(w.rtt(fl.n, peer), func() {
		if fl.ended || peer.gone {
			return
		}
		var f *flow
		f = w.net.open(up, fl.n.down, float64(fl.o.layout.Size(last)), peer.sends, func() {
			f.close()
			fl.tried(peer, home, last)
		})
	})
}

// tried: the last piece by which home's list is tried is here.
func (fl *flight) tried(peer *node, home *camp, last int) {
	octets, now := peer.piece(fl.o, last), fl.n.w.clock.now
	chain, err := verify.NewChain(fl.o.proof, home.list)
	if fl.ended || err != nil || octets == nil {
		return
	}
	if err := chain.Fit(last, octets); err != nil {
		if _, lied := verify.LieOf(peer.name(), fl.o.proof.Digest(), err, epoch.Add(now)); lied {
			fl.n.banned[peer] = true
		}
		return
	}
	fl.enrol(peer, home)
	if fl.active == home && fl.chain.Fit(last, octets) == nil {
		fl.keep(fl.chain, last, arrival{peer, now, now, octets})
	}
}
