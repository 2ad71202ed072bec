package verify

import (
	"net/http"
	"net/url"
	"strings"

	"github.com/dunglas/httpsfv"
)

// standardRows are the fields of RFC 9530, its draft companion, RFC 3230 and
// RFC 2616.
var standardRows = []*Row{
	{
		Source: "Repr-Digest", Pattern: "Repr-Digest: sha-256=:<b64>:", Levels: []Level{E7}, kind: ReprDigest,
		Condition: "200, 206 or HEAD; over the encoded representation",
		fields: func(x *exchange) []statement {
			if !x.get && !x.head && !x.part {
				return nil
			}
			return structured(x.Header.Values("Repr-Digest"), active)
		},
	},
	{
		Source: "Repr-Digest, deprecated algorithm", Pattern: "Repr-Digest: md5=:<b64>: or sha=:<b64>:", Levels: []Level{E4, E5},
		Condition: "as Repr-Digest; deprecated where adversaries are (RFC 9530 section 5)", kind: ReprDigest,
		fields: func(x *exchange) []statement {
			if !x.get && !x.head && !x.part {
				return nil
			}
			return structured(x.Header.Values("Repr-Digest"), deprecated)
		},
	},
	{
		Source: "Content-Digest", Pattern: "Content-Digest: sha-256=:<b64>:", Levels: []Level{E7}, kind: ContentDigest,
		Condition: "a full 200 to GET only: of the message content, on HEAD that of nothing",
		fields: func(x *exchange) []statement {
			if !x.get {
				return nil
			}
			return structured(x.Header.Values("Content-Digest"), active)
		},
	},
	{
		Source: "Unencoded-Digest", Pattern: "Unencoded-Digest: sha-512=:<b64>:", Levels: []Level{E7}, kind: UnencodedDigest,
		Condition: "over the representation without content coding, so only where there is none",
		fields: func(x *exchange) []statement {
			if !x.whole() && (!x.part || !x.plain) {
				return nil
			}
			return structured(x.Header.Values("Unencoded-Digest"), active)
		},
	},
	{
		Source: "Digest (RFC 3230)", Pattern: "Digest: SHA-256=<b64>", Levels: []Level{E7}, kind: LegacyDigest,
		Condition: "200 or HEAD, and no content coding: many hashed the uncoded form",
		fields: func(x *exchange) []statement {
			if !x.whole() {
				return nil
			}
			return legacy(x.Header.Values("Digest"), active)
		},
	},
	{
		Source: "Content-MD5", Pattern: "Content-MD5: <b64>", Levels: []Level{E4}, kind: ContentMD5,
		Condition: "200 or HEAD, no content coding, no range, and not Azure, which stores what the uploader says",
		fields: func(x *exchange) []statement {
			v, one := x.one("Content-Md5")
			if !one || !x.whole() || isAzure(x) {
				return nil
			}
			return []statement{{level: E4, alg: MD5, sum: base64Sum(MD5, v)}}
		},
	},
}

// active and deprecated are the algorithms of the RFC 9530 registry (section
// 7.2) by their names there, with the level of each.
var (
	active     = map[string]stated{"sha-256": {SHA256, E7}, "sha-512": {SHA512, E7}}
	deprecated = map[string]stated{"sha": {SHA1, E5}, "md5": {MD5, E4}}
	anyOfThem  = map[string]stated{"sha-256": {SHA256, E7}, "sha-512": {SHA512, E7}, "sha": {SHA1, E5}, "md5": {MD5, E4}}
)

// maxDigestField is the longest field with digests that is read, all lines
// together: several times what all registered algorithms take. What a server
// may send beyond costs nobody more.
const maxDigestField = 4 << 10

// tooLong reports whether the lines of a field are not worth reading.
func tooLong(lines []string) bool {
	n := 0
	for _, line := range lines {
		n += len(line)
	}
	return n > maxDigestField
}

type stated struct {
	alg   Algorithm
	level Level
}

// structured reads a Dictionary of Byte Sequences (RFC 9530 sections 2 and 3).
// A field that does not parse is as good as absent.
func structured(lines []string, known map[string]stated) []statement {
	if len(lines) == 0 || tooLong(lines) {
		return nil
	}
	dict, err := httpsfv.UnmarshalDictionary(lines)
	if err != nil {
		return nil
	}
	var out []statement
	for _, name := range dict.Names() {
		of, named := known[name]
		member, _ := dict.Get(name)
		item, isItem := member.(httpsfv.Item)
		if !named || !isItem {
			continue
		}
		if sum, isBytes := item.Value.([]byte); isBytes && len(sum) == of.alg.Size() {
			out = append(out, statement{level: of.level, alg: of.alg, sum: sum})
		}
		if repeated(lines, name) {
			out = append(out, statement{level: of.level, alg: of.alg}) // agrees with nothing
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
	for member := range strings.SplitSeq(strings.Join(lines, ","), ",") {
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
func legacy(lines []string, known map[string]stated) []statement {
	var out []statement
	if tooLong(lines) {
		return nil
	}
	for part := range strings.SplitSeq(strings.Join(lines, ","), ",") {
		name, value, ok := strings.Cut(strings.TrimSpace(part), "=")
		of, named := known[strings.ToLower(strings.TrimSpace(name))]
		if !ok || !named {
			continue
		}
		if sum := base64Sum(of.alg, strings.TrimSpace(value)); sum != nil {
			out = append(out, statement{level: of.level, alg: of.alg, sum: sum})
		}
	}
	return out
}

// WantReprDigest is the value of the Want-Repr-Digest field of each request to
// an origin (RFC 9530 section 4).
const WantReprDigest = "sha-256=10, sha-512=3"

// Wants sets in h, the fields of a GET or HEAD for u, what makes its origin
// state digests. It is sent with the download itself, so that no probe is needed; it state digests. h may have an opinion of its own, and then keeps it.
func Wants(h http.Header, u *url.URL) {
	if len(h["Want-Repr-Digest"]) == 0 {
		h.Set("Want-Repr-Digest", WantReprDigest)
	}
	// An unsigned x-amz field is refused with a signed request, and means
	// something to S3 alone.
	host := u.Hostname()
	if len(h["X-Amz-Checksum-Mode"]) == 0 && !presigned(u) && len(h["Authorization"]) == 0 && (isS3Host(host) || isR2Host(host)) {
		h.Set("X-Amz-Checksum-Mode", "ENABLED")
	}
}
