package verify

import (
	"net/url"
	"regexp"
	"strings"

	"github.com/ipfs/go-cid"
)

var (
	pypiPath   = regexp.MustCompile(`^/packages/([0-9a-f]{2})/([0-9a-f]{2})/([0-9a-f]{60})/[^/]+$`)
	blobPath   = regexp.MustCompile(`^/v2/.+/blobs/(sha(?:256|512):[0-9a-f]+)$`)
	byHashPath = regexp.MustCompile(`/by-hash/SHA(256|512)/([0-9a-f]+)$`)
	ipfsPath   = regexp.MustCompile(`^/ipfs/([A-Za-z0-9]{40,120})$`)
)

// urlRows are URLs that name their content themselves: whoever asks for one
// has the digest, and the origin's answer is checked against it like any other.
var urlRows = []*Row{
	{
		Source: "PyPI URL", Pattern: "files.pythonhosted.org/packages/hh/hh/<60hex>/NAME", Levels: []Level{E8}, Where: InURL, kind: Pinned,
		Condition: "a path of 2, 2 and 60 digits on that host",
		url: func(u *url.URL) []statement {
			m := pypiPath.FindStringSubmatch(u.Path)
			if m == nil || !strings.EqualFold(u.Hostname(), "files.pythonhosted.org") || u.RawQuery != "" {
				return nil
			}
			return []statement{{level: E8, alg: BLAKE2b256, sum: hexSum(BLAKE2b256, m[1]+m[2]+m[3])}}
		},
	},
	{
		Source: "OCI blob", Pattern: "/v2/NAME/blobs/sha256:<64hex>", Levels: []Level{E8}, Where: InURL, kind: Pinned,
		Condition: "a pull that needs no authorization",
		url: func(u *url.URL) []statement {
			m := blobPath.FindStringSubmatch(u.Path)
			if m == nil || u.RawQuery != "" {
				return nil
			}
			return ociDigest(m[1], E8)
		},
	},
	{
		Source: "Debian by-hash", Pattern: "/by-hash/SHA256/<64hex>", Levels: []Level{E8}, Where: InURL, kind: Pinned,
		Condition: "SHA256 or SHA512; MD5Sum and SHA1 forms are ignored",
		url: func(u *url.URL) []statement {
			m := byHashPath.FindStringSubmatch(u.Path)
			if m == nil || u.RawQuery != "" {
				return nil
			}
			return ociDigest("sha"+m[1]+":"+m[2], E8)
		},
	},
	{
		Source: "IPFS raw CID", Pattern: "/ipfs/bafkrei...", Levels: []Level{E8}, Where: InURL, kind: Pinned,
		Condition: "CIDv1 of one raw block with SHA-256; a CID of another codec names a graph, not these bytes",
		url: func(u *url.URL) []statement {
			m := ipfsPath.FindStringSubmatch(u.Path)
			if m == nil || u.RawQuery != "" {
				return nil
			}
			c, err := cid.Decode(m[1])
			if err != nil || c.Version() != 1 {
				return nil
			}
			if p := c.Prefix(); p.Codec != cid.Raw || Algorithm(p.MhType) != SHA256 || p.MhLength != SHA256.Size() {
				return nil
			}
			hash := c.Hash()
			return []statement{{level: E8, alg: SHA256, sum: hash[len(hash)-SHA256.Size():]}}
		},
	},
}
