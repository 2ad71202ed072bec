package verify_test

import (
	"bytes"
	"crypto/md5"
	"crypto/sha1"
	"errors"
	"fmt"
	"io"
	"os"
	"testing"
	"time"

	"github.com/flashcrowd/flashcrowd/verify"
)

// seals are the kinds of evidence of the suite: what an origin sends for a body,
// with the digests written as in the table's tests.
var seals = []struct {
	name, url, contentType string
	text                   string
	alg                    verify.Algorithm
}{
	{"repr-digest", "https://site.test/file", "", reprNow, verify.SHA256},
	{"repr-digest sha-512", "https://site.test/file", "", "Repr-Digest: sha-512=:{sha512b64}:", verify.SHA512},
	{"url", "https://registry.test/v2/a/blobs/sha256:{sha256}", "", "", verify.SHA256},
	{"pypi", "https://files.pythonhosted.org/packages/{b2path}/a.whl", "", "", verify.BLAKE2b256},
	{"maven", "https://repo.maven.test/a.jar", "", "x-checksum-sha1: {sha1}", verify.SHA1},
	{"gcs", "https://storage.test/file", "", "x-goog-hash: md5={md5b64}", verify.MD5},
	{"gcs film", "https://storage.test/file", "video/mp4", "x-goog-hash: md5={md5b64}", verify.MD5},
	{"s3", "https://site.test/file", "image/png", s3Plain, verify.MD5},
	{"git blob", "https://huggingface.co/o/m/resolve/main/c.json", "", "ETag: \"{blob}\"\nX-Repo-Commit: a", verify.GitBlob},
	{"remembered", "https://site.test/file", "", "", verify.SHA256},
	{"rails", "https://site.test/file", "image/png", "ETag: W/\"{md5}\"", 0},
	{"azure", "https://site.test/file", "image/png", "x-ms-version: 1\nContent-MD5: {md5b64}", 0},
	{"nginx", "https://site.test/file", "image/png", "ETag: \"65a1b2c3-12c\"", 0},
}

// attacks are what a peer does. The zero of each is honest.
var attacks = []string{"honest", "flipped bit", "other length", "older version", "body of another URL", "collision", "stripped", "contradicting", "false claim", "false list"}

// TestSabotageAdversaries plays ten thousand seeded transfers over policies,
// kinds of evidence and attacks: nothing but the origin's body is ever
// released, an honest peer is never blamed, and each peer that contradicts its
// own word is.
func TestSabotageAdversaries(t *testing.T) {
	begin := time.Now()
	policies := []verify.Policy{verify.Strict, verify.Balanced, verify.Open}
	const transfers = 10_000
	delivered, refused, banned := 0, 0, 0
	played := map[string]bool{}
	for i := range transfers {
		rng := newRand(uint64(i))
		c := &transfer{
			T: t, i: i, seal: i % len(seals), attack: attacks[i/len(seals)%len(attacks)],
			policy: policies[i/len(seals)/len(attacks)%len(policies)],
			body:   bodyOf(200+rng.IntN(400), uint64(i)),
		}
		if i%50 == 0 { // some with several pieces
			c.body = bodyOf(2*piece+rng.IntN(1000), uint64(i))
		}
		if c.attack == "collision" {
			if c.pair = pair(t, seals[c.seal].alg, i, c.body); c.pair[0] != nil {
				c.body, c.alone = c.pair[0], i%2 == 0
			}
		}
		c.front = rng.IntN(len(c.body)/2) * rng.IntN(4) / 3
		played[fmt.Sprint(c.policy, c.seal, c.attack)] = true
		switch got, blamed := c.run(); {
		case got != nil && !bytes.Equal(got, c.body):
			t.Errorf("%s: wrong octets were released", c)
		case blamed != c.lies():
			t.Errorf("%s: blamed = %v", c, blamed)
		case got == nil && c.attack == "honest" && c.mustProve():
			t.Errorf("%s: an honest peer was not believed", c)
		default:
			if got != nil {
				delivered++
			} else {
				refused++
			}
			if blamed {
				banned++
			}
		}
	}
	t.Logf("%d transfers over %d combinations in %v: %d bodies proven, %d left to the origin, %d liars named",
		transfers, len(played), time.Since(begin).Round(time.Millisecond), delivered, refused, banned)
	if want := len(policies) * len(seals) * len(attacks); len(played) != want {
		t.Errorf("%d of %d combinations were played", len(played), want)
	}
	if delivered == 0 || refused == 0 || banned == 0 {
		t.Error("the suite does not exercise anything")
	}
}

type transfer struct {
	*testing.T
	i      int
	seal   int
	attack string
	policy verify.Policy
	body   []byte
	front  int
	proven bool
	pair   [2][]byte // body, and what its uploader gave to peers
	alone  bool      // nobody else is in the crowd
}

func (c *transfer) String() string {
	return fmt.Sprintf("transfer %d, %s, %s, %s", c.i, c.policy, seals[c.seal].name, c.attack)
}

// evidence is what this node found for the body in question.
func (c *transfer) evidence() (verify.Case, []verify.Evidence) {
	s, of := seals[c.seal], c.body
	x := shape{url: s.url, text: s.text}.of(c.T, of)
	target := verify.Case{URL: x.URL, ContentType: s.contentType}
	found := verify.Read(x)
	if s.name == "remembered" {
		e, err := verify.Remember(x.URL, stdDigest(c.T, verify.SHA256, of), noon)
		if err != nil {
			c.Fatal(err)
		}
		found = append(found, e)
	}
	switch c.attack {
	case "stripped":
		found = nil
	case "contradicting":
		// The same fields again, with what they would say of another body.
		text := s.text
		if s.name == "url" {
			text = reprNow
		}
		other := shape{url: x.URL.String(), text: text}.of(c.T, c.other())
		for name, v := range other.Header {
			x.Header[name] = append(x.Header[name], v...)
		}
		if s.name != "remembered" {
			found = verify.Read(x)
		}
	case "body of another URL":
		// Evidence for the peer's body is there, of another origin.
		evil := shape{url: "https://evil.test/file", text: reprNow}.of(c.T, c.other())
		found = append(found, verify.Read(evil)...)
	}
	return target, found
}

// other is a body of the same length that is not the one.
func (c *transfer) other() []byte {
	b := bodyOf(len(c.body), uint64(c.i)^0x8000)
	return b
}

// sent is what the peer has for the body, and claims to have.
func (c *transfer) sent() []byte {
	switch c.attack {
	case "other length":
		return c.body[:len(c.body)-1]
	case "older version", "body of another URL", "contradicting", "false claim":
		return c.other()
	case "collision":
		if c.pair[1] != nil {
			return c.pair[1]
		}
		b := bytes.Clone(c.body) // as near as anybody comes
		b[0] ^= 0x80
		return b
	}
	return c.body
}

// lies reports whether the peer contradicts its own word.
func (c *transfer) lies() bool {
	if !c.proven {
		return false
	}
	switch c.attack {
	case "collision": // a body that an attack made has no digest, whoever says so
		return c.pair[1] == nil || c.alone
	case "flipped bit", "other length", "older version", "body of another URL", "false claim", "false list":
		return true
	}
	return false
}

func (c *transfer) mustProve() bool {
	s := seals[c.seal]
	strong := s.alg.Strong() && s.alg != 0
	return c.policy == verify.Open && s.alg != 0 || strong && (c.policy == verify.Balanced || s.name != "remembered")
}

// run returns what is released of the peer's body behind the origin's front,
// and whether the peer was caught at a lie. For an origin that contradicts
// itself nobody is to blame.
func (c *transfer) run() (released []byte, blamed bool) {
	target, found := c.evidence()
	proof, err := verify.AdmitFor(c.policy, target, found)
	if err != nil {
		return nil, false
	}
	c.proven = true
	if c.attack == "contradicting" {
		// Nothing in fields contradicts this kind: the peer sends the other
		// body all the same.
		c.attack = "older version"
	}
	d, sent := proof.Digest(), c.sent()
	r := verify.NewRecorder(listing(d.Algorithm()), int64(len(sent)))
	_, _ = r.Write(sent)
	raw := verify.ListFor(d, r.Whole())
	if int64(len(sent)) != d.Length() { // its list is that of the true length
		good := verify.NewRecorder(listing(d.Algorithm()), d.Length())
		_, _ = good.Write(c.body)
		raw = verify.ListFor(d, good.Whole())
	}
	if c.attack == "false list" {
		if len(raw) == 0 {
			c.attack = "honest" // a list without borders cannot be false
			return c.run()
		}
		raw[0] ^= 1
	}
	list, err := verify.ParseStateList(d, raw)
	if err != nil {
		return nil, true
	}
	if c.attack == "collision" && c.pair[1] != nil && !c.alone && list.Claim() != c.honestClaim(proof) {
		return nil, false // two bodies under one digest: an alarm, and the origin
	}
	return c.take(proof, list, sent)
}

// honestClaim is what another member says who has the origin's body.
func (c *transfer) honestClaim(proof verify.Proof) verify.Digest {
	r := proof.Recorder()
	_, _ = r.Write(c.body)
	list, err := verify.ParseStateList(proof.Digest(), verify.ListFor(proof.Digest(), r.Whole()))
	if err != nil {
		c.Fatal(err)
	}
	return list.Claim()
}

// take lets the pieces of sent be judged against list.
func (c *transfer) take(proof verify.Proof, list *verify.StateList, sent []byte) ([]byte, bool) {
	chain, err := verify.NewChain(proof, list)
	if err != nil {
		c.Fatal(err)
	}
	layout := list.Layout()
	got := bytes.Clone(c.body[:c.front])
	for i := layout.Pieces() - 1; i >= 0; i-- {
		p := bytes.Clone(sent[layout.Offset(i):min(layout.Offset(i+1), int64(len(sent)))])
		if c.attack == "flipped bit" {
			p[c.i%len(p)] ^= 1 << (c.i % 8)
		}
		if err := chain.Fit(i, p); err != nil {
			if !errors.As(err, new(*verify.MismatchError)) {
				c.Fatal(err)
			}
			return nil, true
		}
	}
	got = append(got, sent[min(c.front, len(sent)):]...)
	front := proof.Recorder()
	if !chain.NeedsWhole() {
		// Every piece is proven by itself; what the peer sent is the body.
		if chain.Closed() != 0 {
			return nil, false
		}
		return append(bytes.Clone(c.body[:c.front]), sent[c.front:]...), false
	}
	ahead, err := front.Ahead(io.MultiReader(bytes.NewReader(got)))
	if err != nil {
		return nil, false
	}
	if _, err := verify.WholeOf(ahead, chain); err != nil {
		whole, err := front.Ahead(bytes.NewReader(sent))
		return nil, err == nil && chain.ClaimIs(whole) && !whole.Matches(proof)
	}
	return got, false
}

func listing(a verify.Algorithm) verify.Algorithm {
	if a.Lists() {
		return a
	}
	return verify.SHA256
}

// pair returns two bodies of one digest with the same continuation, nil where
// nobody has published any; of the kinds of MD5 the one after the other.
func pair(t *testing.T, alg verify.Algorithm, i int, rest []byte) (two [2][]byte) {
	t.Helper()
	switch alg {
	case verify.MD5:
		kinds := []string{"", "-fastcoll", "-unicoll", "-oneblock"}
		two = md5Pair(t, kinds[i%len(kinds)])
	case verify.SHA1:
		two = sha1Pair(t)
	default:
		return two
	}
	for n := range two {
		two[n] = append(two[n], rest...)
	}
	return two
}

func sha1Pair(t *testing.T) (two [2][]byte) {
	t.Helper()
	for i := range two {
		b, err := os.ReadFile(fmt.Sprintf("testdata/collision/sha1-%d.bin", i+1))
		if err != nil {
			t.Fatal(err)
		}
		two[i] = b
	}
	return two
}

// TestLyingCollision: an uploader put one body of a real pair on the site, and
// peers send the other. SHA-1 refuses both, whole or cut anywhere; so does MD5
// (TestLyingMD5Pairs), which is believed only where the policy says so, and two
// claims under a pair that is not found differ.
func TestLyingCollision(t *testing.T) {
	two := md5Pair(t, "-unfound")
	a, b := two[0], two[1]
	if bytes.Equal(a, b) || md5.Sum(a) != md5.Sum(b) {
		t.Fatal("no pair")
	}
	x := shape{text: "x-goog-hash: md5={md5b64}"}.of(t, a)
	for _, policy := range []verify.Policy{verify.Strict, verify.Balanced} {
		if p, err := verify.AdmitFor(policy, verify.Case{URL: x.URL, ContentType: "application/pdf"}, verify.Read(x)); err == nil {
			t.Errorf("%s believes %s of a PDF", policy, p.Evidence().Field())
		}
	}
	p, err := verify.Admit(verify.Open, x.URL, verify.Read(x))
	if err != nil {
		t.Fatal(err)
	}
	var claims []verify.Digest
	for _, body := range [][]byte{a, b} {
		r := p.Recorder()
		_, _ = r.Write(body)
		list, err := verify.ParseStateList(p.Digest(), verify.ListFor(p.Digest(), r.Whole()))
		if err != nil {
			t.Fatal(err)
		}
		claims = append(claims, list.Claim())
	}
	if claims[0] == claims[1] {
		t.Error("nobody can see that two bodies claim one MD5")
	}
	two = pair(t, verify.SHA1, 0, bodyOf(3*piece, 1))
	if bytes.Equal(two[0], two[1]) || sha1.Sum(two[0]) != sha1.Sum(two[1]) {
		t.Fatal("no pair")
	}
	x = shape{text: "x-checksum-sha1: {sha1}"}.of(t, two[0])
	p, err = verify.Admit(verify.Open, x.URL, verify.Read(x))
	if err != nil {
		t.Fatal(err)
	}
	for _, body := range two {
		for cut := 0; cut <= 2*piece; cut += piece / 2 { // across the marks and the ends of pieces
			r := p.Recorder()
			_, _ = r.Write(body[:cut])
			if r, err = r.Ahead(bytes.NewReader(body[cut:])); err != nil || r.Matches(p) {
				t.Errorf("cut at %d: SHA-1 believes a body that a collision attack made: %v", cut, err)
			}
		}
	}
}
