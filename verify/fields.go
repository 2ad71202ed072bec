package verify

import (
	"bytes"
	"encoding/base64"
	"net/http"
	"slices"
	"strings"

	"github.com/dunglas/httpsfv"
)

// WantReprDigest is the value of the Want-Repr-Digest field of each request to
// an origin (RFC 9530 section 4).
const WantReprDigest = "sha-256=10, sha-512=3"

type statement struct {
	kind Kind
	alg  Algorithm
	sum  []byte
}

// statements reads the digest fields of an answer. A field that does not parse
// is as good as absent.
func statements(x Exchange) []statement {
	var out []statement
	whole := x.Status == http.StatusOK
	switch {
	case whole && (x.Method == http.MethodGet || x.Method == http.MethodHead):
		out = append(out, structured(ReprDigest, x.Header.Values("Repr-Digest"))...)
	case x.Status == http.StatusPartialContent && x.Method == http.MethodGet:
		// RFC 9530 section 3: of the whole representation also here.
		return structured(ReprDigest, x.Header.Values("Repr-Digest"))
	default:
		return nil
	}
	if x.Method == http.MethodGet {
		// RFC 9530 section 2: of the message content, which only in a full
		// answer to GET is the representation; on HEAD it is of nothing.
		out = append(out, structured(ContentDigest, x.Header.Values("Content-Digest"))...)
	}
	if strings.Join(x.Header.Values("Content-Encoding"), "") == "" {
		// RFC 3230, of which implementers often hashed the uncoded form.
		out = append(out, legacy(x.Header.Values("Digest"))...)
	}
	return out
}

// agreed returns one statement for each algorithm, SHA-256 first because all
// peers have it in common, and none for an algorithm of which two statements
// differ.
func agreed(all []statement) []statement {
	var out []statement
	for _, alg := range []Algorithm{SHA256, SHA512} {
		of := slices.Clone(all)
		of = slices.DeleteFunc(of, func(s statement) bool { return s.alg != alg })
		differs := func(s statement) bool { return !bytes.Equal(s.sum, of[0].sum) }
		if len(of) > 0 && !slices.ContainsFunc(of, differs) {
			out = append(out, of[0])
		}
	}
	return out
}

// structured reads a Dictionary of Byte Sequences (RFC 9530 sections 2 and 3).
func structured(kind Kind, lines []string) []statement {
	if len(lines) == 0 {
		return nil
	}
	dict, err := httpsfv.UnmarshalDictionary(lines)
	if err != nil {
		return nil
	}
	var out []statement
	for _, name := range dict.Names() {
		alg, known := algorithmNamed(name)
		member, _ := dict.Get(name)
		item, isItem := member.(httpsfv.Item)
		if !known || !isItem {
			continue
		}
		if sum, isBytes := item.Value.([]byte); isBytes && len(sum) == alg.Size() {
			out = append(out, statement{kind, alg, sum})
		}
		if repeated(lines, name) {
			out = append(out, statement{kind, alg, nil}) // agrees with nothing
		}
	}
	return out
}

// repeated reports whether a Dictionary that parses has two different members
// of one name. The parser keeps the last of them (RFC 9651 section 4.2.2); for
// a digest they are a contradiction. A comma inside a string is taken for the
// end of a member too, which can only make this stricter.
func repeated(lines []string, name string) bool {
	first := ""
	for _, member := range strings.Split(strings.Join(lines, ","), ",") {
		member = strings.Trim(member, " \t")
		value, named := strings.CutPrefix(member, name)
		if !named || value != "" && value[0] != '=' && value[0] != ';' {
			continue
		}
		if first == "" {
			first = member
		}
		if member != first {
			return true
		}
	}
	return false
}

// legacy reads the Digest field of RFC 3230: a list of ALGORITHM=BASE64 with
// algorithm names in any case. Two values of one algorithm in it contradict.
func legacy(lines []string) []statement {
	var out []statement
	for _, part := range strings.Split(strings.Join(lines, ","), ",") {
		name, value, ok := strings.Cut(strings.TrimSpace(part), "=")
		alg, known := algorithmNamed(strings.ToLower(strings.TrimSpace(name)))
		if !ok || !known {
			continue
		}
		sum, err := base64.StdEncoding.DecodeString(strings.TrimSpace(value))
		if err == nil && len(sum) == alg.Size() {
			out = append(out, statement{LegacyDigest, alg, sum})
		}
	}
	return out
}
