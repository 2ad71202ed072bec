package cache

import (
	"archive/tar"
	"bytes"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/url"
	"strings"

	"github.com/multiformats/go-multihash"

	"github.com/flashcrowd/flashcrowd/dht"
	"github.com/flashcrowd/flashcrowd/fetch"
	"github.com/flashcrowd/flashcrowd/verify"
)

// An archive carries bodies from one store to another. It is a POSIX tar file,
// uncompressed, of
//
//	flashcrowd-cache            the form: "1" and a line feed
//	objects/NUMBER.manifest     what is said of one body, JSON
//	objects/NUMBER.body         its octets
//	end                         how many bodies there were, and a line feed
//
// in this very order, numbers from 00000001 on, eight digits. No name in it is
// ever a path on the disk of who reads it. It has neither status nor fields of
// any response, nor times, nor who made it: what it says is no origin's word.
const (
	archiveForm = "flashcrowd-cache"
	archiveEnd  = "end"

	maxManifest = 1 << 20 // design.md section 12
	// maxAlso is by how many digests an archive may say a body is known beside
	// its own: each is one more pass of a hash.
	maxAlso = 4
)

// ErrArchive: what is read is no archive, or not all of one. The text names the
// member.
var ErrArchive = errors.New("cache: not a whole archive")

func badMember(name, why string) error { return fmt.Errorf("%w: %s: %s", ErrArchive, name, why) }

// manifest is what an archive says of one body.
type manifest struct {
	// URL that the body was stored for.
	URL    string `json:"url"`
	Length int64  `json:"length"`
	// Digests are multihashes of the body in hexadecimal: first that by which
	// it is stored, then others of which nobody can make two bodies. Pieces are
	// the SHA-256 of each piece.
	Digests []string `json:"digests"`
	Pieces  []string `json:"pieces"`
}

// claimed is a manifest that makes sense, and no more than that.
type claimed struct {
	url    string
	id     dht.ID
	digest verify.Digest
	also   []verify.Digest
	pieces [][32]byte
}

// parseManifest reads a manifest, which may come from anybody. An error says
// what is wrong with it.
func parseManifest(raw []byte) (*claimed, error) {
	var m manifest
	d := json.NewDecoder(bytes.NewReader(raw))
	d.DisallowUnknownFields()
	if err := d.Decode(&m); err != nil || d.More() {
		return nil, errors.New("no manifest")
	}
	c := &claimed{url: m.URL}
	u, err := url.Parse(m.URL)
	if err != nil || u.User != nil || u.Scheme != "http" && u.Scheme != "https" || u.Host == "" {
		return nil, errors.New("no url of http or https")
	}
	if c.id, err = dht.URLID(u); err != nil {
		return nil, errors.New("no url of http or https")
	}
	if m.Length < 1 || m.Length > fetch.MaxSwarmBody || len(m.Digests) < 1 || len(m.Digests) > 1+maxAlso {
		return nil, errors.New("length or digests are out of bounds")
	}
	for i, text := range m.Digests {
		dig, ok := parseDigest(text, m.Length)
		switch {
		case !ok, i == 0 && !dig.Algorithm().Lists():
			return nil, errors.New("no digest")
		case i == 0:
			c.digest = dig
		default:
			c.also = append(c.also, dig)
		}
	}
	if c.pieces, err = parsePieces(m.Pieces, c.digest); err != nil {
		return nil, err
	}
	return c, nil
}

// parseDigest reads a digest of which nobody can make two bodies.
func parseDigest(text string, length int64) (verify.Digest, bool) {
	raw, err := hex.DecodeString(text)
	if err != nil {
		return verify.Digest{}, false
	}
	mh, err := multihash.Decode(raw)
	if err != nil {
		return verify.Digest{}, false
	}
	d, err := verify.NewDigest(verify.Algorithm(mh.Code), mh.Digest, length)
	return d, err == nil && d.Algorithm().Strong()
}

func parsePieces(texts []string, of verify.Digest) ([][32]byte, error) {
	if len(texts) != of.Layout().Pieces() {
		return nil, fmt.Errorf("%d pieces, not %d", len(texts), of.Layout().Pieces())
	}
	pieces := make([][32]byte, len(texts))
	for i, text := range texts {
		raw, err := hex.DecodeString(text)
		if err != nil || len(raw) != len(pieces[i]) {
			return nil, fmt.Errorf("piece %d has no hash", i)
		}
		pieces[i] = [32]byte(raw)
	}
	return pieces, nil
}

// archiveReader takes an archive apart. It trusts nothing in it, and needs no
// more memory than a manifest does.
type archiveReader struct {
	tar *tar.Reader
	n   int // objects begun
}

// openArchive reads the beginning of an archive.
func openArchive(r io.Reader) (*archiveReader, error) {
	a := &archiveReader{tar: tar.NewReader(r)}
	h, err := a.header(archiveForm)
	if err != nil {
		return nil, err
	}
	form, err := a.short(h, 16)
	if err != nil {
		return nil, err
	}
	if string(form) != "1\n" {
		return nil, badMember(archiveForm, "of another version")
	}
	return a, nil
}

// next returns what is said of the next body, which can then be read; io.EOF at
// the end of a whole archive. What is left of the body before it is skipped.
func (a *archiveReader) next() (*claimed, error) {
	name := memberName(a.n+1, "manifest")
	h, err := a.header(name, archiveEnd)
	if err != nil {
		return nil, err
	}
	if h.Name == archiveEnd {
		return nil, a.end(h)
	}
	if a.n++; a.n > maxObjects {
		return nil, badMember(name, "too many objects")
	}
	raw, err := a.short(h, maxManifest)
	if err != nil {
		return nil, err
	}
	c, err := parseManifest(raw)
	if err != nil {
		return nil, badMember(name, err.Error())
	}
	if h, err = a.header(a.body()); err != nil {
		return nil, err
	}
	if h.Size != c.digest.Length() {
		return nil, badMember(a.body(), fmt.Sprintf("%d octets, not %d", h.Size, c.digest.Length()))
	}
	return c, nil
}

// body is the name of the body that is read.
func (a *archiveReader) body() string { return memberName(a.n, "body") }

// Read reads on in the body, which never ends early without an error.
func (a *archiveReader) Read(p []byte) (int, error) {
	n, err := a.tar.Read(p)
	if err != nil && err != io.EOF {
		err = fmt.Errorf("%w: %w", badMember(a.body(), "cannot be read to its end"), err)
	}
	return n, err
}

func memberName(n int, kind string) string { return fmt.Sprintf("objects/%08d.%s", n, kind) }

// end reads the last member.
func (a *archiveReader) end(h *tar.Header) error {
	count, err := a.short(h, 16)
	if err != nil {
		return err
	}
	if string(count) != fmt.Sprintf("%d\n", a.n) {
		return badMember(archiveEnd, "some objects are missing")
	}
	if _, err := a.tar.Next(); err != io.EOF {
		return badMember(archiveEnd, "something follows")
	}
	return io.EOF
}

// header reads the header of the member that must come now, under one of these
// names: a plain file, and not a sparse one, of which a few octets would stand
// for any number.
func (a *archiveReader) header(names ...string) (*tar.Header, error) {
	h, err := a.tar.Next()
	if err != nil {
		return nil, fmt.Errorf("%w: %w", badMember(names[0], "is missing"), err)
	}
	sparse := false
	for key := range h.PAXRecords {
		sparse = sparse || strings.HasPrefix(key, "GNU.sparse")
	}
	if h.Typeflag != tar.TypeReg || h.Size < 0 || sparse {
		return nil, badMember(names[0], "no plain file")
	}
	for _, name := range names {
		if h.Name == name {
			return h, nil
		}
	}
	return nil, badMember(names[0], "another file is in its place")
}

// short reads all of a member.
func (a *archiveReader) short(h *tar.Header, limit int64) ([]byte, error) {
	if h.Size > limit {
		return nil, badMember(h.Name, fmt.Sprintf("%d octets are too many", h.Size))
	}
	raw, err := io.ReadAll(a.tar)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", badMember(h.Name, "cannot be read to its end"), err)
	}
	return raw, nil
}
