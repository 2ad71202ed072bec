package testnet

import (
	"crypto/md5"
	"crypto/sha1"
	"crypto/sha256"
	"crypto/sha512"
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"net/http"
	"net/netip"
	"net/url"
	"slices"
	"testing"

	"github.com/ipfs/go-cid"
	"github.com/multiformats/go-multihash"
	"golang.org/x/crypto/blake2b"

	"github.com/flashcrowd/flashcrowd/node"
)

// replayed is the shape of the answers of a kind of origin, as the public
// record of it says. No such origin is asked.
type replayed struct {
	name, host, path, want string
	header                 http.Header
	parts                  int64
}

func replays(body []byte) []replayed {
	m, s1, s2, s5, b2 := md5.Sum(body), sha1.Sum(body), sha256.Sum256(body), sha512.Sum512(body), blake2b.Sum256(body)
	mh, _ := multihash.Encode(s2[:], multihash.SHA2_256) // never fails for SHA-256
	b64 := base64.StdEncoding.EncodeToString
	hexB2 := hex.EncodeToString(b2[:])
	etag := func(s string) []string { return []string{`"` + s + `"`} }
	png := []string{"image/png"}
	return []replayed{
		{name: "S3", host: "bucket.s3.eu-west-1.amazonaws.com", path: "/photo.png", want: "etag; level=E3; alg=md5", header: http.Header{
			"X-Amz-Id-2": {"5Qm"}, "X-Amz-Request-Id": {"7F2"}, "Server": {"AmazonS3"}, "Etag": etag(hex.EncodeToString(m[:])), "Content-Type": png,
		}},
		{name: "S3 upload in parts", host: "bucket.s3.eu-west-1.amazonaws.com", path: "/film.mp4", want: "etag; level=E3; alg=md5-of-parts", parts: 1 << 20, header: http.Header{
			"X-Amz-Id-2": {"5Qm"}, "X-Amz-Request-Id": {"7F2"}, "Server": {"AmazonS3"}, "Etag": etag(partsTag(body, 1<<20)), "Content-Type": {"video/mp4"},
		}},
		{name: "S3 with checksum", host: "bucket.s3.eu-west-1.amazonaws.com", path: "/data.bin", want: "x-amz-checksum; level=E7; alg=sha-256", header: http.Header{
			"X-Amz-Id-2": {"5Qm"}, "X-Amz-Request-Id": {"7F2"}, "X-Amz-Checksum-Sha256": {b64(s2[:])}, "X-Amz-Checksum-Type": {"FULL_OBJECT"}, "Etag": etag(hex.EncodeToString(m[:])),
		}},
		{name: "GCS", host: "storage.googleapis.com", path: "/bucket/photo.png", want: "x-goog-hash; level=E4; alg=md5", header: http.Header{
			"X-Goog-Hash": {"crc32c=AAAAAA==", "md5=" + b64(m[:])}, "X-Goog-Generation": {"1"}, "X-Goog-Stored-Content-Encoding": {"identity"},
			"X-Goog-Stored-Content-Length": {fmt.Sprint(len(body))}, "Etag": etag(hex.EncodeToString(m[:])), "Content-Type": png, "Server": {"UploadServer"},
		}},
		{name: "Maven", host: "repo.maven.apache.org", path: "/maven2/a/1/a-1.jar", want: "x-checksum; level=E5; alg=sha-1", header: http.Header{
			"X-Checksum-Sha1": {hex.EncodeToString(s1[:])}, "X-Checksum-Md5": {hex.EncodeToString(m[:])}, "Etag": etag(hex.EncodeToString(m[:])), "Content-Type": {"application/java-archive"},
		}},
		{name: "PyPI", host: "files.pythonhosted.org", path: "/packages/" + hexB2[:2] + "/" + hexB2[2:4] + "/" + hexB2[4:] + "/a-1.0.whl", want: "pin; level=E8; alg=blake2b-256", header: http.Header{
			"Etag": etag(hex.EncodeToString(m[:]) + "-2"), "Server": {"AmazonS3"}, "Cache-Control": {"max-age=365000000, immutable, public"},
		}},
		{name: "OCI registry", host: "registry.example.org", path: "/v2/lib/a/blobs/sha256:" + hex.EncodeToString(s2[:]), want: "pin; level=E8; alg=sha-256", header: http.Header{
			"Docker-Content-Digest": {"sha256:" + hex.EncodeToString(s2[:])}, "Etag": etag("sha256:" + hex.EncodeToString(s2[:])),
		}},
		{name: "Debian by-hash", host: "deb.debian.org", path: "/debian/dists/sid/main/binary-amd64/by-hash/SHA256/" + hex.EncodeToString(s2[:]), want: "pin; level=E8; alg=sha-256", header: http.Header{
			"Etag": etag("41d5e-5f3c2a10"), "Server": {"Apache"},
		}},
		{name: "IPFS gateway", host: "ipfs.io", path: "/ipfs/" + cid.NewCidV1(cid.Raw, mh).String(), want: "pin; level=E8; alg=sha-256", header: http.Header{
			"Etag": etag(cid.NewCidV1(cid.Raw, mh).String()), "X-Ipfs-Path": {"/ipfs/" + cid.NewCidV1(cid.Raw, mh).String()}, "Cache-Control": {"public, max-age=29030400, immutable"},
		}},
		{name: "RFC 9530 with SHA-512", host: "files.example.org", path: "/big.tar.xz", want: "repr-digest; level=E7; alg=sha-512", header: http.Header{
			"Repr-Digest": {"sha-512=:" + b64(s5[:]) + ":"}, "Content-Type": {"application/x-xz"},
		}},
		{name: "Hugging Face without a CDN", host: "huggingface.co", path: "/o/m/resolve/main/weights.bin", want: "x-linked-etag; level=E7; alg=sha-256", header: http.Header{
			"X-Linked-Etag": etag(hex.EncodeToString(s2[:])), "X-Linked-Size": {fmt.Sprint(len(body))}, "X-Repo-Commit": {"0123"}, "Etag": etag(hex.EncodeToString(s2[:])),
		}},
	}
}

// partsTag is the entity tag of S3 for an upload in parts of size octets.
func partsTag(body []byte, size int) string {
	outer, n := md5.New(), 0
	for p := range slices.Chunk(body, size) {
		sum := md5.Sum(p)
		outer.Write(sum[:])
		n++
	}
	return fmt.Sprintf("%x-%d", outer.Sum(nil), n)
}

// TestReplayedOriginsLetTheSwarmHelp replays what well-known origins say of
// their bytes: the second node takes most of the body from the first, and names
// the evidence.
func TestReplayedOriginsLetTheSwarmHelp(t *testing.T) {
	o := testOrigin(t)
	body := Random(4<<20, 61)
	all := replays(body)
	at, err := url.Parse(o.URL)
	if err != nil {
		t.Fatal(err)
	}
	pins := map[string][]netip.Addr{}
	for _, r := range all {
		o.Put(r.path, File{Body: body, Header: r.header, NoDigest: true, Parts: r.parts})
		pins[r.host] = []netip.Addr{netip.MustParseAddr("127.0.0.1")}
	}
	n := testNet(t, Config{Nodes: 2, Configure: func(_ int, c *node.Config) {
		c.Resolve, c.Publishers = pins, []string{"*.amazonaws.com"}
	}})
	for _, r := range all {
		target := "http://" + r.host + ":" + at.Port() + r.path
		o.Pace.SetRate(0)
		fetchBody(t, n.Nodes[0], target, body)
		o.Pace.SetRate(uplink / 4)
		receipt, resp := fetchBody(t, n.Nodes[1], target, body)
		if got := from(receipt, "peer"); got < int64(len(body))/2 {
			t.Errorf("%s: peers delivered %d of %d octets: %+v", r.name, got, len(body), receipt)
		}
		if got := resp.Header.Get("Flashcrowd-Evidence"); got != r.want {
			t.Errorf("%s: Flashcrowd-Evidence: %q, want %q; missing %q", r.name, got, r.want, receipt.Missing)
		}
		if receipt.Believed == "" {
			t.Errorf("%s: why does not say in words what was believed", r.name)
		}
	}
}

// TestReplayedRedirectsLetTheSwarmHelp replays what redirectors say of the bytes
// behind their redirects: the second node is sent to another mirror, or by
// another signed URL, than the first, and takes most of the body from it.
func TestReplayedRedirectsLetTheSwarmHelp(t *testing.T) {
	o := testOrigin(t)
	body := Random(4<<20, 62)
	s1, s2 := sha1.Sum(body), sha256.Sum256(body)
	at, err := url.Parse(o.URL)
	if err != nil {
		t.Fatal(err)
	}
	pins := map[string][]netip.Addr{}
	on := func(host, path string) string {
		pins[host] = []netip.Addr{netip.MustParseAddr("127.0.0.1")}
		return "http://" + host + ":" + at.Port() + path
	}
	b64 := base64.StdEncoding.EncodeToString
	plain := http.Header{"Cache-Control": {"max-age=3600"}, "Etag": {`"5f3c2a10-400000"`}}
	o.Put("/signed", File{Body: body, Header: plain, NoDigest: true})
	o.Put("/pub/a/big.iso", File{Body: body, Header: plain, NoDigest: true})
	o.Put("/pub/b/big.iso", File{Body: body, Header: http.Header{"Etag": {`"4000-400000"`}}, NoDigest: true})
	cases := []struct {
		name, target, want string
		to                 [2]string
		header             http.Header
	}{
		{"Hugging Face", on("huggingface.co", "/o/m/resolve/main/model.safetensors"), "x-linked-etag; level=E7; alg=sha-256", [2]string{
			on("cdn-lfs.hf.co", "/signed?X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Signature=1f"), on("cdn-lfs.hf.co", "/signed?X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Signature=2e"),
		}, http.Header{
			"X-Linked-Etag": {`"` + hex.EncodeToString(s2[:]) + `"`}, "X-Linked-Size": {fmt.Sprint(len(body))}, "X-Repo-Commit": {"0123"}, "Vary": {"Accept, Origin"},
		}},
		{"MirrorBrain", on("download.documentfoundation.org", "/libreoffice/big.iso"), "digest; level=E7; alg=sha-256", [2]string{
			on("mirror.example.org", "/pub/a/big.iso"), on("mirror.example.net", "/pub/b/big.iso"),
		}, http.Header{
			"Digest": {"SHA=" + b64(s1[:]), "SHA-256=" + b64(s2[:])}, "X-Prefix": {"2001:db8::/32"},
			"Link": {"<http://download.documentfoundation.org/libreoffice/big.iso.meta4>; rel=describedby; type=\"application/metalink4+xml\"", "<http://mirror.example.org/pub/a/big.iso>; rel=duplicate; pri=1; geo=de"},
		}},
	}
	n := testNet(t, Config{Nodes: 2, Configure: func(_ int, c *node.Config) { c.Resolve = pins }})
	for _, c := range cases {
		asked, err := url.Parse(c.target)
		if err != nil {
			t.Fatal(err)
		}
		for i, rate := range []int64{0, uplink / 4} {
			o.Put(asked.Path, File{Header: c.header, Location: c.to[i]})
			o.Pace.SetRate(rate)
			receipt, resp := fetchBody(t, n.Nodes[i], c.target, body)
			if got := resp.Header.Get("Flashcrowd-Evidence"); got != c.want || resp.Request.URL.String() != c.target {
				t.Errorf("%s, node %d: Flashcrowd-Evidence: %q at %s, want %q; missing %q", c.name, i+1, got, resp.Request.URL, c.want, receipt.Missing)
			}
			if got := from(receipt, "peer"); i == 1 && got < int64(len(body))/2 {
				t.Errorf("%s: peers delivered %d of %d octets: %+v", c.name, got, len(body), receipt)
			}
		}
	}
}

// TestMirrorsShareASwarm: two origins that know nothing of each other state one
// digest of a file of their own, and the second node takes it from the first.
func TestMirrorsShareASwarm(t *testing.T) {
	first, second := testOrigin(t), testOrigin(t)
	body := Random(4<<20, 63)
	first.Put("/pub/big.iso", File{Body: body})
	second.Put("/mirror/of/big.iso", File{Body: body})
	n := testNet(t, Config{Nodes: 2})
	fetchBody(t, n.Nodes[0], first.URL+"/pub/big.iso", body)
	second.Pace.SetRate(uplink / 4)
	receipt, _ := fetchBody(t, n.Nodes[1], second.URL+"/mirror/of/big.iso", body)
	if got := from(receipt, "peer"); got < int64(len(body))/2 {
		t.Errorf("peers delivered %d of %d octets: %+v", got, len(body), receipt)
	}
}
