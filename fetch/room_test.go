package fetch_test

import (
	"testing"
	"time"

	"github.com/flashcrowd/flashcrowd/fetch"
	"github.com/flashcrowd/flashcrowd/verify"
)

// TestOrdersFitIntoMemory: whatever the pieces and however many and fast the
// peers, what orders may take up at once stays within 7 of the 8 MiB of a
// transfer, or is one order: 2 MiB at most wait in its stream, and there is a
// frame and a piece.
func TestOrdersFitIntoMemory(t *testing.T) {
	for _, length := range []int64{1 << 20, 64 << 20, 512 << 20, 2 << 30, 8 << 30, fetch.MaxSwarmBody} {
		for _, peers := range []int{1, 2, 3, 8, 64} {
			for _, partial := range []bool{false, true} {
				layout := verify.LayoutOf(length)
				v := fetch.View{
					Now: time.Minute, Layout: layout, Have: fetch.NewPieces(layout.Pieces()), Tail: layout.Pieces(),
					Slots: 1000, Origin: fetch.OriginView{Returns: true, Rate: -1}, PeerSince: -1, Hungry: -1,
				}
				if partial {
					v.Crowd = &fetch.Crowd{Striping: true}
				}
				for i := range peers {
					v.Peers = append(v.Peers, fetch.PeerView{ID: i, Has: fetch.AllPieces(layout.Pieces()), Rate: 1e9, Heard: v.Now, Partial: partial})
				}
				orders := 0
				for range 3 { // further plans add nothing beyond it
					for _, o := range fetch.Next(v).Orders {
						v.Peers[o.Peer].Orders = append(v.Peers[o.Peer].Orders, o)
						orders++
					}
				}
				sum := int64(0)
				for _, p := range v.Peers {
					for _, o := range p.Orders {
						sum += min(int64(o.End-o.First)*layout.PieceSize, 2<<20) + layout.PieceSize + 64<<10
					}
				}
				if orders == 0 || sum > 7<<20 && orders > 1 || sum > 8<<20 {
					t.Errorf("%d octets, %d peers, partial %v: %d orders take up %d octets", length, peers, partial, orders, sum)
				}
			}
		}
	}
}
