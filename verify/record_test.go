package verify_test

import (
	"encoding/json"
	"errors"
	"io"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/flashcrowd/flashcrowd/verify"
)

// sameEvidence compares all but the clock reading that JSON cannot hold.
func sameEvidence(a, b verify.Evidence) bool {
	return a.Kind() == b.Kind() && a.Level() == b.Level() && a.Digest() == b.Digest() &&
		a.Authority() == b.Authority() && a.At().Equal(b.At())
}

func TestEvidenceRoundTrip(t *testing.T) {
	for _, s := range []string{
		"https://bank.test/x", "http://bank.test:8080/", "https://bank.test:443/a%2Fb?q=%FF&<>#f", "https://[2001:DB8::1]/x",
		"https://[::1]:8443", "https://b\u00fccher.test/\u00fc?\u00fc", "https://bank.test./x?", "https://bank.test//x/../y;z",
		"https://bank.test/\u2028?\u2028", "https://BANK.test:/%7e",
	} {
		u := mustURL(t, s)
		for _, alg := range algorithms {
			d := stdDigest(t, alg, hello)
			all := verify.Read(said(u, d, time.Now()))
			mine, err := verify.Remember(u, d, noon)
			if err != nil || len(all) != 1 {
				t.Fatalf("%s: evidence = %v, %v", s, all, err)
			}
			for _, e := range append(all, mine) {
				b, err := json.Marshal(e)
				if err != nil {
					t.Fatalf("%s: marshal: %v", s, err)
				}
				var again verify.Evidence
				if err := json.Unmarshal(b, &again); err != nil || !sameEvidence(again, e) {
					t.Fatalf("%s: read %s = %v, %v", s, b, again, err)
				}
				p, err := verify.Admit(verify.Open, u, []verify.Evidence{again})
				if err != nil || p.Digest() != d {
					t.Errorf("%s: does not speak for its URL after %s: %v", s, b, err)
				}
			}
		}
	}
}

const record = `{"kind":"repr-digest","level":"E7","alg":"sha-256","digest":"` +
	`ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad","length":3,` +
	`"observed_at":"2026-01-02T12:00:00Z","authority":"https://bank.test:443","url":"https://bank.test/x","source":"Repr-Digest"}`

func TestEvidenceRecord(t *testing.T) {
	want := stated(t, "https://bank.test/x", verify.SHA256, []byte("abc"), 0)
	var got verify.Evidence
	if err := json.Unmarshal([]byte(record), &got); err != nil || !sameEvidence(got, want) {
		t.Errorf("read = %v, %v", got, err)
	}
	if b, err := json.Marshal(want); err != nil || string(b) != record {
		t.Errorf("record = %s, %v", b, err)
	}
}

func TestEvidenceGarbage(t *testing.T) {
	// Each line makes another record of the good one.
	cases := map[string]string{"whole": "", "null": "null", "number": "7", "list": "[]", "object": "{}", "cut": record[:50], "text": `"E7"`}
	for name, change := range map[string][2]string{
		"kind":                {"repr-digest", "x-goog-hash"},
		"source of another":   {`"Repr-Digest"`, `"GCS hash"`},
		"no kind":             {"repr-digest", ""},
		"unknown kind at E0":  {`repr-digest","level":"E7`, `etag","level":"E0`},
		"kind of other level": {"repr-digest", "remembered"},
		"level raised":        {`"E7"`, `"E8"`},
		"level with junk":     {`"E7"`, `"E7 "`},
		"level with sign":     {`"E7"`, `"E+7"`},
		"level with zero":     {`"E7"`, `"E07"`},
		"level out of range":  {`"E7"`, `"E-1"`},
		"level as number":     {`"E7"`, `7`},
		"alg":                 {"sha-256", "md5"},
		"alg of other size":   {"sha-256", "sha-512"},
		"alg in upper case":   {"sha-256", "SHA-256"},
		"digest cut":          {"15ad", "15"},
		"digest with junk":    {"15ad", "15adzz"},
		"digest odd":          {"15ad", "15a"},
		"digest no hex":       {"15ad", "15ag"},
		"negative length":     {`:3,`, `:-1,`},
		"length out of range": {`:3,`, `:9223372036854775808,`},
		"length as text":      {`:3,`, `:"3",`},
		"fractional length":   {`:3,`, `:3.5,`},
		"no time":             {"2026-01-02T12:00:00Z", "noon"},
		"no authority":        {"https://bank.test:443", ""},
		"authority no port":   {"https://bank.test:443", "https://bank.test"},
		"authority with path": {"https://bank.test:443", "https://bank.test:443/"},
		"authority with user": {"https://bank.test:443", "https://u@bank.test:443"},
		"authority scheme":    {"https://bank.test:443", "ftp://bank.test:443"},
		"authority no url":    {"https://bank.test:443", "://"},
		"no url":              {"https://bank.test/x", ""},
		"relative url":        {"https://bank.test/x", "/x"},
		"url not canonical":   {"https://bank.test/x", "https://BANK.test:443/x"},
		"url with fragment":   {"https://bank.test/x", "https://bank.test/x#f"},
		"url with user":       {"https://bank.test/x", "https://u@bank.test/x"},
		"url does not parse":  {"https://bank.test/x", "https://bank.test/%"},
	} {
		if !strings.Contains(record, change[0]) {
			t.Fatalf("%s: record has no %s", name, change[0])
		}
		cases[name] = strings.Replace(record, change[0], change[1], 1)
	}
	for name, s := range cases {
		t.Run(name, func(t *testing.T) {
			e := stated(t, "https://bank.test/x", verify.SHA256, hello, 0)
			before := e
			if err := json.Unmarshal([]byte(s), &e); err == nil {
				t.Errorf("read %s", s)
			}
			if err := e.UnmarshalJSON([]byte(s)); err == nil {
				t.Errorf("read %s", s)
			}
			if e != before {
				t.Error("evidence was changed by garbage")
			}
		})
	}
	if b, err := json.Marshal(verify.Evidence{}); err == nil {
		var e verify.Evidence
		if err := json.Unmarshal(b, &e); err == nil {
			t.Errorf("the zero evidence is evidence after %s", b)
		}
	}
}

// TestRecordOfAnotherAuthority: a record whose URL is not its authority's, as
// no origin's answer makes it, speaks for neither.
func TestRecordOfAnotherAuthority(t *testing.T) {
	var e verify.Evidence
	if err := json.Unmarshal([]byte(strings.Replace(record, "https://bank.test:443", "https://evil.test:443", 1)), &e); err != nil {
		return // refused altogether, which is as good
	}
	for _, s := range []string{"https://bank.test/x", "https://evil.test/x"} {
		if p, err := verify.Admit(verify.Open, mustURL(t, s), []verify.Evidence{e}); p.Valid() || !errors.Is(err, verify.ErrNoEvidence) {
			t.Errorf("speaks for %s", s)
		}
	}
}

func TestLieRoundTrip(t *testing.T) {
	d := stdDigest(t, verify.SHA256, hello)
	mismatch := &verify.MismatchError{Piece: 2, Length: 5, Want: 6, After: []byte{1}}
	fromFit, ok := verify.LieOf("12D3KooWpeer", d, mismatch, noon)
	if !ok {
		t.Fatal("a mismatch is no lie")
	}
	for _, lie := range []verify.Lie{
		fromFit,
		verify.LengthLie("12D3KooWpeer", d, 7, 65536, 5, noon),
		verify.ListLie("12D3KooWpeer", d, [32]byte{1}, [32]byte{2}, noon),
		verify.LengthLie("\"\n\u2028<>", d, 0, -1, 1<<62, noon),
	} {
		var again verify.Lie
		if err := json.Unmarshal([]byte(lie.String()), &again); err != nil || !reflect.DeepEqual(again, lie) {
			t.Errorf("read %s = %+v, %v", lie, again, err)
		}
		if strings.Contains(lie.String(), "\n") || lie.Digest != d.String() || lie.Committed == lie.Sent {
			t.Errorf("lie = %s", lie)
		}
	}
	for _, garbage := range []string{"", "7", `{"piece":"x"}`, `{"at":"noon"}`, "{"} {
		var lie verify.Lie
		if err := json.Unmarshal([]byte(garbage), &lie); err == nil {
			t.Errorf("read %q as a lie", garbage)
		}
	}
}

func TestNoLie(t *testing.T) {
	for _, err := range []error{nil, verify.ErrMalformed, verify.ErrNoEvidence, io.ErrUnexpectedEOF} {
		if lie, ok := verify.LieOf("12D3KooWpeer", verify.Digest{}, err, noon); ok || lie != (verify.Lie{}) {
			t.Errorf("%v makes a liar: %s", err, lie)
		}
	}
}

func TestLieThatJSONCannotHold(t *testing.T) {
	if s := verify.LengthLie("12D3KooWpeer", verify.Digest{}, 0, 1, 2, time.Date(10000, 1, 1, 0, 0, 0, 0, time.UTC)).String(); s != "12D3KooWpeer" {
		t.Errorf("lie = %q", s)
	}
}

func TestMismatchText(t *testing.T) {
	for want, e := range map[string]*verify.MismatchError{
		"verify: piece 2 has 5 octets, want 6":                                {Piece: 2, Length: 5, Want: 6},
		"verify: piece 1 leads to 0102, the state list says 0807060504030201": {Piece: 1, Got: []byte{1, 2}, After: []byte{8, 7, 6, 5, 4, 3, 2, 1, 0}},
	} {
		if e.Error() != want {
			t.Errorf("error = %q, want %q", e, want)
		}
	}
}
