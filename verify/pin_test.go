package verify_test

import (
	"errors"
	"testing"
	"time"

	"github.com/flashcrowd/flashcrowd/verify"
)

// pinned is what document says of target by a row of the table; value is
// written for body.
func pinned(t *testing.T, row, document, target, value string, body []byte, at time.Time) verify.Evidence {
	t.Helper()
	e, err := verify.Pin(verify.RowNamed(row), mustURL(t, document), mustURL(t, target), writtenFor(value, body), int64(len(body)), at)
	if err != nil {
		t.Fatal(err)
	}
	return e
}

// forms are the ways in which a document states the digest of another URL.
var forms = map[string][2]string{
	"SRI":      {"Subresource Integrity", "sha384-{sha384b64}"},
	"Metalink": {"Metalink", `<hash type="sha-256">{sha256}</hash>`},
	"simple":   {"PyPI simple index", "#sha256={sha256}"},
	"npm":      {"npm integrity", "sha512-{sha512b64}"},
}

// TestLyingDocument: evil.test's page pins bank.test's script to evil.test's
// octets. Nobody believes it but the page itself.
func TestLyingDocument(t *testing.T) {
	const script, page = "https://bank.test/app.js", "https://evil.test/index.html"
	evil, err := verify.AuthorityOf(mustURL(t, page))
	if err != nil {
		t.Fatal(err)
	}
	bank, err := verify.AuthorityOf(mustURL(t, script))
	if err != nil {
		t.Fatal(err)
	}
	for name, form := range forms {
		e := pinned(t, form[0], page, script, form[1], bodyOf(300, 66), noon)
		for who, c := range map[string]verify.Case{
			"nobody's":     {URL: mustURL(t, script)},
			"bank.test's":  {URL: mustURL(t, script), Document: bank},
			"another URL":  {URL: mustURL(t, "https://bank.test/other.js"), Document: evil},
			"another host": {URL: mustURL(t, "https://shop.test/app.js"), Document: evil},
			"http":         {URL: mustURL(t, "http://bank.test/app.js"), Document: evil},
		} {
			if p, err := verify.AdmitFor(verify.Open, c, []verify.Evidence{e}); !errors.Is(err, verify.ErrNoEvidence) {
				t.Errorf("%s, %s request: believed: %s", name, who, p.Evidence().Field())
			}
		}
		tied := verify.Case{URL: mustURL(t, script), Document: evil}
		if _, err := verify.AdmitFor(verify.Open, tied, []verify.Evidence{e}); err != nil {
			t.Errorf("%s: the page's own request: %v", name, err)
		}
		// Not even that against what bank.test says now.
		now := verify.Read(said(tied.URL, stdDigest(t, verify.SHA256, bodyOf(299, 1)), noon.Add(time.Second)))
		p, err := verify.AdmitFor(verify.Open, tied, append(now, e))
		if err != nil || p.Evidence().Authority() != bank {
			t.Errorf("%s: stands against the origin's current word: %v, %v", name, p.Evidence().Field(), err)
		}
	}
}

// TestSabotagePairs: what one operator's index says of the files on its other host
// holds for everybody, and for no host that is called alike.
func TestSabotagePairs(t *testing.T) {
	body := bodyOf(300, 67)
	for _, c := range []struct {
		document, target string
		want             bool
	}{
		{"https://pypi.org/simple/a/", "https://files.pythonhosted.org/packages/a.whl", true},
		{"https://index.crates.io/a/b", "https://static.crates.io/crates/a.crate", true},
		{"https://example.org/index", "https://example.org/file", true},
		{"http://pypi.org/simple/a/", "https://files.pythonhosted.org/packages/a.whl", false},
		{"https://pypi.org:8443/simple/a/", "https://files.pythonhosted.org/packages/a.whl", false},
		{"https://pypi.org.evil.test/simple/a/", "https://files.pythonhosted.org/packages/a.whl", false},
		{"https://files.pythonhosted.org/x", "https://pypi.org/simple/a/", false},
		{"https://pypi.org/simple/a/", "https://static.crates.io/crates/a.crate", false},
		{"http://example.org/index", "https://example.org/file", false},
		{"http://example.org/index", "http://example.org:8080/file", true}, // as little worth as the file itself
		{"https://example.org/index", "https://example.org:8443/file", false},
	} {
		e := pinned(t, "PyPI simple index", c.document, c.target, "#sha256={sha256}", body, noon)
		if _, err := verify.Admit(verify.Balanced, mustURL(t, c.target), []verify.Evidence{e}); (err == nil) != c.want {
			t.Errorf("%s pins %s: %v", c.document, c.target, err)
		}
	}
}

// TestCurrentWord: what an origin says now overrules its own pins and what is
// remembered of it, but only where they contradict; a weaker word of its own
// never stands in for a stronger one.
func TestCurrentWord(t *testing.T) {
	u := mustURL(t, "https://site.test/file")
	old, new := bodyOf(300, 1), bodyOf(300, 2)
	remembered, err := verify.Remember(u, stdDigest(t, verify.SHA256, old), noon)
	if err != nil {
		t.Fatal(err)
	}
	pin := pinned(t, "Subresource Integrity", "https://site.test/", u.String(), "sha256-{sha256b64}", old, noon)
	for name, before := range map[string]verify.Evidence{"remembered": remembered, "pin": pin} {
		later := verify.Read(said(u, stdDigest(t, verify.SHA256, new), noon.Add(time.Second)))
		p, err := verify.Admit(verify.Strict, u, append(later, before))
		if err != nil || p.Digest() != stdDigest(t, verify.SHA256, new) {
			t.Errorf("%s: %v, %v", name, p.Digest(), err)
		}
		weak := shape{text: "x-checksum-md5: {md5}"}.of(t, new)
		weak.At = noon.Add(time.Second)
		p, err = verify.Admit(verify.Open, u, append(verify.Read(weak), before))
		if err != nil || p.Digest().Algorithm() != verify.SHA256 {
			t.Errorf("%s: MD5 in place of it: %v, %v", name, p.Digest(), err)
		}
	}
	// What the policy refuses of the strongest is not made up for by a weaker.
	both := shape{url: "http://site.test/file", text: reprNow + "\nx-checksum-sha1: {sha1}"}
	if _, err := verify.Admit(verify.Strict, mustURL(t, "http://site.test/file"), verify.Read(both.of(t, new))); !errors.Is(err, verify.ErrNoEvidence) {
		t.Errorf("strict over http: %v", err)
	}
}
