package testnet

import (
	"io/fs"
	"os"
	"path/filepath"
	"testing"
	"time"
)

// TestRottenPieceIsFetchedAgain: a body of which the disk has changed a piece
// comes right nevertheless: up to there from the disk, and the rest from the
// origin. Then it is a miss, is stored anew, and nobody is banned.
func TestRottenPieceIsFetchedAgain(t *testing.T) {
	const size, at = 12 << 20, 10<<20 + 5
	o, body := testOrigin(t), Random(size, 9)
	o.Put("/big.iso", File{Body: body})
	url := o.URL + "/big.iso"
	dir := t.TempDir()
	n := testNet(t, Config{Nodes: 2, Dir: dir})
	for _, m := range n.Nodes {
		fetchBody(t, m, url, body)
	}
	rotted := 0
	if err := filepath.WalkDir(n.Nodes[1].cfg.Data, func(path string, e fs.DirEntry, err error) error {
		if err != nil || e.IsDir() {
			return err
		}
		if info, err := e.Info(); err != nil || info.Size() != size {
			return err
		}
		rotted++
		return rot(path, at)
	}); err != nil || rotted != 1 {
		t.Fatalf("%d bodies, %v", rotted, err)
	}
	if err := n.Restart(t.Context(), 1); err != nil {
		t.Fatal(err)
	}
	before := o.Pace.Sent()
	r, _ := fetchBody(t, n.Nodes[1], url, body)
	if sent := o.Pace.Sent() - before; sent < size-at || sent > size-at+1<<20 {
		t.Errorf("the origin sent %d octets again, from %d of %d", sent, at, size)
	}
	if from(r, "cache")+from(r, "origin") != size || from(r, "cache") < at/2 {
		t.Errorf("sources %+v", r.Sources)
	}
	fetchBody(t, n.Nodes[1], url, body)
	if r, _ := fetchBody(t, n.Nodes[1], url, body); from(r, "cache") != size {
		t.Errorf("not stored anew: %+v", r)
	}
	for _, m := range n.Nodes {
		if s := m.Status(); s.Verify.BannedPeers != 0 {
			t.Errorf("%s banned somebody: %+v", m.Name, s.Verify)
		}
	}
}

// rot changes an octet and leaves the time of the last change.
func rot(path string, at int64) error {
	info, err := os.Stat(path)
	if err != nil {
		return err
	}
	f, err := os.OpenFile(path, os.O_RDWR, 0)
	if err != nil {
		return err
	}
	defer f.Close()
	var b [1]byte
	if _, err := f.ReadAt(b[:], at); err != nil {
		return err
	}
	b[0] ^= 4
	if _, err := f.WriteAt(b[:], at); err != nil {
		return err
	}
	return os.Chtimes(path, time.Time{}, info.ModTime())
}
