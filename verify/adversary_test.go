package verify_test

import (
	"bytes"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
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
		c.front = rng.IntN(len(c.body) / 2)
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
	t.Logf("%d transfers in %v: %d bodies proven, %d left to the origin, %d liars named", transfers, time.Since(begin).Round(time.Millisecond), delivered, refused, banned)
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
		b := bytes.Clone(c.body)
		copy(b, collides(b))
		return b
	}
	return c.body
}

// collides returns the start of a body that does not have the digest, as far as
// anybody can make one without a real collision (TestCollisions has those).
func collides(b []byte) []byte { return []byte{b[0] ^ 0x80} }

// lies reports whether the peer contradicts its own word.
func (c *transfer) lies() bool {
	if !c.proven {
		return false
	}
	switch c.attack {
	case "flipped bit", "other length", "older version", "body of another URL", "collision", "false claim", "false list":
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
	return c.take(proof, list, sent)
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
		return nil, err == nil && chain.ClaimIs(whole)
	}
	return got, false
}

func listing(a verify.Algorithm) verify.Algorithm {
	if a.Lists() {
		return a
	}
	return verify.SHA256
}

// md5Pair is the pair of Wang and Yu: one MD5, two inputs.
var md5Pair = [2]string{
	"d131dd02c5e6eec4693d9a0698aff95c2fcab58712467eab4004583eb8fb7f8955ad340609f4b30283e488832571415a085125e8f7cdc99fd91dbdf280373c5bd8823e3156348f5bae6dacd436c919c6dd53e2b487da03fd02396306d248cda0e99f33420f577ee8ce54b67080a80d1ec69821bcb6a8839396f9652b6ff72a70",
	"d131dd02c5e6eec4693d9a0698aff95c2fcab50712467eab4004583eb8fb7f8955ad340609f4b30283e4888325f1415a085125e8f7cdc99fd91dbd7280373c5bd8823e3156348f5bae6dacd436c919c6dd53e23487da03fd02396306d248cda0e99f33420f577ee8ce54b67080280d1ec69821bcb6a8839396f965ab6ff72a70",
}

// TestLyingCollision: an uploader put one body of a real pair on the site, and
// peers send the other. SHA-1 refuses both, whole or cut anywhere; MD5 is
// believed only where the policy says so, and two claims under it differ.
func TestLyingCollision(t *testing.T) {
	a, err := hex.DecodeString(md5Pair[0])
	b, err2 := hex.DecodeString(md5Pair[1])
	if err != nil || err2 != nil || bytes.Equal(a, b) || !bytes.Equal(md5Of(a), md5Of(b)) {
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
}
