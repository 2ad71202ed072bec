package verify

import (
	"errors"
	"fmt"
	"strings"
)

// Words says in one sentence what was believed, and why.
func (e Evidence) Words() string {
	host := e.authority.host
	alg := e.digest.alg.words()
	switch {
	case e.kind == Remembered:
		return fmt.Sprintf("this node had the whole body from %s before, and the site names it by the same entity tag now", host)
	case e.kind == Pinned && e.level == E8 && RowNamed(e.source) != nil && RowNamed(e.source).Where == InURL:
		return fmt.Sprintf("the URL itself names the %s of its content (%s)", alg, e.source)
	case e.kind == Pinned:
		return fmt.Sprintf("a document of %s states the %s of this URL (%s)", host, alg, e.source)
	case e.level == E3:
		return fmt.Sprintf("the entity tag of %s is the %s of the content (%s); a whole body is needed to check it", host, alg, e.source)
	}
	return fmt.Sprintf("%s states the %s of the content (%s)", host, alg, e.source)
}

// words is how the algorithm is called in a sentence.
func (a Algorithm) words() string {
	switch a {
	case GitBlob:
		return "git's SHA-1"
	case MD5Parts:
		return "MD5 of the parts' MD5"
	}
	return strings.ToUpper(a.String())
}

// Missing says in words why nothing in x proves a byte of a stranger under p,
// and what the site or the user could do. err is what Admit said. It is empty
// when err is nil.
func Missing(x Exchange, p Policy, err error) []string {
	if err == nil {
		return nil
	}
	var refused *RefusedError
	if errors.As(err, &refused) {
		return append([]string{
			fmt.Sprintf("the site states %s (%s, %s), which was not enough: %s",
				refused.Evidence.digest.alg, refused.Evidence.source, refused.Evidence.level, refused.Why),
		}, remedies(refused.Evidence, p)...)
	}
	if x.Length < 0 {
		return []string{
			"no digest from the origin that counts: it does not say how long the body is",
			"the site could send Content-Length and a Repr-Digest field",
		}
	}
	out := []string{"no digest from the origin"}
	for _, f := range Survey(x) {
		out = append(out, fmt.Sprintf("seen: %s, %s: %s", f.Row.Source, f.Level, f.Row.Condition))
		if f.Row.hint != "" {
			out = append(out, f.Row.hint)
		}
	}
	return append(out, "the site could send a Repr-Digest field with sha-256 (RFC 9530); once this node has the whole body it remembers its digest, if the site gives a strong entity tag")
}

func remedies(e Evidence, p Policy) []string {
	switch {
	case p == Strict:
		return []string{fmt.Sprintf("the site could send Repr-Digest with sha-256 over https; or you could trust it more: --policy-for %s=balanced", e.authority.host)}
	case p != Open && !e.digest.alg.Strong():
		return []string{fmt.Sprintf("the site could send Repr-Digest with sha-256; or, if only the publisher can put files there, you could say so: --publisher %s", e.authority.host)}
	}
	return []string{"the site should state one digest"}
}
