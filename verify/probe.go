package verify

import (
	"net/url"
	"strconv"
	"strings"
)

// PartProbe returns the URL whose HEAD tells the size of the parts that x's
// entity tag is made of (Exchange.PartSize), and the Flashcrowd-Evidence field
// of what that would prove c's body by. ok is false where there is nothing to
// ask: the tag is none of parts, p would not take it, or the request is signed,
// and would be refused.
func PartProbe(p Policy, c Case, x Exchange) (ask *url.URL, field string, ok bool) {
	e := newExchange(x)
	_, parts, tagged := partsTag(e)
	if !tagged || x.Length <= 0 || x.Authorized || presigned(x.URL) || strings.Contains(x.URL.RawQuery, "partNumber") {
		return nil, "", false
	}
	x.PartSize = (x.Length + parts - 1) / parts // any that fits, to see what p says
	proof, err := AdmitFor(p, c, Read(x))
	if err != nil || proof.Digest().Algorithm() != MD5Parts {
		return nil, "", false
	}
	u := *x.URL
	if u.RawQuery != "" {
		u.RawQuery += "&"
	}
	u.RawQuery += "partNumber=1"
	return &u, proof.Evidence().Field(), true
}

// partsTag reads an entity tag of S3 over the tags of so many parts.
func partsTag(x *exchange) (sum []byte, parts int64, ok bool) {
	t, tagged := x.etag()
	hash, n, parted := strings.Cut(t.text, "-")
	parts, err := strconv.ParseInt(n, 10, 32)
	if !tagged || !parted || err != nil || parts < 1 || n != strconv.FormatInt(parts, 10) || !t.strong || !t.quoted ||
		!lowerHex(hash, 32) || !x.whole() || !isS3(x) || !s3Plain(x) {
		return nil, 0, false
	}
	return hexSum(MD5, hash), parts, true
}
