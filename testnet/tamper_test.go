package testnet

import (
	"testing"
	"time"
)

// TestBrokenPeersCostLittle meets every way to break the protocol, beside one
// honest peer: right bytes, nobody honest banned, and no more time than the
// promise to leave a stalled or trickling peer within 2 s.
func TestBrokenPeersCostLittle(t *testing.T) {
	for name, tamper := range Tampers {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			o := testOrigin(t)
			body := Random(12<<20, 50)
			o.Put("/big.bin", File{Body: body})
			n := testNet(t, Config{Nodes: 2})
			url := o.URL + "/big.bin"
			fetchBody(t, n.Nodes[0], url, body)
			o.Pace.SetRate(1 << 20) // direct: 12 s
			liar, err := StartTamperer(t.Context(), n.Nodes[0].PeerAddrs(), url, body, tamper)
			if err != nil {
				t.Fatal(err)
			}
			defer liar.Close()

			begin := time.Now()
			r, _ := fetchBody(t, n.Nodes[1], url, body)
			if took := time.Since(begin); took > 8*time.Second {
				t.Errorf("took %v: the broken peer was not left", took)
			}
			t.Logf("%.2f s, %+v", r.Total, r.Sources)
			for _, p := range n.Nodes[1].Peers() {
				if p.PeerID == n.Nodes[0].PeerID() && p.State == "banned" {
					t.Errorf("the honest peer is banned: %s", p.Reason)
				}
			}
		})
	}
}
