package verify_test

import (
	"errors"
	"slices"
	"testing"
	"time"

	"github.com/flashcrowd/flashcrowd/verify"
)

// stated and remembered are evidence of u for the body, made at noon plus age.
func stated(t *testing.T, u string, alg verify.Algorithm, body []byte, age time.Duration) verify.Evidence {
	t.Helper()
	found := verify.Read(said(mustURL(t, u), stdDigest(t, alg, body), noon.Add(age)))
	if len(found) != 1 {
		t.Fatalf("read = %v", found)
	}
	return found[0]
}

func remembered(t *testing.T, u string, body []byte, age time.Duration) verify.Evidence {
	t.Helper()
	e, err := verify.Remember(mustURL(t, u), stdDigest(t, verify.SHA256, body), noon.Add(age))
	if err != nil {
		t.Fatal(err)
	}
	return e
}

func TestRememberNothing(t *testing.T) {
	if e, err := verify.Remember(mustURL(t, "https://bank.test/x"), verify.Digest{}, noon); !errors.Is(err, verify.ErrMalformed) {
		t.Errorf("remember no digest = %v, %v", e, err)
	}
}

func TestPolicies(t *testing.T) {
	const secure, plain = "https://bank.test/x", "http://bank.test/x"
	found := map[string]verify.Evidence{
		"E7 https": stated(t, secure, verify.SHA256, hello, 0),
		"E7 http":  stated(t, plain, verify.SHA256, hello, 0),
		"E6 https": remembered(t, secure, hello, 0),
		"E6 http":  remembered(t, plain, hello, 0),
		"none":     {},
	}
	all := []string{"E7 https", "E7 http", "E6 https", "E6 http"}
	for policy, admitted := range map[verify.Policy][]string{
		verify.Strict:   {"E7 https"},
		verify.Balanced: all,
		verify.Open:     all,
		"":              all,
		"Strict":        nil,
		"strickt":       nil,
	} {
		for name, e := range found {
			want := slices.Contains(admitted, name)
			if policy.Admits(e, verify.Case{}) != want {
				t.Errorf("policy %q admits %s = %v", policy, name, !want)
			}
			for _, u := range []string{secure, plain} {
				p, err := verify.Admit(policy, mustURL(t, u), []verify.Evidence{e})
				speaks := want && e == found[name[:2]+map[string]string{secure: " https", plain: " http"}[u]]
				if p.Valid() != speaks || (err == nil) != speaks || !speaks && !errors.Is(err, verify.ErrNoEvidence) {
					t.Errorf("policy %q, %s for %s: valid = %v, error = %v", policy, name, u, p.Valid(), err)
				}
				if speaks && (p.Evidence() != e || p.Digest() != e.Digest()) {
					t.Errorf("policy %q, %s for %s: proof rests on %v", policy, name, u, p.Evidence())
				}
			}
		}
	}
}

// TestAdmitTakesTheStrongest whatever the order it comes in, of equal ones the
// latest, and never a weaker one in its stead.
func TestAdmitTakesTheStrongest(t *testing.T) {
	const u, plain = "https://bank.test/x", "http://bank.test/x"
	now := stated(t, u, verify.SHA256, hello, time.Hour)
	sha512 := stated(t, u, verify.SHA512, hello, time.Hour)
	before := stated(t, u, verify.SHA256, other, 0)
	foreign := stated(t, "https://evil.test/x", verify.SHA256, other, 2*time.Hour)
	mine := remembered(t, u, other, 3*time.Hour)
	contrary := stated(t, u, verify.SHA256, other, time.Hour)
	longer := stated(t, u, verify.SHA512, append(other, '!'), time.Hour)
	for _, c := range []struct {
		name   string
		policy verify.Policy
		target string
		found  []verify.Evidence
		want   verify.Evidence // zero: refused
	}{
		{"nothing", verify.Open, u, nil, verify.Evidence{}},
		{"only foreign", verify.Open, u, []verify.Evidence{foreign, {}}, verify.Evidence{}},
		{"stated over remembered", verify.Balanced, u, []verify.Evidence{mine, now, foreign, {}}, now},
		{"current over former", verify.Balanced, u, []verify.Evidence{before, now, mine}, now},
		{"contradiction", verify.Open, u, []verify.Evidence{now, contrary}, verify.Evidence{}},
		{"contradiction, and weaker agreement", verify.Open, u, []verify.Evidence{now, contrary, mine}, verify.Evidence{}},
		{"former contradiction", verify.Open, u, []verify.Evidence{before, stated(t, u, verify.SHA256, hello, 0), now}, now},
		{"contradiction of lengths", verify.Open, u, []verify.Evidence{now, longer}, verify.Evidence{}},
		{"same again", verify.Open, u, []verify.Evidence{now, now}, now},
		{"strict refuses the strongest", verify.Strict, plain, []verify.Evidence{
			stated(t, plain, verify.SHA256, hello, 0), remembered(t, plain, hello, 0),
		}, verify.Evidence{}},
	} {
		t.Run(c.name, func(t *testing.T) {
			for range c.found {
				p, err := verify.Admit(c.policy, mustURL(t, c.target), c.found)
				if p.Evidence() != c.want || (err == nil) == c.want.Digest().IsZero() {
					t.Errorf("order %v: proof by %s, error = %v", c.found, p.Evidence().Digest(), err)
				}
				c.found = append(c.found[1:], c.found[0])
			}
		})
	}
	p, err := verify.Admit(verify.Strict, mustURL(t, u), []verify.Evidence{now, sha512})
	if err != nil || p.Digest().Algorithm() != verify.SHA256 {
		t.Errorf("of two that agree the first: %s, %v", p.Digest(), err)
	}
}
