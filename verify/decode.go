package verify

import (
	"encoding/base64"
	"encoding/hex"
	"math/big"
	"strings"
)

// hexSum reads a digest in lower- or upper-case hexadecimal of exactly alg's
// size; nil when s is none.
func hexSum(alg Algorithm, s string) []byte {
	if len(s) != 2*alg.Size() {
		return nil
	}
	sum, err := hex.DecodeString(s)
	if err != nil {
		return nil
	}
	return sum
}

// base64Sum reads a digest in standard base64 with padding.
func base64Sum(alg Algorithm, s string) []byte {
	if len(s) != base64.StdEncoding.EncodedLen(alg.Size()) {
		return nil
	}
	sum, err := base64.StdEncoding.Strict().DecodeString(s)
	if err != nil || len(sum) != alg.Size() {
		return nil
	}
	return sum
}

// base36Length is how long MediaWiki writes a SHA-1 in base 36.
const base36Length = 31

// base36Sum reads a SHA-1 as MediaWiki writes it.
func base36Sum(s string) []byte {
	if len(s) != base36Length || strings.Trim(s, "0123456789abcdefghijklmnopqrstuvwxyz") != "" {
		return nil
	}
	n, ok := new(big.Int).SetString(s, 36)
	if !ok || n.BitLen() > 8*SHA1.Size() {
		return nil
	}
	return n.FillBytes(make([]byte, SHA1.Size()))
}

// tag is an entity tag as it came.
type tag struct {
	text   string // between the quotes
	strong bool
	quoted bool
}

// etag returns the only entity tag of an answer.
func (x *exchange) etag() (tag, bool) {
	v, ok := x.one("Etag")
	if !ok {
		return tag{}, false
	}
	text, weak := strings.CutPrefix(v, "W/")
	t := tag{strong: !weak}
	if len(text) >= 2 && text[0] == '"' && text[len(text)-1] == '"' {
		t.quoted, text = true, text[1:len(text)-1]
	}
	t.text = text
	return t, !strings.ContainsAny(text, "\"\x7f") && text != ""
}

// lowerHex reports whether s is n digits of lower-case hexadecimal.
func lowerHex(s string, n int) bool {
	return len(s) == n && strings.Trim(s, "0123456789abcdef") == ""
}
