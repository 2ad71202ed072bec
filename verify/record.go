package verify

import (
	"encoding/hex"
	"encoding/json"
	"fmt"
	"net/url"
	"slices"
	"time"
)

type evidenceJSON struct {
	Kind       Kind      `json:"kind"`
	Level      string    `json:"level"`
	Alg        string    `json:"alg"`
	Digest     string    `json:"digest"` // lower-case hexadecimal
	Length     int64     `json:"length"`
	ObservedAt time.Time `json:"observed_at"`
	Authority  string    `json:"authority"`
	URL        string    `json:"url,omitempty"`
	Source     string    `json:"source,omitempty"`
}

// MarshalJSON writes {kind, level, alg, digest, length, observed_at,
// authority, url, source}.
func (e Evidence) MarshalJSON() ([]byte, error) {
	return json.Marshal(evidenceJSON{
		e.kind, e.level.String(), e.digest.alg.String(), hex.EncodeToString([]byte(e.digest.sum)),
		e.digest.length, e.at, e.authority.String(), e.subject, e.source,
	})
}

// UnmarshalJSON reads what MarshalJSON wrote, from this node's own disk and
// nowhere else. Anything that MarshalJSON cannot have written is an error, and
// then e is unchanged.
func (e *Evidence) UnmarshalJSON(b []byte) error {
	var j evidenceJSON
	if err := json.Unmarshal(b, &j); err != nil {
		return fmt.Errorf("verify: evidence: %w", err)
	}
	alg, known := algorithmNamed(j.Alg)
	sum, err := hex.DecodeString(j.Digest)
	if !known || err != nil {
		return fmt.Errorf("%w: evidence digest", ErrMalformed)
	}
	level, known := levelNamed(j.Level)
	if !known || !canBe(j.Kind, level, alg, j.Source) {
		return fmt.Errorf("%w: evidence kind %q of level %q by %s", ErrMalformed, j.Kind, j.Level, alg)
	}
	d, err := NewDigest(alg, sum, j.Length)
	if err != nil {
		return err
	}
	a, err := parseAuthority(j.Authority)
	if err != nil {
		return err
	}
	if err := checkSubject(j.URL); err != nil {
		return err
	}
	*e = Evidence{j.Kind, level, d, a, j.URL, j.ObservedAt, j.Source}
	return nil
}

func levelNamed(s string) (Level, bool) {
	for l := E0; l <= E8; l++ {
		if l.String() == s {
			return l, true
		}
	}
	return 0, false
}

// canBe reports whether this package makes such evidence. Records of before
// there was a table name no row.
func canBe(kind Kind, level Level, alg Algorithm, source string) bool {
	if kind == Remembered {
		return level == E6 && level.may(alg) && source == ""
	}
	return level.may(alg) && slices.ContainsFunc(table, func(r *Row) bool {
		return r.kind == kind && slices.Contains(r.Levels, level) && (source == "" || source == r.Source)
	})
}

// parseAuthority reads what Authority.String wrote.
func parseAuthority(s string) (Authority, error) {
	u, err := url.Parse(s)
	if err != nil {
		return Authority{}, fmt.Errorf("%w: evidence authority", ErrMalformed)
	}
	a, err := AuthorityOf(u)
	if err != nil {
		return Authority{}, err
	}
	if a.String() != s {
		return Authority{}, fmt.Errorf("%w: evidence authority", ErrMalformed)
	}
	return a, nil
}

// checkSubject fails unless s is what subjectOf returns for some URL.
func checkSubject(s string) error {
	u, err := url.Parse(s)
	if err != nil {
		return fmt.Errorf("%w: evidence url", ErrMalformed)
	}
	if _, subject, err := subjectOf(u); err != nil || subject != s {
		return fmt.Errorf("%w: evidence url", ErrMalformed)
	}
	return nil
}
