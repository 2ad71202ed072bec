package verify_test

import (
	"crypto/md5"
	"crypto/sha1"
	"crypto/sha256"
	"crypto/sha512"
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"math/big"
	"net/http"
	"net/textproto"
	"slices"
	"strings"
	"testing"

	"github.com/ipfs/go-cid"
	"github.com/multiformats/go-multihash"
	"golang.org/x/crypto/blake2b"

	"github.com/flashcrowd/flashcrowd/verify"
)

// shape is one answer of an origin, as the origin writes it. In text, {md5},
// {sha1b64}, {sha256} and so on stand for digests of tableBody.
type shape struct {
	url    string // default https://site.test/file
	method string // default GET
	status int    // default 200
	text   string // fields, one a line
	value  string // of a document row
	part   int64  // PartSize
	learn  bool   // the place was seen to use such tags
	auth   bool
	length int64 // default that of tableBody
}

// rowCase: proves is empty for a row that never does.
type rowCase struct {
	row    string
	proves string // "E7 sha-256"
	yes    []shape
	no     []shape
}

var tableBody = bodyOf(300, 7)

// written fills in digests of tableBody.
func written(s string) string { return writtenFor(s, tableBody) }

// writtenFor fills in digests of body.
func writtenFor(s string, tableBody []byte) string {
	m, s1, s2, s5 := md5.Sum(tableBody), sha1.Sum(tableBody), sha256.Sum256(tableBody), sha512.Sum512(tableBody)
	s3 := sha512.Sum384(tableBody)
	b2 := blake2b.Sum256(tableBody)
	blob := sha1.Sum(append(fmt.Appendf(nil, "blob %d\x00", len(tableBody)), tableBody...))
	hexB2 := hex.EncodeToString(b2[:])
	b36 := new(big.Int).SetBytes(s1[:]).Text(36)
	mh, _ := multihash.Encode(s2[:], multihash.SHA2_256)
	b64 := base64.StdEncoding.EncodeToString
	cut := min(200, len(tableBody))
	p1, p2 := md5.Sum(tableBody[:cut]), md5.Sum(tableBody[cut:])
	parts := md5.Sum(append(p1[:], p2[:]...))
	return strings.NewReplacer(
		"{md5}", hex.EncodeToString(m[:]), "{sha1}", hex.EncodeToString(s1[:]), "{sha256}", hex.EncodeToString(s2[:]),
		"{sha512}", hex.EncodeToString(s5[:]), "{md5b64}", b64(m[:]), "{sha1b64}", b64(s1[:]), "{sha256b64}", b64(s2[:]),
		"{sha384b64}", b64(s3[:]), "{sha512b64}", b64(s5[:]), "{blob}", hex.EncodeToString(blob[:]),
		"{b2path}", hexB2[:2]+"/"+hexB2[2:4]+"/"+hexB2[4:], "{b36}", strings.Repeat("0", 31-len(b36))+b36,
		"{cid}", cid.NewCidV1(cid.Raw, mh).String(), "{dagcid}", cid.NewCidV1(cid.DagProtobuf, mh).String(),
		"{parts}", hex.EncodeToString(parts[:]), "{len}", fmt.Sprint(len(tableBody)),
		"{emptyb64}", "47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=",
	).Replace(s)
}

func (s shape) exchange(t *testing.T) verify.Exchange { return s.of(t, tableBody) }

// of is s as it is sent for body.
func (s shape) of(t *testing.T, tableBody []byte) verify.Exchange {
	t.Helper()
	written := func(s string) string { return writtenFor(s, tableBody) }
	x := verify.Exchange{
		Method: http.MethodGet, Status: http.StatusOK, Header: http.Header{}, Length: int64(len(tableBody)),
		At: noon, Authorized: s.auth, PartSize: s.part,
	}
	u := s.url
	if u == "" {
		u = "https://site.test/file"
	}
	x.URL = mustURL(t, written(u))
	if s.method != "" {
		x.Method = s.method
	}
	if s.status != 0 {
		x.Status = s.status
	}
	if s.length != 0 {
		x.Length = s.length
	}
	x.Followed = x.Status == http.StatusFound
	for line := range strings.SplitSeq(written(s.text), "\n") {
		if name, value, ok := strings.Cut(strings.TrimSpace(line), ": "); ok {
			x.Header.Add(textproto.CanonicalMIMEHeaderKey(name), value)
		}
	}
	if s.learn {
		x.Profiles = learnedAt(t, x)
	}
	return x
}

// learnedAt has seen x's place use tags of its kind often enough.
func learnedAt(t *testing.T, x verify.Exchange) *verify.Profiles {
	t.Helper()
	p := &verify.Profiles{}
	for range 8 {
		r := verify.NewRecorder(verify.SHA256, x.Length)
		r.Suppose(p.Guesses(x)...)
		if _, err := r.Write(tableBody); err != nil {
			t.Fatal(err)
		}
		// Guesses that are wrong are barred; what is left is what holds.
		p.Learn(x, r)
	}
	return p
}

// proofs returns what a row says of s that may prove bytes, as "E7 sha-256".
func (s shape) proofs(t *testing.T, row *verify.Row) (out []string) {
	t.Helper()
	if row.Where == verify.InDocument {
		doc, target := mustURL(t, "https://site.test/index"), mustURL(t, "https://site.test/file")
		e, err := verify.Pin(row, doc, target, written(s.value), int64(len(tableBody)), noon)
		if err == nil && proves(t, e, target.String()) {
			out = append(out, e.Level().String()+" "+e.Digest().Algorithm().String())
		}
		return out
	}
	x := s.exchange(t)
	found := verify.Read(x)
	for _, f := range verify.Survey(x) {
		for _, e := range found {
			if f.Row == row && f.Level >= verify.E3 && e.Digest().Algorithm() == f.Alg && proves(t, e, x.URL.String()) {
				out = append(out, f.Level.String()+" "+f.Alg.String())
			}
		}
	}
	return out
}

// proves reports whether e holds for tableBody, and for no other body.
func proves(t *testing.T, e verify.Evidence, url string) bool {
	t.Helper()
	p, err := verify.Admit(verify.Open, mustURL(t, url), []verify.Evidence{e})
	if err != nil {
		return false
	}
	holds := func(body []byte) bool {
		r := p.Recorder()
		_, _ = r.Write(body)
		return r.Matches(p)
	}
	other := slices.Clone(tableBody)
	other[17] ^= 1
	if holds(other) || holds(tableBody[1:]) {
		t.Errorf("%s holds for another body", e.Field())
	}
	return holds(tableBody)
}

// TestSabotageTable: each row proves what it should in the shapes that servers
// send, nothing in those that look alike, and rows of E0 to E2 never do.
func TestSabotageTable(t *testing.T) {
	tested := map[string]bool{}
	positive, negative := map[verify.Level]int{}, map[verify.Level]int{}
	for _, c := range slices.Concat(fieldCases, storeCases, placeCases, tagCases) {
		row := verify.RowNamed(c.row)
		if row == nil || tested[c.row] {
			t.Fatalf("%s: no such row, or twice", c.row)
		}
		tested[c.row] = true
		top := slices.Max(row.Levels)
		for i, s := range c.yes {
			got := s.proofs(t, row)
			switch {
			case c.proves == "" && len(got) == 0 && row.Where != verify.InDocument && !seen(t, s, row):
				t.Errorf("%s: case %d is not seen by the row", c.row, i)
			case c.proves == "" && len(got) > 0, c.proves != "" && !slices.Equal(got, strings.Split(c.proves, ", ")):
				t.Errorf("%s: case %d proves %q, want %q", c.row, i, got, c.proves)
			}
			positive[top]++
		}
		for i, s := range c.no {
			if got := s.proofs(t, row); len(got) > 0 {
				t.Errorf("%s: what must not match, case %d, proves %q", c.row, i, got)
			}
			negative[top]++
		}
		if len(c.yes) == 0 || len(c.no) == 0 {
			t.Errorf("%s: needs a positive and a must-not-match case", c.row)
		}
	}
	levels := map[verify.Level]int{}
	for _, row := range verify.Table() {
		if !tested[row.Source] {
			t.Errorf("%s: not tested", row.Source)
		}
		levels[slices.Max(row.Levels)]++
	}
	t.Logf("%d rows", len(verify.Table()))
	for l := verify.E8; l >= verify.E0; l-- {
		t.Logf("%s: %2d rows, %2d cases that are right, %2d that must not match", l, levels[l], positive[l], negative[l])
	}
}

func seen(t *testing.T, s shape, row *verify.Row) bool {
	t.Helper()
	return slices.ContainsFunc(verify.Survey(s.exchange(t)), func(f verify.Finding) bool { return f.Row == row && f.Level < verify.E3 })
}
