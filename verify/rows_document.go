package verify

import (
	"encoding/hex"
	"regexp"
	"strings"
)

// documentRows are digests that a document of an origin gives for another URL.
// Each row reads the value as the document has it; whoever harvests documents
// finds the value and the URL, and hands both to [Pin].
var documentRows = []*Row{
	document("PyPI simple index", "#sha256=<64hex>", "a link in an index that came over TLS", E8, prefixed("#sha256=", SHA256)),
	document("npm integrity", "dist.integrity: sha512-<b64>", "a packument over TLS", E8, integrity),
	document("npm shasum", "dist.shasum: <40hex>", "a packument over TLS", E5, prefixed("", SHA1)),
	document("crates.io index", `"cksum": <64hex>`, "the sparse index over TLS", E8, prefixed("", SHA256)),
	document("Git LFS pointer", "oid sha256:<64hex>", "a pointer from the origin over TLS, with its size", E8, prefixed("oid sha256:", SHA256)),
	document("GitHub release API", `"digest": "sha256:<64hex>"`, "the API over TLS", E8, prefixed("sha256:", SHA256)),
	document("Metalink", `<hash type="sha-256"><64hex></hash>`, "fetched over TLS from the origin; its own hash of the whole file, not of pieces", E7, metalink("sha-256", SHA256)),
	document("Fedora metalink", `<hash type="sha512"> of repomd.xml`, "of repomd.xml only; packages are chained from there", E8, fedora),
	document("Subresource Integrity", `integrity="sha384-<b64>"`, "in a page over TLS; the strongest algorithm counts; decoded bytes", E8, integrity),
	document("archive.org files", "md5 or sha1 in <item>_files.xml", "over TLS; the content is an uploader's", E5, archiveOrg, E4),
	// The next two are digests of something else than the octets of the body.
	document("Go checksum database", "h1:<b64>", "over the files in the zip, not over its octets: no octet is proven by it here", E8, nothingOfBytes),
	document("Signed exchange", "Digest: mi-sha256-03=<b64>", "in an exchange whose signature was found valid: Merkle records, not the body", E8, nothingOfBytes),
}

// document makes a row of the values of a document. With integrity the row is
// worth more than its algorithms allow only where they are strong.
func document(source, pattern, condition string, level Level, read func(string, Level) []statement, more ...Level) *Row {
	return &Row{
		Source: source, Pattern: pattern, Condition: condition, Levels: append([]Level{level}, more...), Where: InDocument, kind: Pinned,
		value: func(v string) []statement { return read(v, level) },
	}
}

// prefixed reads a digest in hexadecimal behind a fixed text.
func prefixed(prefix string, alg Algorithm) func(string, Level) []statement {
	return func(v string, level Level) []statement {
		hash, ok := strings.CutPrefix(v, prefix)
		if !ok || !lowerHex(hash, 2*alg.Size()) {
			return nil
		}
		return []statement{{level: level, alg: alg, sum: hexSum(alg, hash)}}
	}
}

// integrity reads the metadata of Subresource Integrity: of the strongest
// algorithm in it, which may have several digests. Of several nobody can say
// which one is the body's, so they prove nothing here.
func integrity(v string, level Level) []statement {
	strength := []struct {
		prefix string
		alg    Algorithm
	}{{"sha512-", SHA512}, {"sha384-", SHA384}, {"sha256-", SHA256}}
	for _, s := range strength {
		var out []statement
		for word := range strings.FieldsSeq(v) {
			word, _, _ = strings.Cut(word, "?") // options
			if b64, named := strings.CutPrefix(word, s.prefix); named {
				out = append(out, statement{level: level, alg: s.alg, sum: base64Sum(s.alg, b64)})
			}
		}
		if len(out) == 1 && out[0].sum != nil {
			return out
		}
		if len(out) > 0 {
			return nil
		}
	}
	return nil
}

var hashElement = regexp.MustCompile(`^<hash type="([a-z0-9-]+)">\s*([0-9a-f]+)\s*</hash>$`)

// metalink reads one hash element of RFC 5854 section 4.2.7.
func metalink(name string, alg Algorithm) func(string, Level) []statement {
	return func(v string, level Level) []statement {
		m := hashElement.FindStringSubmatch(strings.TrimSpace(v))
		if m == nil || m[1] != name || !lowerHex(m[2], 2*alg.Size()) {
			return nil
		}
		return []statement{{level: level, alg: alg, sum: hexSum(alg, m[2])}}
	}
}

// fedora reads one hash element of MirrorManager's metalinks, whose names have
// no dash.
func fedora(v string, level Level) []statement {
	if s := metalink("sha512", SHA512)(v, level); s != nil {
		return s
	}
	return metalink("sha256", SHA256)(v, level)
}

// archiveOrg reads <sha1> and <md5> elements.
func archiveOrg(v string, _ Level) []statement {
	for name, of := range map[string]stated{"sha1": {SHA1, E5}, "md5": {MD5, E4}} {
		hash, opened := strings.CutPrefix(v, "<"+name+">")
		hash, closed := strings.CutSuffix(hash, "</"+name+">")
		if sum, err := hex.DecodeString(hash); opened && closed && err == nil && len(sum) == of.alg.Size() {
			return []statement{{level: of.level, alg: of.alg, sum: sum}}
		}
	}
	return nil
}

// nothingOfBytes is for values that say something, but nothing of the octets
// of a body.
func nothingOfBytes(string, Level) []statement { return nil }
