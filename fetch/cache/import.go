package cache

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"time"

	"github.com/flashcrowd/flashcrowd/dht"
	"github.com/flashcrowd/flashcrowd/fetch"
	"github.com/flashcrowd/flashcrowd/verify"
)

// Imported is what came of an archive.
type Imported struct {
	// Objects whose bodies were taken and wait, and the octets of these.
	Objects int
	Bytes   int64
	// Known were here already. Refused had no room: an import evicts what was
	// there before by the rules of the store, but never what it brought itself.
	Known, Refused int
	// Damaged are the members that are not what their archive says.
	Damaged []string
}

// Import reads an archive. Nothing in it is believed because it is there: each
// piece of a body is held against its hash as it comes, and the body against its
// digests; then it waits, by these alone, until an origin states one of them
// (Claim). It answers no request, and is shown to nobody else, before that.
//
// It returns what was taken also when it fails: with ErrArchive where r ends
// early or is something else. What was taken lasts when it returns.
func (s *Store) Import(ctx context.Context, r io.Reader) (Imported, error) {
	in := &importing{s: s}
	defer in.release()
	if err := in.run(&cancelled{ctx, r}); err != nil {
		return in.done, fmt.Errorf("cache: import: %w", err)
	}
	return in.done, nil
}

// importing is one import under way.
type importing struct {
	s    *Store
	done Imported
	// kept are the bodies that it brought: they must not make room for others
	// of the same archive.
	kept []*held
}

func (in *importing) release() {
	for _, h := range in.kept {
		h.release()
	}
}

func (in *importing) run(r io.Reader) error {
	a, err := openArchive(r)
	for err == nil {
		var c *claimed
		if c, err = a.next(); err == nil {
			err = in.object(a, c)
		}
	}
	if err == io.EOF {
		return nil
	}
	return err
}

// object takes one object. An error is one of the archive or the store, after
// which nothing more comes.
func (in *importing) object(a *archiveReader, c *claimed) error {
	if in.s.knows(c) {
		in.done.Known++
		return nil
	}
	w, err := in.s.createWaiting(c)
	if errors.Is(err, ErrFull) {
		in.done.Refused++
		return nil
	}
	if err != nil {
		return err
	}
	defer w.Release()
	whole, err := takeBody(a, w, c)
	if err == nil {
		err = w.Commit(fetch.Seal{Whole: whole, Sources: []fetch.SourceBytes{{Kind: "cache", Bytes: whole.Digest.Length()}}})
	} else {
		w.Abort()
	}
	switch {
	case errors.Is(err, ErrDamaged):
		in.done.Damaged = append(in.done.Damaged, a.body())
		return nil
	case errors.Is(err, ErrFull):
		in.done.Refused++
		return nil
	case err != nil:
		return err
	}
	in.done.Objects++
	in.done.Bytes += whole.Digest.Length()
	in.keep(c.digest)
	return nil
}

func (in *importing) keep(d verify.Digest) {
	for _, e := range in.s.waiting(d) {
		in.kept = append(in.kept, in.s.hold(e))
	}
}

// takeBody writes the body that comes, each piece after it was held against its
// hash, and returns what it is, if it has the digests that are said of it.
func takeBody(r io.Reader, w io.WriterAt, c *claimed) (verify.Whole, error) {
	layout := c.digest.Layout()
	rec := verify.NewRecorder(c.digest.Algorithm(), layout.Length)
	rec.Observe(c.also...)
	buf := pieceBuffer(layout)
	defer pieces.Put(buf)
	for i := range layout.Pieces() {
		piece := (*buf)[:layout.Size(i)]
		if _, err := io.ReadFull(r, piece); err != nil {
			return verify.Whole{}, err
		}
		if !verify.PieceIs(piece, c.pieces[i]) {
			return verify.Whole{}, fmt.Errorf("%w: piece %d", ErrDamaged, i)
		}
		if _, err := w.WriteAt(piece, layout.Offset(i)); err != nil {
			return verify.Whole{}, err
		}
		if _, err := rec.Write(piece); err != nil {
			return verify.Whole{}, err
		}
	}
	for _, d := range append([]verify.Digest{c.digest}, c.also...) {
		if !rec.Has(d) {
			return verify.Whole{}, fmt.Errorf("%w: not what its digest says", ErrDamaged)
		}
	}
	return rec.Whole(), nil
}

// createWaiting begins a body of which nothing is believed but its digests: it
// has no status, no fields, and its URL is a hint.
func (s *Store) createWaiting(c *claimed) (*writer, error) {
	if c.digest.Length() > s.Stats().Limit {
		return nil, ErrFull
	}
	now := time.Now()
	w, err := s.create(&fetch.Meta{
		URL: c.url, ID: dht.DigestID(c.digest.Multihash()), Method: http.MethodGet, Length: c.digest.Length(),
		RequestTime: now, ResponseTime: now,
	})
	if err != nil {
		return nil, err
	}
	w.also = c.also
	return w, nil
}

// knows reports whether the body is here: it waits already, or is stored for
// the URL that is said of it.
func (s *Store) knows(c *claimed) bool {
	if !s.enter() {
		return false
	}
	defer s.leave()
	for _, e := range append(s.waiting(c.digest), s.variants(c.id)...) {
		if r, err := s.read(e); err == nil && r.digest == c.digest {
			return true
		}
	}
	return false
}
