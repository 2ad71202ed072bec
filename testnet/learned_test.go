package testnet

import (
	"crypto/md5"
	"fmt"
	"net/http"
	"testing"
)

// tagged is a picture of a server whose entity tags are MD5, though nothing in
// its answers says so; lie makes it one that only looks like that.
func tagged(body []byte, lie bool) File {
	sum := md5.Sum(body)
	if lie {
		sum[0] ^= 1
	}
	return File{Body: body, NoDigest: true, Header: http.Header{"Etag": {fmt.Sprintf(`"%x"`, sum)}, "Content-Type": {"image/png"}}}
}

// TestLearnedTagsLastOverARestart: after eight downloads a node knows what the
// entity tags of a place are, keeps that over a restart, and takes a picture
// from another node by it; one tag that is something else ends that.
func TestLearnedTagsLastOverARestart(t *testing.T) {
	o := testOrigin(t)
	n := testNet(t, Config{Nodes: 2})
	for i := range 8 {
		path, body := fmt.Sprintf("/img/%d.png", i), Random(1000+i, uint64(100+i))
		o.Put(path, tagged(body, false))
		for _, m := range n.Nodes {
			fetchBody(t, m, o.URL+path, body)
		}
	}
	if err := n.Restart(t.Context(), 1); err != nil {
		t.Fatal(err)
	}
	big := Random(4<<20, 120)
	o.Put("/img/big.png", tagged(big, false))
	fetchBody(t, n.Nodes[0], o.URL+"/img/big.png", big)
	o.Pace.SetRate(uplink / 4)
	receipt, resp := fetchBody(t, n.Nodes[1], o.URL+"/img/big.png", big)
	if got := from(receipt, "peer"); got < int64(len(big))/2 || resp.Header.Get("Flashcrowd-Evidence") != "etag; level=E3; alg=md5" {
		t.Errorf("peers delivered %d of %d octets by %q: %+v", got, len(big), resp.Header.Get("Flashcrowd-Evidence"), receipt)
	}
	o.Pace.SetRate(0)

	odd, more := Random(2000, 130), Random(2<<20, 131)
	o.Put("/img/odd.png", tagged(odd, true))
	fetchBody(t, n.Nodes[1], o.URL+"/img/odd.png", odd)
	o.Put("/img/more.png", tagged(more, false))
	if receipt, resp := fetchBody(t, n.Nodes[1], o.URL+"/img/more.png", more); receipt.Evidence != nil || resp.Header.Get("Flashcrowd-Evidence") != "" {
		t.Errorf("believed after a miss: %+v", receipt)
	}
}
