package cache

import (
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"time"

	"github.com/flashcrowd/flashcrowd/dht"
	"github.com/flashcrowd/flashcrowd/fetch"
	"github.com/flashcrowd/flashcrowd/verify"
)

// record is what the index knows of one stored response. It is immutable.
type record struct {
	meta    *fetch.Meta
	digest  verify.Digest
	sources []fetch.SourceBytes
	// also are further digests of a body that waits (waiting.go).
	also []verify.Digest
	// side is the length in octets of the value under sideKey, 0 for none.
	side int
	// version of the entry's record that this is, when it was read.
	version uint64
	// invalid: not to be used without validation (RFC 9111 section 4.4).
	invalid bool
}

// errGarbage: a value in the index is not what this package wrote. It never
// leaves the package, since garbage is a miss.
var errGarbage = errors.New("cache: garbage in the index")

// recordVersion is the form of records. A record of another version is garbage.
const recordVersion = 1

const (
	flagAuthorized = 1 << iota
	flagPublicOrigin
	flagShared
	flagInvalid
	flagMoved
	flagAnyone
)

// encode returns the record as it stands in the index. Header fields are kept
// octet by octet, whatever their encoding.
func (r *record) encode() ([]byte, error) {
	e := newEncoder(recordVersion)
	e.head(r.meta, r.invalid)
	e.digest(r.digest)
	e.number(uint64(r.side))
	if err := e.tail(r.meta); err != nil {
		return nil, err
	}
	e.number(uint64(len(r.sources)))
	for _, s := range r.sources {
		e.text(s.Kind)
		e.text(s.Peer)
		e.number(uint64(s.Bytes))
	}
	if waits(r.meta) {
		e.number(uint64(len(r.also)))
		for _, d := range r.also {
			e.digest(d)
		}
	}
	return e.seal(), nil
}

// head writes the fixed part of metadata, tail the rest of it.
func (e *encoder) head(m *fetch.Meta, invalid bool) {
	e.text(m.URL)
	e.raw(m.ID[:])
	e.text(m.Method)
	e.number(uint64(m.Status))
	e.number(flag(m.Authorized, flagAuthorized) | flag(m.PublicOrigin, flagPublicOrigin) |
		flag(m.Shared, flagShared) | flag(invalid, flagInvalid) | flag(m.Moved, flagMoved) | flag(m.Anyone, flagAnyone))
	e.instant(m.RequestTime)
	e.instant(m.ResponseTime)
	e.number(uint64(m.Length + 1))
}

func (e *encoder) tail(m *fetch.Meta) error {
	var evidence []byte // nothing for none
	if len(m.Evidence) > 0 {
		var err error
		if evidence, err = json.Marshal(m.Evidence); err != nil {
			return fmt.Errorf("encode evidence: %w", err)
		}
	}
	e.fields(m.Header)
	e.fields(m.Vary)
	e.text(string(evidence))
	return nil
}

// head is the inverse of encoder.head.
func (d *decoder) head() (m *fetch.Meta, invalid bool) {
	m = &fetch.Meta{URL: d.text(), ID: dht.ID(d.raw(len(dht.ID{}))), Method: d.text(), Status: d.int(999)}
	flags := d.number()
	m.RequestTime, m.ResponseTime = d.instant(), d.instant()
	m.Length = int64(d.number()) - 1
	m.Authorized, m.PublicOrigin = flags&flagAuthorized != 0, flags&flagPublicOrigin != 0
	m.Shared, m.Moved, invalid = flags&flagShared != 0, flags&flagMoved != 0, flags&flagInvalid != 0
	m.Anyone = flags&flagAnyone != 0
	if m.Length < -1 || m.Length > maxBody || m.URL == "" {
		d.fail()
	}
	return m, invalid
}

// tail is the inverse of encoder.tail.
func (d *decoder) tail(m *fetch.Meta) {
	var only map[string]bool
	if d.lean {
		only = variantFields
	}
	m.Header, m.Vary = d.fields(only), d.fields(nil)
	if evidence := d.text(); evidence != "" && json.Unmarshal([]byte(evidence), &m.Evidence) != nil {
		d.fail()
	}
}

func flag(set bool, bit uint64) uint64 {
	if set {
		return bit
	}
	return 0
}

// decodeRecord is the inverse of encode. It fails with errGarbage on anything
// else. It keeps no reference to b.
func decodeRecord(b []byte) (*record, error) { return decodeSome(b, false) }

// decodeSome is decodeRecord; a lean record has no more of the fields than an
// entry needs.
func decodeSome(b []byte, lean bool) (*record, error) {
	d, err := newDecoder(b, recordVersion)
	if err != nil {
		return nil, err
	}
	d.lean = lean
	r := &record{}
	r.meta, r.invalid = d.head()
	r.digest, r.side = d.digest(), d.int(maxSide)
	d.tail(r.meta)
	for range d.int(len(d.b)) {
		if d.failed {
			break
		}
		r.sources = append(r.sources, fetch.SourceBytes{Kind: d.text(), Peer: d.text(), Bytes: int64(d.number())})
	}
	if waits(r.meta) {
		for range d.int(maxAlso) {
			r.also = append(r.also, d.digest())
		}
	}
	if err := d.end(); err != nil {
		return nil, err
	}
	if r.digest.IsZero() {
		return nil, fmt.Errorf("%w: record of nothing", errGarbage)
	}
	return r, nil
}

// memo is what Memory keeps of one download.
type memo struct {
	digest verify.Digest
	at     time.Time
}

const memoVersion = 1

func (m memo) encode() []byte {
	e := newEncoder(memoVersion)
	e.instant(m.at)
	e.digest(m.digest)
	return e.seal()
}

func decodeMemo(b []byte) (memo, error) {
	d, err := newDecoder(b, memoVersion)
	if err != nil {
		return memo{}, err
	}
	m := memo{at: d.instant(), digest: d.digest()}
	if err := d.end(); err != nil {
		return memo{}, err
	}
	if m.digest.IsZero() {
		return memo{}, fmt.Errorf("%w: memo of nothing", errGarbage)
	}
	return m, nil
}

// side is what is known of a body piece by piece.
type side struct {
	states []byte
	list   *verify.StateList // of the states
}

// sideVersion is the form of side data. Those of version 1 end with the SHA-256
// of each piece.
const sideVersion = 2

// maxSide is the length of the longest side data: 8192 piece hashes, a state
// list for SHA-512, and some octets around them.
const maxSide = verify.MaxPieces*32 + verify.MaxStateList + 64

// sideOf returns the side data of w, nil when they follow from the digest.
func sideOf(w verify.Whole) []byte {
	if _, implied := impliedSide(w.Digest); implied {
		return nil
	}
	e := newEncoder(sideVersion)
	e.text(string(w.States))
	return e.seal()
}

// impliedSide returns the side data of a body that is so short that its digest
// says it all.
func impliedSide(d verify.Digest) (side, bool) {
	if d.Layout().Pieces() > 1 {
		return side{}, false
	}
	list, err := verify.ParseStateList(d, nil)
	return side{list: list}, err == nil
}

// decodeSide reads the side data of a body with digest of.
func decodeSide(b []byte, of verify.Digest) (side, error) {
	if s, implied := impliedSide(of); implied {
		return s, nil
	}
	version := byte(sideVersion)
	if len(b) > 0 && b[0] == 1 {
		version = 1
	}
	d, err := newDecoder(b, version)
	if err != nil {
		return side{}, err
	}
	s := side{states: []byte(d.text())}
	if s.list, err = verify.ParseStateList(of, s.states); err != nil {
		return side{}, fmt.Errorf("%w: %w", errGarbage, err)
	}
	if version == 1 {
		d.raw(32 * of.Layout().Pieces())
	}
	if err := d.end(); err != nil {
		return side{}, err
	}
	return s, nil
}

// access is how an object was used: when last, in seconds since 1970, and where
// it stands in the queues.
type access struct {
	used int64
	main bool
	hits uint8
}

func (e *entry) access() access { return access{e.used, e.main, e.hits} }

func (a access) encode() []byte {
	e := newEncoder(accessVersion)
	e.number(uint64(a.used))
	e.number(uint64(a.hits)<<1 | flag(a.main, 1))
	return e.seal()
}

// accessVersion is the form of accesses. Those of version 1 end behind the time.
const accessVersion = 2

func decodeAccess(b []byte) (access, error) {
	version := byte(accessVersion)
	if len(b) > 0 && b[0] == 1 {
		version = 1
	}
	d, err := newDecoder(b, version)
	if err != nil {
		return access{}, err
	}
	at, standing := d.number(), 0
	if version > 1 {
		standing = d.int(maxHits<<1 | 1)
	}
	if at > math.MaxInt64 {
		d.failed = true
	}
	return access{int64(at), standing&1 != 0, uint8(standing >> 1)}, d.end()
}
