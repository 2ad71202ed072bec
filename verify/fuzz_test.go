package verify_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/flashcrowd/flashcrowd/verify"
)

// FuzzRead: whatever an origin sends, reading it does not panic, and a digest
// that comes out is well-formed, stands in the fields, speaks for its URL and
// can be kept.
func FuzzRead(f *testing.F) {
	f.Add("https://bank.test/x", "GET", 200, int64(17), sf("sha-256", a256), sf("sha-256", a256), "SHA-256="+a256, "")
	f.Add("https://bank.test:443/?q", "HEAD", 200, int64(0), sf("sha-512", a512, "md5", "AA=="), "", "MD5=AA==, sha-512="+a512, "gzip")
	f.Add("http://[::1]/", "GET", 206, int64(1<<62), sf("sha-256", a256, "sha-256", b256), sf("sha-256", b256), "sha-256=", "")
	f.Add("https://b\u0130ng.test/", "GET", 200, int64(-1), "sha-256=:=:", `x="a, sha-256=:`+a256+`:"`, "=,=", "identity")
	f.Add("//", "POST", 304, int64(5), "sha-256;a;b=?1, x=(:AA==: 1.5);c", "sha-256=%\"f%c3%bc\"", "sha-256=\n"+a256, "\n")
	f.Fuzz(func(t *testing.T, rawURL, method string, status int, length int64, repr, content, legacy, coding string) {
		u, err := url.Parse(rawURL)
		if err != nil {
			return
		}
		h := http.Header{
			"Repr-Digest": strings.Split(repr, "\n"), "Content-Digest": strings.Split(content, "\n"),
			"Digest": {legacy}, "Content-Encoding": strings.Split(coding, "\n"),
		}
		found := verify.Read(verify.Exchange{URL: u, Method: method, Status: status, Header: h, Length: length, At: noon})
		if len(found) > len(algorithms) {
			t.Fatalf("found = %v", found)
		}
		seen := map[verify.Algorithm]bool{}
		text := strings.NewReplacer("\n", "", "\r", "").Replace(repr + " " + content + " " + legacy)
		for _, e := range found {
			d := e.Digest()
			if len(d.Sum()) != d.Algorithm().Size() || len(d.Sum()) == 0 || d.Length() != length || seen[d.Algorithm()] {
				t.Fatalf("digest = %s", d)
			}
			seen[d.Algorithm()] = true
			if b := b64(d.Sum()); !strings.Contains(text, b[:len(b)-4]) { // the last quantum has spare bits
				t.Fatalf("digest %s was never stated", b)
			}
			p, err := verify.Admit(verify.Open, u, []verify.Evidence{e})
			if err != nil || p.Digest() != d {
				t.Fatalf("evidence does not speak for its own URL: %v", err)
			}
			roundTrip(t, e)
		}
	})
}

func roundTrip(t *testing.T, e verify.Evidence) {
	t.Helper()
	b, err := json.Marshal(e)
	if err != nil {
		t.Fatalf("marshal: %v", err)
	}
	var again verify.Evidence
	if err := json.Unmarshal(b, &again); err != nil || !sameEvidence(again, e) {
		t.Fatalf("read %s = %v, %v", b, again, err)
	}
	if twice, err := json.Marshal(again); err != nil || !bytes.Equal(twice, b) {
		t.Fatalf("marshal again = %s, want %s: %v", twice, b, err)
	}
}

// FuzzEvidenceJSON: a damaged record is an error, or evidence that is as good
// as any: well-formed, of a known level, speaking only where authority and URL
// agree.
func FuzzEvidenceJSON(f *testing.F) {
	f.Add([]byte(record))
	f.Add([]byte(strings.Replace(record, "repr-digest\",\"level\":\"E7", "remembered\",\"level\":\"E6", 1)))
	f.Add([]byte(strings.ReplaceAll(record, "bank.test", "[::1]")))
	f.Add([]byte("null"))
	f.Add([]byte(`{"kind":"repr-digest","level":"E7","url":"//"}`))
	f.Fuzz(func(t *testing.T, b []byte) {
		var e verify.Evidence
		if err := json.Unmarshal(b, &e); err != nil {
			if e != (verify.Evidence{}) {
				t.Fatalf("garbage left %v", e)
			}
			return
		}
		if e.Digest().IsZero() || len(e.Digest().Sum()) != e.Digest().Algorithm().Size() || e.Level() != verify.E6 && e.Level() != verify.E7 {
			t.Fatalf("evidence = %s of %s", e.Field(), e.Digest())
		}
		roundTrip(t, e)
		evil := mustURL(t, "https://evil.test/x")
		if p, err := verify.Admit(verify.Open, evil, []verify.Evidence{e}); err == nil && p.Evidence().Authority().String() != "https://evil.test:443" {
			t.Fatal("speaks for another authority")
		}
	})
}

// FuzzStateList: a list is a stranger's octets. True and false pieces are held
// against it; nothing may be proven but true ones, however they agree with the
// list.
func FuzzStateList(f *testing.F) {
	body := bodyOf(3*piece+5, 50)
	truth := map[bool][]byte{}
	for _, long := range []bool{false, true} {
		truth[long] = wholeOf(f, algorithms[indexOf(long)], body).States
		f.Add(long, int64(len(body)), truth[long], body[3*piece:], byte(3))
		f.Add(long, int64(len(body)), bodyOf(len(truth[long]), 1), body[3*piece:], byte(3))
		f.Add(long, int64(len(body)), flipped(truth[long], 0), []byte("false"), byte(3))
	}
	f.Add(false, int64(0), []byte(nil), []byte(nil), byte(0))
	f.Add(false, int64(1), []byte(nil), []byte("x"), byte(0))
	f.Add(true, int64(1<<63-1), []byte("list"), []byte("x"), byte(255))
	f.Fuzz(func(t *testing.T, long bool, length int64, raw, p []byte, index byte) {
		alg := algorithms[indexOf(long)]
		d, err := verify.NewDigest(alg, stdSum(alg, body), length)
		if err != nil {
			return
		}
		list, err := verify.ParseStateList(d, raw)
		if err != nil {
			if !errors.Is(err, verify.ErrMalformed) {
				t.Fatalf("error = %v", err)
			}
			return
		}
		if !bytes.Equal(list.Bytes(), raw) || len(raw) > verify.MaxStateList || len(raw) != d.Layout().Borders()*alg.Size() {
			t.Fatalf("list of %d octets for %d borders", len(raw), d.Layout().Borders())
		}
		c, err := verify.NewChain(proofOf(t, d), list)
		if err != nil {
			t.Fatalf("chain: %v", err)
		}
		fitErr := c.Fit(int(index), p)
		if verify.Credulous {
			return
		}
		if l := d.Layout(); fitErr == nil && length == int64(len(body)) && int(index) == l.Pieces()-1 && !bytes.Equal(p, body[l.Offset(int(index)):]) {
			t.Fatalf("a false last piece is proven: %x", p)
		}
		if length != int64(len(body)) {
			if n := d.Layout().Pieces(); c.Closed() != n {
				t.Fatalf("closed = %d of %d under a digest that is bound to a false length", c.Closed(), n)
			}
			return
		}
		checkTruth(t, c, body, raw, truth[long], alg.Size())
	})
}

func indexOf(long bool) int {
	if long {
		return 1
	}
	return 0
}

// checkTruth feeds body's pieces to c: they are proven from the end up to the
// first border at which raw differs from the truth.
func checkTruth(t *testing.T, c *verify.Chain, body, raw, truth []byte, size int) {
	t.Helper()
	pieces := cut(body)
	for i, p := range pieces {
		_ = c.Fit(i, p)
	}
	want := 0
	for b := len(pieces) - 2; b >= 0; b-- {
		if !bytes.Equal(raw[b*size:][:size], truth[b*size:][:size]) {
			want = b + 2
			break
		}
	}
	if c.Closed() != want {
		t.Fatalf("closed = %d, want %d", c.Closed(), want)
	}
}
