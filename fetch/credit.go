package fetch

import "math"

// lends returns how many pieces more p may be asked for, by the credit that it told
// and what it was asked for already, in given too: one at least while that is
// nothing.
func (v View) lends(p *PeerView, given []Order) int {
	if p.Credit <= 0 {
		return math.MaxInt
	}
	owes := 0
	for _, o := range p.Orders {
		owes += o.End - o.Next
	}
	for _, o := range given {
		if o.Peer == p.ID {
			owes += o.End - o.Next
		}
	}
	n := int(min(p.Credit/v.Layout.PieceSize, math.MaxInt32)) - owes
	if owes == 0 {
		n = max(n, 1)
	}
	return max(n, 0)
}
