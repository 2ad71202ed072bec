package testnet

import (
	"bytes"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"net"
	"net/http"
	"sync/atomic"
	"testing"
	"time"
)

// TestHostileOriginGetsNobodyBanned has an origin that states one digest to
// all and sends the second node other bytes. That node delivers the origin's
// own bytes, as a direct visit would; it neither keeps them nor blames the
// honest peer whose bytes do not fit.
func TestHostileOriginGetsNobodyBanned(t *testing.T) {
	honest, other := Random(8<<20, 70), Random(8<<20, 71)
	sum := sha256.Sum256(honest)
	var turned atomic.Bool
	pace := NewPace(0)
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	web := &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body := honest
		if turned.Load() {
			body = other
		}
		w.Header().Set("Cache-Control", "max-age=60")
		w.Header().Set("Etag", `"same"`)
		w.Header().Set("Repr-Digest", "sha-256=:"+base64.StdEncoding.EncodeToString(sum[:])+":")
		http.ServeContent(w, r, "", time.Time{}, bytes.NewReader(body))
	})}
	served := make(chan error, 1)
	go func() { served <- web.Serve(pace.Listener(l)) }()
	defer func() {
		web.Close()
		if err := <-served; !errors.Is(err, http.ErrServerClosed) {
			t.Error(err)
		}
	}()
	url := "http://" + l.Addr().String() + "/x.bin"
	n := testNet(t, Config{Nodes: 3})
	fetchBody(t, n.Nodes[0], url, honest)
	turned.Store(true)
	pace.SetRate(4 << 20)
	fetchBody(t, n.Nodes[1], url, other)

	for _, m := range n.Nodes {
		if got := m.Status().Verify.BannedPeers; got != 0 {
			t.Errorf("%s banned %d peers", m.Name, got)
		}
	}
	if got := n.Nodes[1].Status().Cache.Objects; got != 0 {
		t.Errorf("the contradicting body was stored")
	}
	turned.Store(false)
	r, _ := fetchBody(t, n.Nodes[2], url, honest)
	if from(r, "peer") == 0 {
		t.Errorf("the honest peer is not used any more: %+v", r.Sources)
	}
}
