package verify

import (
	"regexp"
	"strconv"
	"strings"
)

// mirrorRows are what redirectors say of the bytes that they send clients to.
// They speak for the URL that was asked, never for the one in Location.
var mirrorRows = []*Row{
	{
		Source: "MirrorBrain redirect", Pattern: "302 with Digest: SHA-256=<b64>", Levels: []Level{E7, E5, E4}, kind: LegacyDigest,
		Condition: "the redirector's own word, of what the mirror must send; SHA and MD5 as weak as they are",
		fields: func(x *exchange) []statement {
			if !x.moved {
				return nil
			}
			return legacy(x.Header.Values("Digest"), anyOfThem)
		},
	},
}

var manifestPath = regexp.MustCompile(`^/v2/.+/manifests/[^/]+$`)

// registryRows are what package, model and artifact registries say in fields.
var registryRows = []*Row{
	{
		Source: "RubyGems index", Pattern: "Repr-Digest and Digest with SHA-256", Levels: []Level{E7}, kind: ReprDigest,
		Condition: "both, and they agree",
		fields: func(x *exchange) []statement {
			if !x.whole() {
				return nil
			}
			new, old := structured(x.Header.Values("Repr-Digest"), active), legacy(x.Header.Values("Digest"), active)
			if len(new) == 0 || len(old) == 0 || new[0].alg != old[0].alg || string(new[0].sum) != string(old[0].sum) {
				return nil
			}
			return new[:1]
		},
	},
	{
		Source: "Maven Central checksum", Pattern: "x-checksum-sha1 or x-checksum-md5: <hex>", Levels: []Level{E5, E4}, kind: XChecksum,
		Condition: "200 or HEAD",
		fields: func(x *exchange) []statement {
			return append(checksum(x, "X-Checksum-Sha1", SHA1, E5), checksum(x, "X-Checksum-Md5", MD5, E4)...)
		},
	},
	{
		Source: "Nexus entity tag", Pattern: `ETag: "{SHA1{<40hex>}}"`, Levels: []Level{E5}, kind: ETag,
		Condition: "that exact grammar",
		fields: func(x *exchange) []statement {
			t, ok := x.etag()
			hash, opened := strings.CutPrefix(t.text, "{SHA1{")
			hash, closed := strings.CutSuffix(hash, "}}")
			if !ok || !t.strong || !t.quoted || !opened || !closed || !lowerHex(hash, 40) || !x.whole() {
				return nil
			}
			return []statement{{level: E5, alg: SHA1, sum: hexSum(SHA1, hash)}}
		},
	},
	{
		Source: "Artifactory checksum", Pattern: "X-Checksum-Sha256, -Sha1 or -Md5: <hex>", Levels: []Level{E7, E5, E4}, kind: XChecksum,
		Condition: "200 or HEAD",
		fields: func(x *exchange) []statement {
			if !x.has("X-Checksum-Sha256") {
				return nil // the other two are Maven's row
			}
			return checksum(x, "X-Checksum-Sha256", SHA256, E7)
		},
	},
	{
		Source: "OCI digest of a manifest", Pattern: "Docker-Content-Digest: sha256:<64hex>", Levels: []Level{E7}, kind: DockerDigest,
		Condition: "of a manifest, whose tag may move",
		fields: func(x *exchange) []statement {
			v, one := x.one("Docker-Content-Digest")
			if !one || !x.whole() || x.URL == nil || !manifestPath.MatchString(x.URL.Path) || x.Authorized {
				return nil
			}
			return ociDigest(v, E7)
		},
	},
	{
		Source: "Hugging Face LFS", Pattern: `X-Linked-Etag: "<64hex>" with X-Linked-Size`, Levels: []Level{E7}, kind: XLinkedETag,
		Condition: "an answer or redirect of /resolve/, without content coding, and the size agrees",
		fields: func(x *exchange) []statement {
			v, one := x.one("X-Linked-Etag")
			size, sized := x.one("X-Linked-Size")
			v, opened := strings.CutPrefix(v, `"`)
			v, closed := strings.CutSuffix(v, `"`)
			if !one || !sized || !opened || !closed || !lowerHex(v, 64) || !x.plain || x.URL == nil ||
				size != strconv.FormatInt(x.Length, 10) || !strings.Contains(x.URL.Path, "/resolve/") || !x.get && !x.head && !x.moved {
				return nil
			}
			return []statement{{level: E7, alg: SHA256, sum: hexSum(SHA256, v)}}
		},
	},
	{
		Source: "Hugging Face git entity tag", Pattern: `ETag: "<40hex>" with X-Repo-Commit`, Levels: []Level{E3}, kind: ETag,
		Condition: `of "blob LENGTH" NUL content; never with a suffix such as -gzip`,
		fields: func(x *exchange) []statement {
			t, ok := x.digestTag(40)
			if !ok || !x.has("X-Repo-Commit") || x.has("X-Linked-Etag") || !strings.Contains(x.URL.Path, "/resolve/") {
				return nil
			}
			return []statement{{level: E3, alg: GitBlob, sum: hexSum(GitBlob, t.text)}}
		},
	},
}

// ociDigest reads sha256:HEX or sha512:HEX (OCI image specification, digests).
func ociDigest(s string, level Level) []statement {
	for name, alg := range map[string]Algorithm{"sha256:": SHA256, "sha512:": SHA512} {
		if hash, named := strings.CutPrefix(s, name); named && lowerHex(hash, 2*alg.Size()) {
			return []statement{{level: level, alg: alg, sum: hexSum(alg, hash)}}
		}
	}
	return nil
}
