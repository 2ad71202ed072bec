package verify

import "fmt"

// Kind is where evidence was found, by the names of the Flashcrowd-Evidence
// field.
type Kind string

// The kinds of evidence.
const (
	ReprDigest      Kind = "repr-digest"
	ContentDigest   Kind = "content-digest"
	UnencodedDigest Kind = "unencoded-digest"
	LegacyDigest    Kind = "digest"
	XChecksum       Kind = "x-checksum"
	XLinkedETag     Kind = "x-linked-etag"
	DockerDigest    Kind = "docker-content-digest"
	AmzChecksum     Kind = "x-amz-checksum"
	GoogHash        Kind = "x-goog-hash"
	ContentMD5      Kind = "content-md5"
	ETag            Kind = "etag"
	Pinned          Kind = "pin"
	Remembered      Kind = "remembered"
)

// Level is the strength of evidence (design.md section 5). Nothing below E3
// ever proves a byte.
type Level int

// The ladder.
const (
	E0 Level = iota // nothing: weak tags, checksums against accidents, look-alikes
	E1              // a strong validator: names a version, proves nothing
	E2              // a digest that the uploader declared, or that rests on a guess
	E3              // a digest inferred from an entity tag, with corroboration
	E4              // MD5 stated by the server
	E5              // SHA-1 stated by the server
	E6              // this node's own digest of an earlier full download, same strong validator
	E7              // SHA-2 stated by the origin now
	E8              // pinned out of band
)

// String returns "E0" to "E8".
func (l Level) String() string { return fmt.Sprintf("E%d", int(l)) }

// may reports whether evidence of this level can rest on alg: what collides
// cannot stand where strong digests stand.
func (l Level) may(alg Algorithm) bool {
	switch {
	case alg.Size() == 0 || l < E3 || l > E8:
		return false
	case l >= E6:
		return alg.Strong()
	case l == E5:
		return alg == SHA1
	case l == E4:
		return alg == MD5
	}
	return true
}
