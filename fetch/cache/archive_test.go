package cache

import (
	"archive/tar"
	"bytes"
	"context"
	"crypto/md5"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/crypto/blake2b"

	"github.com/flashcrowd/flashcrowd/dht"
	"github.com/flashcrowd/flashcrowd/fetch"
	"github.com/flashcrowd/flashcrowd/fetch/fetchtest"
	"github.com/flashcrowd/flashcrowd/verify"
)

// anyones is object, of a public site, that anybody could have got.
func anyones(path string, n int, fields ...string) (*fetch.Request, *fetch.Meta, []byte) {
	req, m, body := object(path, n, fields...)
	m.Anyone, m.PublicOrigin = true, true
	return req, m, body
}

func exported(t testing.TB, s *Store, x Export) ([]byte, Exported) {
	t.Helper()
	var b bytes.Buffer
	done, err := s.Export(t.Context(), &b, x)
	if err != nil {
		t.Fatal(err)
	}
	return b.Bytes(), done
}

// claims reports whether what waits in s with the digest of body is body.
func claims(t testing.TB, s *Store, body []byte) bool {
	t.Helper()
	return claimsBy(t, s, fetchtest.Seal(body).Whole.Digest, body)
}

func claimsBy(t testing.TB, s *Store, d verify.Digest, body []byte) bool {
	t.Helper()
	b, ok := s.Claim(d)
	if !ok {
		return false
	}
	defer b.Close()
	got, err := io.ReadAll(b)
	if err != nil || !bytes.Equal(got, body) {
		t.Fatalf("claimed %d octets, %v; not the %d that it should be", len(got), err, len(body))
	}
	return true
}

// TestArchive carries bodies from one store to another. There they wait: no
// request finds them, no other node is shown them, until they are claimed by
// their digest; also after a restart, and after the index was lost.
func TestArchive(t *testing.T) {
	from, dir := openTemp(t, Config{}), t.TempDir()
	var reqs []*fetch.Request
	var bodies [][]byte
	for i, n := range []int{1, 1000, 300_000, 3 << 20} {
		req, m, body := anyones(fmt.Sprint("a/", i), n)
		put(t, from, req, m, body)
		reqs, bodies = append(reqs, req), append(bodies, body)
	}
	archive, done := exported(t, from.Store, Export{})
	if done.Objects != 4 || done.LeftOut != 0 {
		t.Fatalf("exported %+v", done)
	}
	to := open(t, dir, Config{})
	got, err := to.Import(t.Context(), bytes.NewReader(archive))
	if err != nil || got.Objects != 4 || got.Bytes != done.Bytes || len(got.Damaged) > 0 {
		t.Fatalf("imported %+v, %v", got, err)
	}
	if again, err := to.Import(t.Context(), bytes.NewReader(archive)); err != nil || again.Known != 4 || again.Objects != 0 {
		t.Errorf("imported once more: %+v, %v", again, err)
	}
	waiting := func(s *Store, after string) {
		t.Helper()
		for i, req := range reqs {
			id, err := dht.URLID(req.URL)
			if err != nil {
				t.Fatal(err)
			}
			d := fetchtest.Seal(bodies[i]).Whole.Digest
			if has(t, s, req) {
				t.Errorf("%s: body %d answers a request before its origin was asked", after, i)
			}
			for _, name := range []dht.ID{id, dht.DigestID(d.Multihash())} {
				if _, err := s.Open(name, verify.TokenOf(name, d)); !errors.Is(err, fetch.ErrUnknown) {
					t.Errorf("%s: body %d is shown to other nodes: %v", after, i, err)
				}
			}
			if !s.Expects(id) || !claims(t, s, bodies[i]) {
				t.Errorf("%s: body %d does not wait", after, i)
			}
		}
	}
	waiting(to.Store, "at once")
	for item := range to.List() {
		if !item.Waiting || item.Meta.Shared {
			t.Errorf("listed as %+v", item)
		}
	}
	if archive, done := exported(t, to.Store, Export{}); done.Objects+done.LeftOut != 0 {
		t.Errorf("what waits is exported again: %+v, %d octets", done, len(archive))
	}
	if err := to.Close(); err != nil {
		t.Fatal(err)
	}
	to = open(t, dir, Config{})
	waiting(to.Store, "after a restart")
	if err := to.Close(); err != nil {
		t.Fatal(err)
	}
	loseIndex(t, dir)
	to = open(t, dir, Config{})
	defer to.Close()
	waiting(to.Store, "after the index was lost")
	req, m, body := object("a/2", 300_000)
	put(t, to, req, m, body)
	if claims(t, to.Store, body) || !has(t, to, req) {
		t.Error("a body waits on that is stored for its URL")
	}
	if n, err := to.Remove(reqs[3].URL.String()); n != 1 || err != nil || claims(t, to.Store, bodies[3]) {
		t.Errorf("what waits cannot be removed by its URL: %d, %v", n, err)
	}
}

// TestExportIsForEverybody: nothing leaves that not anybody could have got from
// the same URL, and may know of; what nothing is known of does not.
func TestExportIsForEverybody(t *testing.T) {
	s := openTemp(t, Config{})
	add := func(path string, change func(m *fetch.Meta)) {
		req, m, body := anyones(path, 2000)
		change(m)
		put(t, s, req, m, body)
	}
	add("fine", func(*fetch.Meta) {})
	add("shared", func(m *fetch.Meta) { m.Anyone, m.Shared = false, true })
	add("unknown", func(m *fetch.Meta) { m.Anyone = false })
	add("cookie", func(m *fetch.Meta) { m.Header.Set("Set-Cookie", "id=1") })
	add("vary", func(m *fetch.Meta) { m.Header.Set("Vary", "Accept-Language") })
	add("missing", func(m *fetch.Meta) { m.Status = http.StatusNotFound })
	add("signed?X-Amz-Signature=4bd1", func(*fetch.Meta) {})
	add("intranet", func(m *fetch.Meta) { m.PublicOrigin = false })
	add("old", func(*fetch.Meta) {})
	s.Invalidate("http://example.com/old")
	archive, done := exported(t, s.Store, Export{Takes: fetch.Sharing{}.Exports})
	if done.Objects != 2 || done.LeftOut != 7 {
		t.Errorf("exported %+v, want 2 and 7", done)
	}
	for _, secret := range []string{"unknown", "cookie", "vary", "missing", "signed", "intranet", "old", "Cache-Control", "id=1"} {
		if bytes.Contains(archive, []byte(secret)) {
			t.Errorf("the archive has %q in it", secret)
		}
	}
	if _, done := exported(t, s.Store, Export{}); done.Objects != 3 {
		t.Errorf("the zero value exports %+v, want what anybody could have got", done)
	}
	if _, done := exported(t, s.Store, Export{URLs: []string{"http://example.com/fine", "http://example.com/unknown"}}); done.Objects != 1 || done.LeftOut != 1 {
		t.Errorf("of two URLs, one of them private: %+v", done)
	}
	m := fetchtest.Meta(fetchtest.Request("http://example.com/none"), time.Now(), 5)
	if exportable(&record{meta: m, digest: fetchtest.Seal([]byte("hello")).Whole.Digest}) {
		t.Error("a response of which nothing was judged is exported")
	}
}

// digestBy is a digest of body that has no state lists.
func digestBy(t testing.TB, alg verify.Algorithm, body []byte) verify.Digest {
	t.Helper()
	sum := md5.Sum(body)
	raw := sum[:]
	if alg == verify.BLAKE2b256 {
		long := blake2b.Sum256(body)
		raw = long[:]
	}
	d, err := verify.NewDigest(alg, raw, int64(len(body)))
	if err != nil {
		t.Fatal(err)
	}
	return d
}

// loseIndex removes the index, as a disk might.
func loseIndex(t testing.TB, dir string) {
	t.Helper()
	if err := os.RemoveAll(filepath.Join(dir, "index")); err != nil {
		t.Fatal(err)
	}
}

// member is one file of an archive that a test makes.
type member struct {
	name string
	body []byte
	kind byte
}

func archiveOf(t testing.TB, members ...member) []byte {
	t.Helper()
	var b bytes.Buffer
	w := tar.NewWriter(&b)
	for _, m := range members {
		h := &tar.Header{Typeflag: tar.TypeReg, Name: m.name, Size: int64(len(m.body)), Mode: 0o600}
		if m.kind != 0 {
			h.Typeflag, h.Linkname, h.Size, m.body = m.kind, "/etc/passwd", 0, nil
		}
		if err := w.WriteHeader(h); err != nil {
			t.Fatal(err)
		}
		if _, err := w.Write(m.body); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func hashesOf(t testing.TB, body []byte) []string {
	t.Helper()
	hashes, err := pieceHashes(t.Context(), bytes.NewReader(body), verify.LayoutOf(int64(len(body))))
	if err != nil {
		t.Fatal(err)
	}
	return hashes
}

// said returns a manifest of body, after change.
func said(t testing.TB, body []byte, change func(*manifest)) []byte {
	t.Helper()
	w := fetchtest.Seal(body).Whole
	m := &manifest{URL: "http://example.com/said", Length: int64(len(body)), Digests: []string{hex.EncodeToString(w.Digest.Multihash())}}
	m.Pieces = hashesOf(t, body)
	if change != nil {
		change(m)
	}
	raw, err := json.Marshal(m)
	if err != nil {
		t.Fatal(err)
	}
	return raw
}

// good is an archive of one body, in which tests then do harm.
func good(t testing.TB, body []byte) []member {
	return []member{
		{name: archiveForm, body: []byte("1\n")},
		{name: memberName(1, "manifest"), body: said(t, body, nil)},
		{name: memberName(1, "body"), body: body},
		{name: archiveEnd, body: []byte("1\n")},
	}
}

// TestLyingArchive: a body that is not what its archive says is not taken, and
// those around it are. Under -tags sabotage it is believed.
func TestLyingArchive(t *testing.T) {
	body, other := fetchtest.Body(1, 200_000), fetchtest.Body(2, 200_000)
	flipped := bytes.Clone(body)
	flipped[150_000] ^= 1
	pieces := func(of []byte) func(*manifest) {
		return func(m *manifest) {
			m.Pieces = hashesOf(t, of)
		}
	}
	blake := hex.EncodeToString(digestBy(t, verify.BLAKE2b256, other).Multihash())
	for name, lie := range map[string]struct{ manifest, body []byte }{
		"a bit":           {said(t, body, nil), flipped},
		"another body":    {said(t, body, nil), other},
		"and its pieces":  {said(t, body, pieces(other)), other},
		"pieces alone":    {said(t, body, pieces(other)), body},
		"a second digest": {said(t, body, func(m *manifest) { m.Digests = append(m.Digests, blake) }), body},
	} {
		t.Run(name, func(t *testing.T) {
			s, before, after := openTemp(t, Config{}), fetchtest.Body(3, 70_000), fetchtest.Body(4, 70_000)
			got, err := s.Import(t.Context(), bytes.NewReader(archiveOf(t,
				member{name: archiveForm, body: []byte("1\n")},
				member{name: memberName(1, "manifest"), body: said(t, before, nil)}, member{name: memberName(1, "body"), body: before},
				member{name: memberName(2, "manifest"), body: lie.manifest}, member{name: memberName(2, "body"), body: lie.body},
				member{name: memberName(3, "manifest"), body: said(t, after, nil)}, member{name: memberName(3, "body"), body: after},
				member{name: archiveEnd, body: []byte("3\n")},
			)))
			if err != nil || got.Objects != 2 || !slices.Equal(got.Damaged, []string{"objects/00000002.body"}) {
				t.Errorf("%+v, %v", got, err)
			}
			if !claims(t, s.Store, before) || !claims(t, s.Store, after) || claims(t, s.Store, body) || claims(t, s.Store, other) {
				t.Error("what waits is not what was right")
			}
			if st := s.Stats(); st.Objects != 2 || st.Reserved != 0 {
				t.Errorf("left behind: %+v", st)
			}
		})
	}
}

// TestHostileArchives: what is no whole archive is an error that names the
// member, and leaves nothing but the whole bodies before it.
func TestHostileArchives(t *testing.T) {
	body := fetchtest.Body(1, 200_000)
	with := func(change func(m []member) []member) []byte { return archiveOf(t, change(good(t, body))...) }
	fine := with(func(m []member) []member { return m })
	manifests := func(change func(*manifest)) []byte {
		return with(func(m []member) []member { m[1].body = said(t, body, change); return m })
	}
	for name, c := range map[string]struct {
		archive []byte
		says    string
		objects int
	}{
		"nothing":     {nil, archiveForm, 0},
		"garbage":     {garbage(5000, rand.New(rand.NewPCG(1, 1))), archiveForm, 0},
		"zeros":       {make([]byte, 4096), archiveForm, 0},
		"gzip":        {append([]byte{0x1f, 0x8b, 8}, fine...), archiveForm, 0},
		"cut body":    {fine[:100_000], "objects/00000001.body: cannot be read", 0},
		"cut end":     {fine[:len(fine)-2*512-1024], "objects/00000002.manifest: is missing", 1},
		"form":        {with(func(m []member) []member { m[0].body = []byte("2\n"); return m }), "another version", 0},
		"long form":   {with(func(m []member) []member { m[0].body = make([]byte, 100); return m }), "too many", 0},
		"no end":      {with(func(m []member) []member { return m[:3] }), "objects/00000002.manifest: is missing", 1},
		"end counts":  {with(func(m []member) []member { m[3].body = []byte("2\n"); return m }), "end: some objects are missing", 1},
		"after end":   {with(func(m []member) []member { return append(m, member{name: "x"}) }), "end: something follows", 1},
		"no manifest": {with(func(m []member) []member { return append(m[:1], m[2:]...) }), "objects/00000001.manifest: another file", 0},
		"twice":       {with(func(m []member) []member { return append(m[:3], m[1:]...) }), "objects/00000002.manifest: another file", 1},
		"absolute":    {with(func(m []member) []member { m[2].name = "/etc/passwd"; return m }), "objects/00000001.body: another file", 0},
		"upwards":     {with(func(m []member) []member { m[2].name = "../../body"; return m }), "objects/00000001.body: another file", 0},
		"link":        {with(func(m []member) []member { m[2].kind = tar.TypeSymlink; return m }), "objects/00000001.body: no plain file", 0},
		"hard link":   {with(func(m []member) []member { m[2].kind = tar.TypeLink; return m }), "objects/00000001.body: no plain file", 0},
		"folder":      {with(func(m []member) []member { m[1].kind = tar.TypeDir; return m }), "objects/00000001.manifest: no plain file", 0},
		"short":       {with(func(m []member) []member { m[2].body = body[:100]; return m }), "100 octets, not 200000", 0},
		"long":        {with(func(m []member) []member { m[2].body = append(bytes.Clone(body), 0); return m }), "200001 octets, not 200000", 0},
		"big json":    {with(func(m []member) []member { m[1].body = bytes.Repeat([]byte(" "), maxManifest+1); return m }), "too many", 0},
		"no json":     {with(func(m []member) []member { m[1].body = []byte("{"); return m }), "00000001.manifest: no manifest", 0},
		"two jsons":   {with(func(m []member) []member { m[1].body = append(m[1].body, m[1].body...); return m }), "no manifest", 0},
		"fields":      {with(func(m []member) []member { m[1].body = []byte(`{"status":200}`); return m }), "no manifest", 0},
		"file url":    {manifests(func(m *manifest) { m.URL = "file:///etc/passwd" }), "no url", 0},
		"userinfo":    {manifests(func(m *manifest) { m.URL = "http://a:b@example.com/" }), "no url", 0},
		"endless":     {manifests(func(m *manifest) { m.Length = 1 << 50 }), "out of bounds", 0},
		"negative":    {manifests(func(m *manifest) { m.Length = -1 }), "out of bounds", 0},
		"no digest":   {manifests(func(m *manifest) { m.Digests = nil }), "out of bounds", 0},
		"weak digest": {manifests(func(m *manifest) {
			m.Digests = []string{hex.EncodeToString(digestBy(t, verify.MD5, body).Multihash())}
		}), "no digest", 0},
		"many digests": {manifests(func(m *manifest) { m.Digests = slices.Repeat(m.Digests, maxAlso+2) }), "out of bounds", 0},
		"few pieces":   {manifests(func(m *manifest) { m.Pieces = m.Pieces[1:] }), "3 pieces, not 4", 0},
		"short piece":  {manifests(func(m *manifest) { m.Pieces[2] = "00" }), "piece 2 has no hash", 0},
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			s := open(t, dir, Config{})
			defer s.Close()
			got, err := s.Import(t.Context(), bytes.NewReader(c.archive))
			if !errors.Is(err, ErrArchive) || !strings.Contains(err.Error(), c.says) {
				t.Errorf("error %v, want one that says %q", err, c.says)
			}
			if st := s.Stats(); got.Objects != c.objects || st.Objects != c.objects || st.Reserved != 0 {
				t.Errorf("taken %+v, left behind %+v; want %d", got, st, c.objects)
			}
			if n := len(files(t, dir)); n > 2*c.objects {
				t.Errorf("%d files for %d objects", n, c.objects)
			}
		})
	}
}

// TestImportIsBounded: an import takes no more room than there is, and what it
// has brought does not give way to what it brings.
func TestImportIsBounded(t *testing.T) {
	from := openTemp(t, Config{})
	for i := range 8 {
		req, m, body := anyones(strings.Repeat("x", i+1), 1<<20)
		put(t, from, req, m, body)
	}
	archive, _ := exported(t, from.Store, Export{})
	to := openTemp(t, Config{Limit: 5 << 20})
	req, m, body := object("before", 2<<20)
	put(t, to, req, m, body)
	got, err := to.Import(t.Context(), bytes.NewReader(archive))
	if err != nil || got.Objects != 4 || got.Refused != 4 {
		t.Errorf("%+v, %v; want 4 objects of 1 MiB in 5 MiB", got, err)
	}
	if st := to.Stats(); st.Bytes+st.Reserved > st.Limit || st.Objects != 4 {
		t.Errorf("%+v", st)
	}
	small := openTemp(t, Config{Limit: 1 << 19})
	if got, err := small.Import(t.Context(), bytes.NewReader(archive)); err != nil || got.Refused != 8 {
		t.Errorf("into a store that is too small for any: %+v, %v", got, err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := to.Import(ctx, bytes.NewReader(archive)); !errors.Is(err, context.Canceled) {
		t.Errorf("an import that was cancelled: %v", err)
	}
	if _, err := from.Export(ctx, io.Discard, Export{}); !errors.Is(err, context.Canceled) {
		t.Errorf("an export that was cancelled: %v", err)
	}
}

// TestClaimBySecondDigest: a body is found by each digest that its archive says
// and it has, as PyPI names it by BLAKE2, and by no weaker one.
func TestClaimBySecondDigest(t *testing.T) {
	s, body := openTemp(t, Config{}), fetchtest.Body(1, 200_000)
	d := digestBy(t, verify.BLAKE2b256, body)
	m := good(t, body)
	m[1].body = said(t, body, func(m *manifest) { m.Digests = append(m.Digests, hex.EncodeToString(d.Multihash())) })
	if got, err := s.Import(t.Context(), bytes.NewReader(archiveOf(t, m...))); err != nil || got.Objects != 1 {
		t.Fatalf("%+v, %v", got, err)
	}
	if !claimsBy(t, s.Store, d, body) || !claims(t, s.Store, body) {
		t.Error("not found by both digests")
	}
	if longer, err := verify.NewDigest(verify.BLAKE2b256, d.Sum(), int64(len(body))+1); err != nil || claimsBy(t, s.Store, longer, body) {
		t.Errorf("found by a digest of another length: %v", err)
	}
	if claimsBy(t, s.Store, digestBy(t, verify.MD5, body), body) {
		t.Error("found by MD5")
	}
}

// FuzzArchive holds that an archive of anybody is taken apart without a panic,
// and that nothing comes out of it that does not have its digest.
func FuzzArchive(f *testing.F) {
	body := fetchtest.Body(1, 700)
	fine := archiveOf(f, good(f, body)...)
	f.Add(fine)
	f.Add(fine[:3000])
	f.Add(archiveOf(f))
	flipped := bytes.Clone(fine)
	flipped[2600] ^= 1
	f.Add(flipped)
	f.Fuzz(func(t *testing.T, raw []byte) {
		a, err := openArchive(bytes.NewReader(raw))
		for n := 0; err == nil && n < 100; n++ {
			var c *claimed
			if c, err = a.next(); err != nil {
				break
			}
			var got memoryFile
			whole, bad := takeBody(a, &got, c)
			if bad == nil && (whole.Digest != c.digest || fetchtest.Seal(got).Whole.Digest.Length() != c.digest.Length()) {
				t.Fatal("a body without its digest")
			}
		}
		if err != nil && err != io.EOF && !errors.Is(err, ErrArchive) {
			t.Fatalf("error %v", err)
		}
	})
}

// memoryFile takes what is written in order.
type memoryFile []byte

func (m *memoryFile) WriteAt(p []byte, off int64) (int, error) {
	if off != int64(len(*m)) {
		return 0, errors.New("not in order")
	}
	*m = append(*m, p...)
	return len(p), nil
}
