package verify

import (
	"net/url"
	"strconv"
	"strings"
)

// storeRows are what object stores say.
var storeRows = []*Row{
	{
		Source: "S3 entity tag", Pattern: `ETag: "<32hex>" with x-amz-request-id`, Levels: []Level{E3}, kind: ETag,
		Condition: "one part, encryption absent or AES256, no directory bucket, no content coding",
		fields: func(x *exchange) []statement {
			t, ok := x.digestTag(32)
			if !ok || !isS3(x) || !s3Plain(x) || x.has("X-Amz-Mp-Parts-Count") {
				return nil
			}
			return []statement{{level: E3, alg: MD5, sum: hexSum(MD5, t.text)}}
		},
	},
	{
		Source: "S3 entity tag of parts", Pattern: `ETag: "<32hex>-<N>"`, Levels: []Level{E3, E2}, kind: ETag,
		Condition: "the size of the parts is from the origin (HEAD ?partNumber=1), never guessed; the suffix is never stripped",
		fields:    s3Parts,
		hint:      "the entity tag is that of an upload in parts; the size of the parts would have to be known",
	},
	{
		Source: "S3 checksum SHA-256", Pattern: "x-amz-checksum-sha256: <b64>", Levels: []Level{E7}, kind: AmzChecksum,
		Condition: "of the full object: no 206, no -N in it or in the entity tag, not COMPOSITE",
		fields:    func(x *exchange) []statement { return amzChecksum(x, "X-Amz-Checksum-Sha256", SHA256, E7) },
	},
	{
		Source: "S3 checksum SHA-1", Pattern: "x-amz-checksum-sha1: <b64>", Levels: []Level{E5}, kind: AmzChecksum,
		Condition: "as S3 checksum SHA-256",
		fields:    func(x *exchange) []statement { return amzChecksum(x, "X-Amz-Checksum-Sha1", SHA1, E5) },
	},
	{
		Source: "S3 checksum CRC", Pattern: "x-amz-checksum-crc32, -crc32c or -crc64nvme", Levels: []Level{E0},
		Condition: "against accidents only: anybody can make bytes for a CRC",
		fields:    present(E0, "X-Amz-Checksum-Crc32", "X-Amz-Checksum-Crc32c", "X-Amz-Checksum-Crc64nvme"),
		hint:      "a CRC proves nothing; uploaded with a SHA-256 checksum the object would be provable",
	},
	{
		Source: "rclone metadata", Pattern: "x-amz-meta-md5chksum: <b64>", Levels: []Level{E2},
		Condition: "what the uploader declared; the store never checked it",
		fields: func(x *exchange) []statement {
			return declared(x, MD5, base64Sum, "X-Amz-Meta-Md5chksum")
		},
	},
	{
		Source: "GCS hash", Pattern: "x-goog-hash: md5=<b64>", Levels: []Level{E4}, kind: GoogHash,
		Condition: "no composite object; stored coding is the coding sent",
		fields: func(x *exchange) []statement {
			return googHash(x)
		},
	},
	{
		Source: "GCS CRC", Pattern: "x-goog-hash: crc32c=<b64>", Levels: []Level{E0},
		Condition: "against accidents only",
		fields: func(x *exchange) []statement {
			if _, ok := googValue(x, "crc32c"); ok {
				return []statement{{level: E0}}
			}
			return nil
		},
	},
	{
		Source: "GCS entity tag", Pattern: `ETag: "<32hex>" with x-goog-generation`, Levels: []Level{E4}, kind: GoogHash,
		Condition: "equals the md5 of x-goog-hash",
		fields: func(x *exchange) []statement {
			t, ok := x.digestTag(32)
			said := googHash(x)
			if !ok || !x.has("X-Goog-Generation") || len(said) != 1 || string(said[0].sum) != string(hexSum(MD5, t.text)) {
				return nil
			}
			return said
		},
	},
	{
		Source: "Azure MD5", Pattern: "Content-MD5 or x-ms-blob-content-md5: <b64>", Levels: []Level{E2},
		Condition: "may be the uploader's own; with a range it is the range's",
		fields: func(x *exchange) []statement {
			if !isAzure(x) {
				return nil
			}
			return declared(x, MD5, base64Sum, "Content-Md5", "X-Ms-Blob-Content-Md5")
		},
		hint: "Azure keeps an MD5 that the uploader may have declared; only a digest in a field of the site's own would do",
	},
	{
		Source: "Azure entity tag", Pattern: `ETag: "0x8D..."`, Levels: []Level{E1},
		Condition: "a validator, no digest",
		fields: func(x *exchange) []statement {
			t, ok := x.etag()
			if !ok || !strings.HasPrefix(t.text, "0x8D") {
				return nil
			}
			return []statement{{level: E1}}
		},
	},
	{
		Source: "Backblaze B2 SHA-1", Pattern: "X-Bz-Content-Sha1: <40hex>", Levels: []Level{E5}, kind: XChecksum,
		Condition: "neither none nor unverified:",
		fields:    func(x *exchange) []statement { return checksum(x, "X-Bz-Content-Sha1", SHA1, E5) },
	},
	{
		Source: "Backblaze B2 large file", Pattern: "X-Bz-Info-large_file_sha1: <40hex>", Levels: []Level{E2},
		Condition: "what the uploader declared",
		fields: func(x *exchange) []statement {
			return declared(x, SHA1, hexSum, "X-Bz-Info-Large_file_sha1")
		},
	},
	{
		Source: "Cloudflare R2 entity tag", Pattern: `ETag: "<32hex>" on hosts of R2`, Levels: []Level{E3}, kind: ETag,
		Condition: "one part",
		fields: func(x *exchange) []statement {
			t, ok := x.digestTag(32)
			if !ok || x.URL == nil || !isR2Host(x.URL.Hostname()) || !s3Plain(x) {
				return nil
			}
			return []statement{{level: E3, alg: MD5, sum: hexSum(MD5, t.text)}}
		},
	},
	{
		Source: "OpenStack Swift entity tag", Pattern: "ETag: <32hex> with X-Trans-Id, often unquoted", Levels: []Level{E3}, kind: ETag,
		Condition: "no X-Static-Large-Object, X-Object-Manifest or X-Manifest-Etag: those tags are of other tags",
		fields: func(x *exchange) []statement {
			t, ok := x.etag()
			if !ok || !t.strong || !lowerHex(t.text, 32) || !x.whole() || !x.has("X-Trans-Id") || largeObject(x) {
				return nil
			}
			return []statement{{level: E3, alg: MD5, sum: hexSum(MD5, t.text)}}
		},
	},
	{
		Source: "Wikimedia SHA-1", Pattern: "x-object-meta-sha1base36: <31 base36>", Levels: []Level{E5}, kind: XChecksum,
		Condition: "on upload.wikimedia.org, where the software sets it; elsewhere an uploader may",
		fields: func(x *exchange) []statement {
			v, one := x.one("X-Object-Meta-Sha1base36")
			if !one || !x.whole() || x.URL == nil || x.URL.Hostname() != "upload.wikimedia.org" {
				return nil
			}
			return []statement{{level: E5, alg: SHA1, sum: base36Sum(v)}}
		},
	},
}

// digestTag returns the entity tag if it may be a digest of the body, of n
// hexadecimal digits: strong, quoted, exact, of a complete answer in the form
// that is stored, and of none of the kinds that are known to look alike.
func (x *exchange) digestTag(n int) (tag, bool) {
	t, ok := x.etag()
	return t, ok && t.strong && t.quoted && lowerHex(t.text, n) && x.whole() && !largeObject(x) && !isAssetHost(x)
}

// isS3Host goes by the label that names the service. An S3 object lambda sends
// something else than what is stored, and a directory bucket tags by chance.
func isS3Host(host string) bool {
	host = strings.TrimSuffix(strings.ToLower(host), ".")
	front, aws := strings.CutSuffix(host, ".amazonaws.com")
	if !aws {
		front, aws = strings.CutSuffix(host, ".amazonaws.com.cn")
	}
	if !aws {
		return false
	}
	labels := strings.Split(front, ".")
	// Before the region and, for both kinds of addresses, its own label.
	for i := len(labels) - 1; i >= 0 && i >= len(labels)-3; i-- {
		switch name := labels[i]; {
		case strings.HasPrefix(name, "s3-object-lambda"), name == "elb", name == "execute-api":
			return false
		case name == "s3", strings.HasPrefix(name, "s3-"):
			return true
		}
	}
	return false
}

func isR2Host(host string) bool {
	host = strings.ToLower(host)
	return strings.HasSuffix(host, ".r2.cloudflarestorage.com") || strings.HasSuffix(host, ".r2.dev")
}

// isS3 goes by what S3 alone says of a request; its name in Server is copied
// and dropped by CDNs.
func isS3(x *exchange) bool {
	if x.URL != nil && strings.Contains(strings.ToLower(x.URL.Hostname()), "s3express-") {
		return false
	}
	return x.has("X-Amz-Request-Id") && (x.has("X-Amz-Id-2") || x.URL != nil && isS3Host(x.URL.Hostname()))
}

// s3Plain reports whether the object is stored so that its tag is its MD5.
func s3Plain(x *exchange) bool {
	sse, one := x.one("X-Amz-Server-Side-Encryption")
	encrypted := x.has("X-Amz-Server-Side-Encryption") && (!one || sse != "AES256")
	keyed := x.has("X-Amz-Server-Side-Encryption-Customer-Algorithm") || x.has("X-Amz-Server-Side-Encryption-Aws-Kms-Key-Id")
	server, _ := x.one("Server")
	minio := strings.HasPrefix(server, "MinIO") && x.has("X-Amz-Server-Side-Encryption")
	return !encrypted && !keyed && !minio
}

// s3Parts is provable once a part's size is known.
func s3Parts(x *exchange) []statement {
	sum, count, ok := partsTag(x)
	if !ok {
		return nil
	}
	d, err := partsDigest(sum, count, x.PartSize, x.Length)
	if err != nil {
		return []statement{{level: E2}}
	}
	return []statement{{level: E3, alg: MD5Parts, sum: d.Sum()}}
}

// amzChecksum reads a checksum of a full object. A 206 has lost the suffix by
// which a composite one is known.
func amzChecksum(x *exchange, name string, alg Algorithm, level Level) []statement {
	v, one := x.one(name)
	kind, typed := x.one("X-Amz-Checksum-Type")
	t, tagged := x.etag()
	composite := x.has("X-Amz-Checksum-Type") && (!typed || kind != "FULL_OBJECT") || tagged && strings.Contains(t.text, "-") || x.has("X-Amz-Mp-Parts-Count")
	if !one || !x.whole() || composite || presigned(x.URL) {
		return nil
	}
	return []statement{{level: level, alg: alg, sum: base64Sum(alg, v)}}
}

// presigned reports whether u carries a signature of S3, of version 4 or 2: a
// field or parameter that it does not cover is refused.
func presigned(u *url.URL) bool {
	if u == nil {
		return false
	}
	q, err := url.QueryUnescape(u.RawQuery)
	if err != nil {
		q = u.RawQuery
	}
	q = strings.ToLower(q)
	return strings.Contains(q, "x-amz-signature") || strings.Contains(q, "awsaccesskeyid=")
}

func googHash(x *exchange) []statement {
	v, ok := googValue(x, "md5")
	coding := strings.Join(x.Header.Values("X-Goog-Stored-Content-Encoding"), ",")
	length, stored := x.one("X-Goog-Stored-Content-Length")
	transcoded := coding != "" && coding != "identity" || stored && length != strconv.FormatInt(x.Length, 10)
	if !ok || !x.whole() || x.has("X-Goog-Component-Count") || transcoded {
		return nil
	}
	return []statement{{level: E4, alg: MD5, sum: base64Sum(MD5, v)}}
}

// googValue returns the only value of an algorithm in x-goog-hash, which comes
// as several lines or as one list.
func googValue(x *exchange, alg string) (value string, ok bool) {
	lines := x.Header.Values("X-Goog-Hash")
	if tooLong(lines) {
		return "", false
	}
	for part := range strings.SplitSeq(strings.Join(lines, ","), ",") {
		v, named := strings.CutPrefix(strings.TrimSpace(part), alg+"=")
		if named && ok {
			return "", false
		}
		if named {
			value, ok = v, true
		}
	}
	return value, ok
}

func isAzure(x *exchange) bool {
	server, _ := x.one("Server")
	return x.has("X-Ms-Request-Id") || x.has("X-Ms-Version") || x.has("X-Ms-Blob-Type") || x.has("X-Ms-Blob-Content-Md5") ||
		strings.HasPrefix(server, "Windows-Azure-Blob") || x.URL != nil && strings.HasSuffix(strings.ToLower(x.URL.Hostname()), ".blob.core.windows.net")
}

// largeObject: the tag is a hash of the tags of segments.
func largeObject(x *exchange) bool {
	return x.has("X-Static-Large-Object") || x.has("X-Object-Manifest") || x.has("X-Manifest-Etag")
}

// isAssetHost: tags of 32 digits that are cut BLAKE3 of another input.
func isAssetHost(x *exchange) bool {
	if x.URL == nil {
		return true
	}
	host := strings.ToLower(x.URL.Hostname())
	return strings.HasSuffix(host, ".pages.dev") || strings.HasSuffix(host, ".workers.dev")
}

// checksum reads a digest in hexadecimal that the server vouches for.
func checksum(x *exchange, name string, alg Algorithm, level Level) []statement {
	v, one := x.one(name)
	if !one || !x.whole() {
		return nil
	}
	return []statement{{level: level, alg: alg, sum: hexSum(alg, v)}}
}

// declared reads a digest that an uploader may have chosen.
func declared(x *exchange, alg Algorithm, read func(Algorithm, string) []byte, names ...string) []statement {
	var out []statement
	for _, name := range names {
		if v, one := x.one(name); one && x.whole() {
			if sum := read(alg, v); sum != nil {
				out = append(out, statement{level: E2, alg: alg, sum: sum})
			}
		}
	}
	return out
}

// present says that a field is there, which proves nothing.
func present(level Level, names ...string) func(*exchange) []statement {
	return func(x *exchange) []statement {
		for _, name := range names {
			if x.has(name) {
				return []statement{{level: level}}
			}
		}
		return nil
	}
}
