package cache

import (
	"archive/tar"
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"

	"github.com/flashcrowd/flashcrowd/dht"
	"github.com/flashcrowd/flashcrowd/fetch"
	"github.com/flashcrowd/flashcrowd/verify"
)

// Export says what goes into an archive. The zero value is everything that
// anybody could have got from the same URL; nothing makes it more.
type Export struct {
	// URLs are what goes into it; none is everything.
	URLs []string
	// Takes leaves out what it reports false for; nil leaves out nothing more.
	Takes func(m *fetch.Meta) bool
}

// Exported is what went into an archive.
type Exported struct {
	// Objects that went into it, and the octets of their bodies.
	Objects int
	Bytes   int64
	// LeftOut of what was asked for: it is not for everybody, or not whole, or
	// damaged.
	LeftOut int
}

// Export writes an archive to w. Each body in it was held against its digest
// before; a damaged one is removed, as by Verify. After an error the archive is
// not whole, and Import says so.
func (s *Store) Export(ctx context.Context, w io.Writer, x Export) (Exported, error) {
	var done Exported
	t := &archiveWriter{tar: tar.NewWriter(w)}
	err := t.member(archiveForm, []byte("1\n"))
	wanted := idsOf(x.URLs)
	for _, e := range s.snapshot() {
		if err != nil {
			break
		}
		if len(x.URLs) > 0 && !wanted[e.id] || e.about != nil {
			continue
		}
		err = s.exportEntry(ctx, t, e, x.Takes)
		switch {
		case ctx.Err() != nil:
			err = ctx.Err()
		case errors.Is(err, errLeftOut):
			done.LeftOut++
			err = nil
		case err == nil:
			done.Objects++
			done.Bytes += e.body
		}
	}
	if err == nil {
		err = t.end()
	}
	if err != nil {
		return done, fmt.Errorf("cache: export: %w", err)
	}
	return done, nil
}

func idsOf(urls []string) map[dht.ID]bool {
	ids := make(map[dht.ID]bool)
	for _, u := range urls {
		if id, err := urlID(u); err == nil {
			ids[id] = true
		}
	}
	return ids
}

// errLeftOut: an object does not go into the archive.
var errLeftOut = errors.New("cache: left out")

// exportable reports whether the response of r may leave this machine: anybody
// could have got it, and may know that there is something under its URL.
func exportable(r *record) bool {
	m := r.meta
	return (m.Shared || m.Anyone) && m.Status == http.StatusOK && !r.invalid && stillShared(m) &&
		slices.Contains(m.Names(), m.ID) && r.digest.Length() > 0 && r.digest.Length() <= fetch.MaxSwarmBody
}

// exportEntry writes one object.
func (s *Store) exportEntry(ctx context.Context, t *archiveWriter, e *entry, takes func(*fetch.Meta) bool) error {
	r, b, err := s.openExport(ctx, e, takes)
	if err != nil {
		return err
	}
	defer b.Close()
	m := manifestOf(r)
	if m.Pieces, err = pieceHashes(ctx, b, r.digest.Layout()); err != nil {
		return err
	}
	return t.object(m, b)
}

// openExport opens the body of e, proven anew, if it goes into the archive.
func (s *Store) openExport(ctx context.Context, e *entry, takes func(*fetch.Meta) bool) (*record, body, error) {
	if !s.enter() {
		return nil, nil, ErrClosed
	}
	defer s.leave()
	r, err := s.read(e)
	if err != nil || !exportable(r) || takes != nil && !takes(r.meta) {
		return nil, nil, errLeftOut
	}
	if err := s.proveBody(ctx, e, r); err != nil {
		if ctx.Err() == nil {
			s.reject(e, err)
		}
		return nil, nil, errLeftOut
	}
	b, _, err := s.open(e, r)
	if err != nil {
		return nil, nil, errLeftOut
	}
	return r, b, nil
}

// manifestOf returns what is to be said of a stored response, but for its pieces.
func manifestOf(r *record) *manifest {
	m := &manifest{URL: r.meta.URL, Length: r.digest.Length()}
	for _, d := range r.meta.Digests(r.digest) {
		if d.Algorithm().Strong() {
			m.Digests = append(m.Digests, hex.EncodeToString(d.Multihash()))
		}
	}
	return m
}

// pieceHashes returns the SHA-256 of each piece of b, in hexadecimal.
func pieceHashes(ctx context.Context, b io.ReaderAt, layout verify.Layout) ([]string, error) {
	buf := pieceBuffer(layout)
	defer pieces.Put(buf)
	var out []string
	for i := range layout.Pieces() {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		piece := (*buf)[:layout.Size(i)]
		if n, err := b.ReadAt(piece, layout.Offset(i)); n < len(piece) {
			return nil, fmt.Errorf("cache: hash piece %d: %w", i, err)
		}
		hash := verify.HashPiece(piece)
		out = append(out, hex.EncodeToString(hash[:]))
	}
	return out, nil
}
