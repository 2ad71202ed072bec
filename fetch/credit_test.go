package fetch_test

import (
	"testing"
	"time"

	"github.com/flashcrowd/flashcrowd/fetch"
	"github.com/flashcrowd/flashcrowd/verify"
)

// TestOrdersKeepToCredit: a member is asked for no more than it lends, over all
// plans, and for a piece at least while it owes nothing. What it owes counts by
// the pieces that have not come.
func TestOrdersKeepToCredit(t *testing.T) {
	layout := verify.LayoutOf(32 << 20)
	view := func(credit int64, orders ...fetch.Order) fetch.View {
		return fetch.View{
			Now: 10 * time.Second, Layout: layout, Have: fetch.NewPieces(layout.Pieces()), Tail: layout.Pieces(), Slots: 100,
			Origin: fetch.OriginView{Returns: true, Rate: -1}, PeerSince: -1, Hungry: -1,
			Crowd: &fetch.Crowd{Striping: true, News: 10 * time.Second},
			Peers: []fetch.PeerView{{
				Partial: true, Has: fetch.AllPieces(layout.Pieces()), Rate: 1e8, Heard: 10 * time.Second, Credit: credit, Orders: orders,
			}},
		}
	}
	half := fetch.Order{First: 0, Next: 3, End: 6, Since: 9900 * time.Millisecond} // owes 3 pieces
	for _, c := range []struct {
		name   string
		credit int64
		orders []fetch.Order
		pieces int
	}{
		{"no credit was told", 0, nil, 32},
		{"less than a piece", 1, nil, 1},
		{"a piece", piece, nil, 1},
		{"five pieces", 5*piece + 1, nil, 5},
		{"twenty pieces", 20 * piece, nil, 20},
		{"more than orders may be", 1000 * piece, nil, 32},
		{"three owed of three", 3 * piece, []fetch.Order{half}, 0},
		{"three owed of less", 1, []fetch.Order{half}, 0},
		{"three owed of five", 5 * piece, []fetch.Order{half}, 2},
	} {
		got := 0
		for _, o := range fetch.Next(view(c.credit, c.orders...)).Orders {
			got += o.End - o.First
		}
		if got != c.pieces {
			t.Errorf("%s: %d pieces are ordered, want %d", c.name, got, c.pieces)
		}
	}
}
