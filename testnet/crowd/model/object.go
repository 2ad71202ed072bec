package model

import (
	"crypto/md5"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"math/rand/v2"
	"net/http"
	"net/url"
	"time"

	"github.com/flashcrowd/flashcrowd/dht"
	"github.com/flashcrowd/flashcrowd/fetch"
	"github.com/flashcrowd/flashcrowd/testnet/crowd"
	"github.com/flashcrowd/flashcrowd/verify"
)

// object is one file of the origin: its scaled octets, and what the origin says
// of them.
type object struct {
	index  int
	id     dht.ID
	size   int64 // in real octets, like layout
	layout verify.Layout
	body   []byte // scaled
	scaled verify.Layout
	proof  verify.Proof // zero when the origin says nothing that may prove it
	list   *verify.StateList
	hashes [][32]byte // of the pieces
	shared bool       // the swarm may be asked for it
	ranks  map[*node]uint64

	// Of the liar that claims another body: that body and its list.
	falseBody []byte
	falseList *verify.StateList
}

// scale is how many real octets an octet stands for, as a shift: 64 octets a
// piece of 64 KiB.
const scale = verify.MaxScale

func newObject(index int, size int64, kind crowd.DigestKind, lists *rand.Rand) (*object, error) {
	o := &object{index: index, size: size, layout: verify.LayoutOf(size), ranks: map[*node]uint64{}}
	n := (size + 1<<scale - 1) >> scale
	o.body, o.falseBody = randomOctets(n, lists), randomOctets(n, lists)
	u, err := url.Parse(fmt.Sprintf("http://origin.test/%d", index))
	if err != nil {
		return nil, err
	}
	if o.id, err = dht.URLID(u); err != nil {
		return nil, err
	}
	found := verify.Read(verify.Exchange{
		URL: u, Method: http.MethodGet, Status: http.StatusOK, Length: n, At: epoch, Header: digestFields(kind, o.body),
	})
	proof, err := verify.Admit(verify.Balanced, u, found)
	if err != nil {
		return o, nil //nolint:nilerr // such an object is simply never asked of the swarm
	}
	o.proof = proof.Scaled(scale)
	o.scaled = o.proof.Digest().Layout()
	if o.list, err = o.listOf(o.body); err != nil {
		return nil, err
	}
	if o.falseList, err = o.listOf(o.falseBody); err != nil {
		return nil, err
	}
	for i := range o.scaled.Pieces() {
		o.hashes = append(o.hashes, verify.HashPiece(o.piece(i)))
	}
	o.shared = size >= fetch.MinSwarmBody && size <= fetch.MaxSwarmBody && o.scaled.Pieces() == o.layout.Pieces()
	return o, nil
}

// listOf returns the state list of any body of the object's length, under the
// true digest.
func (o *object) listOf(body []byte) (*verify.StateList, error) {
	r := o.proof.Recorder()
	if _, err := r.Write(body); err != nil {
		return nil, err
	}
	return verify.ParseStateList(o.proof.Digest(), r.Whole().States)
}

// rankOf returns the place of n in the order of the crowd of o.
func (o *object) rankOf(n *node) uint64 {
	rank, known := o.ranks[n]
	if !known {
		rank = fetch.RankOf(o.id, n.name())
		o.ranks[n] = rank
	}
	return rank
}

// piece returns the true octets of piece i.
func (o *object) piece(i int) []byte { return o.body[o.scaled.Offset(i):o.scaled.Offset(i+1)] }

func digestFields(kind crowd.DigestKind, body []byte) http.Header {
	h := http.Header{"Etag": {`"version-1"`}, "Accept-Ranges": {"bytes"}}
	switch kind {
	case crowd.ReprDigest:
		sum := sha256.Sum256(body)
		h.Set("Repr-Digest", "sha-256=:"+base64.StdEncoding.EncodeToString(sum[:])+":")
	case crowd.ETagMD5:
		sum := md5.Sum(body)
		h.Set("Etag", `"`+hex.EncodeToString(sum[:])+`"`)
	}
	return h
}

func randomOctets(n int64, r *rand.Rand) []byte {
	out := make([]byte, n)
	for i := range out {
		out[i] = byte(r.Uint32())
	}
	return out
}

// epoch is when virtual time begins, for what wants a time of day.
var epoch = time.Date(2000, 1, 1, 0, 0, 0, 0, time.UTC)
