package cache

import (
	"cmp"
	"crypto/sha256"
	"fmt"
	"slices"
	"strconv"

	"github.com/cespare/xxhash/v2"
	"github.com/cockroachdb/pebble/v2"

	"github.com/flashcrowd/flashcrowd/fetch"
	"github.com/flashcrowd/flashcrowd/verify"
)

// part is what the index knows of one incomplete response. It is immutable.
type part struct {
	meta    *fetch.Meta
	invalid bool
	chunks  []chunk // in order
}

// chunk is what is held of one piece, without a gap. Its sum says that the
// disk has not changed it, and nothing about whether it is the origin's.
type chunk struct {
	fetch.Span
	sum uint64 // xxHash64
}

const (
	partVersion = 1
	// maxSpans is how many spans of a body are kept, the longest ones: it
	// bounds a part's record as MaxPieces does.
	maxSpans = verify.MaxPieces
)

// versionOf is equal for two responses of which parts may be combined (RFC
// 9111 section 3.4, and design.md section 4): the same variant, coding and
// complete length, and the same strong validator or else the same digest, as
// the origin states it. It is zero when nothing tells the version again.
func versionOf(m *fetch.Meta) (v [16]byte) {
	validator := m.StrongETag()
	if validator == "" {
		for _, e := range m.Evidence {
			if e.Level() >= verify.E7 {
				validator = e.Digest().String()
				break
			}
		}
	}
	if validator == "" || m.Length <= 0 {
		return v
	}
	h := sha256.New()
	key := variantKey(m)
	h.Write(key[:])
	for _, s := range []string{m.Coding(), strconv.FormatInt(m.Length, 10), validator} {
		h.Write([]byte(s))
		h.Write([]byte{0}) // no field value has it
	}
	return [16]byte(h.Sum(nil)[:16])
}

// held returns the spans that the chunks make up.
func (p *part) held() []fetch.Span {
	spans := make([]fetch.Span, len(p.chunks))
	for i, c := range p.chunks {
		spans[i] = c.Span
	}
	return fetch.Union(spans...)
}

func lengthOf(spans []fetch.Span) (n int64) {
	for _, s := range spans {
		n += s.Len()
	}
	return n
}

// chunksOf cuts spans, within a body of length octets, at the borders of its
// pieces. Of too many spans it leaves out the shortest.
func chunksOf(spans []fetch.Span, length int64) (out []chunk) {
	spans = fetch.Union(spans...)
	if len(spans) > maxSpans {
		slices.SortFunc(spans, func(a, b fetch.Span) int { return cmp.Compare(b.Len(), a.Len()) })
		spans = fetch.Union(spans[:maxSpans]...)
	}
	layout := verify.LayoutOf(length)
	for _, s := range spans {
		for at := max(s.Offset, 0); at < min(s.End, length); {
			end := min(layout.Offset(layout.PieceAt(at)+1), s.End)
			out = append(out, chunk{Span: fetch.Span{Offset: at, End: end}})
			at = end
		}
	}
	return out
}

// sum is the checksum of a chunk.
func sum(octets []byte) uint64 { return xxhash.Sum64(octets) }

// encode returns the part as it stands in the index.
func (p *part) encode() ([]byte, error) {
	e := newEncoder(partVersion)
	e.head(p.meta, p.invalid)
	if err := e.tail(p.meta); err != nil {
		return nil, err
	}
	e.number(uint64(len(p.chunks)))
	at := int64(0)
	for _, c := range p.chunks {
		e.number(uint64(c.Offset - at))
		e.number(uint64(c.Len()))
		e.word(c.sum)
		at = c.End
	}
	return e.seal(), nil
}

// decodePart is the inverse of encode. It fails with errGarbage on anything
// else. It keeps no reference to b.
func decodePart(b []byte) (*part, error) {
	d, err := newDecoder(b, partVersion)
	if err != nil {
		return nil, err
	}
	p := &part{}
	p.meta, p.invalid = d.head()
	d.tail(p.meta)
	at, layout := int64(0), verify.LayoutOf(p.meta.Length)
	for range d.int(len(d.b)) {
		if d.failed || p.meta.Length <= 0 {
			d.fail()
			break
		}
		gap, n, s := d.number(), d.number(), d.word()
		if gap > uint64(p.meta.Length-at) || n == 0 || n > uint64(p.meta.Length-at)-gap ||
			layout.PieceAt(at+int64(gap)) != layout.PieceAt(at+int64(gap)+int64(n)-1) {
			d.fail()
			break
		}
		at += int64(gap)
		p.chunks = append(p.chunks, chunk{fetch.Span{Offset: at, End: at + int64(n)}, s})
		at += int64(n)
	}
	if err := d.end(); err != nil {
		return nil, err
	}
	if len(p.chunks) == 0 {
		return nil, fmt.Errorf("%w: part of nothing", errGarbage)
	}
	return p, nil
}

// newPart returns the entry of an incomplete response whose record is encoded
// octets long.
func newPart(n name, p *part, encoded int) *entry {
	came := max(p.meta.ResponseTime.Unix(), 0)
	held := lengthOf(p.held())
	return &entry{
		id: p.meta.ID, name: n, body: held, variant: variantKey(p.meta), size: held + int64(encoded),
		trust: &trust{}, part: true, version: versionOf(p.meta), used: came, saved: came,
	}
}

// loadParts reads what is known of incomplete responses, and lets b delete what
// is garbage.
func (s *Store) loadParts(b *pebble.Batch, found map[name]*entry) error {
	return s.scan(prefixPart, func(key, value []byte) {
		id, n, ok := parseObjectKey(prefixPart, key)
		if !ok {
			b.Delete(key, nil)
			return
		}
		p, err := decodePart(value)
		if err == nil && p.meta.ID != id {
			err = fmt.Errorf("%w: part of another id", errGarbage)
		}
		switch {
		case err != nil:
			s.log.Warn("rejected", "id", id, "err", err)
			b.Delete(key, nil)
		case found[n] != nil: // it was completed just before a crash
			b.Delete(key, nil)
		default:
			found[n] = newPart(n, p, len(value))
		}
	})
}

// readPart returns what the index knows of e, which is a part. Garbage takes e
// with it.
func (s *Store) readPart(e *entry) (*part, error) {
	value, closer, err := s.cfg.DB.Get(partKey(e.id, e.name))
	if err != nil {
		return nil, err
	}
	defer closer.Close()
	p, err := decodePart(value)
	if err == nil && (p.meta.ID != e.id || lengthOf(p.held()) != e.body) {
		err = fmt.Errorf("%w: part of another body", errGarbage)
	}
	if err != nil {
		s.reject(e, err)
	}
	return p, err
}
