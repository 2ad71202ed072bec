package verify_test

import (
	"fmt"
	"net/http"
	"testing"

	"github.com/flashcrowd/flashcrowd/verify"
)

// TestPoliciesOfWeakDigests: what each policy takes of digests that can collide
// or are inferred, by media type, host and who puts files there (design.md
// section 5).
func TestPoliciesOfWeakDigests(t *testing.T) {
	const site = "https://site.test/file"
	md5, sha1, tag := "x-goog-hash: md5={md5b64}", "x-checksum-sha1: {sha1}", s3Plain
	for _, c := range []struct {
		url, text, kind           string
		publisher, learn          bool
		strict, balanced, opening bool
	}{
		{site, md5, "", false, false, false, false, true},
		{site, md5, "application/zip", false, false, false, false, true},
		{site, md5, "application/pdf", false, false, false, false, true},
		{site, md5, "image/svg+xml", false, false, false, false, true},
		{site, md5, "Image/SVG+XML; charset=utf-8", false, false, false, false, true},
		{site, md5, "image", false, false, false, false, true},
		{site, md5, "video/mp4, text/html", false, false, false, false, true},
		{site, md5, "image/png", false, false, false, true, true},
		{site, md5, "video/mp4", false, false, false, true, true},
		{site, md5, "font/woff2", false, false, false, true, true},
		{site, md5, "application/zip", true, false, false, true, true},
		{site, tag, "application/zip", false, false, false, false, true},
		{site, tag, "audio/ogg", false, false, false, true, true},
		{site, tag, "application/zip", true, false, false, true, true},
		{site, sha1, "application/zip", false, false, false, true, true},
		{site, "ETag: \"{sha256}\"", "application/zip", false, true, false, true, true},
		{site, "ETag: \"{sha1}\"", "application/zip", false, true, false, true, true},
		{site, "ETag: \"{md5}\"", "application/zip", false, true, false, false, true},
		// Where anybody can upload, SHA-1 is for what is shown only.
		{"https://b.s3.amazonaws.com/f", sha1, "application/zip", false, false, false, false, true},
		{"https://s3.eu-west-1.amazonaws.com/b/f", sha1, "application/zip", false, false, false, false, true},
		{"https://s3-us-west-2.amazonaws.com/b/f", sha1, "application/zip", false, false, false, false, true},
		{"https://b.s3-us-west-2.amazonaws.com/f", sha1, "application/zip", false, false, false, false, true},
		{"https://s3.cn-north-1.amazonaws.com.cn/b/f", sha1, "application/zip", false, false, false, false, true},
		{"https://b.s3.cn-north-1.amazonaws.com.cn/f", sha1, "application/zip", false, false, false, false, true},
		{"https://b.s3.dualstack.eu-west-1.amazonaws.com/f", sha1, "application/zip", false, false, false, false, true},
		{"https://B.S3.AMAZONAWS.COM/f", sha1, "application/zip", false, false, false, false, true},
		{"https://b.s3.amazonaws.com./f", sha1, "application/zip", false, false, false, false, true},
		{"https://storage.googleapis.com/b/f", sha1, "application/zip", false, false, false, false, true},
		{"https://raw.githubusercontent.com/f", sha1, "application/zip", false, false, false, false, true},
		{"https://f004.backblazeb2.com/file/f", sha1, "application/zip", false, false, false, false, true},
		{"https://upload.wikimedia.org/f", sha1, "image/svg+xml", false, false, false, false, true},
		{"https://upload.wikimedia.org/f", sha1, "image/jpeg", false, false, false, true, true},
		{"https://b.s3.amazonaws.com/f", sha1, "application/zip", true, false, false, true, true},
	} {
		x := shape{url: c.url, text: c.text, learn: c.learn}.exchange(t)
		of := verify.Case{URL: x.URL, ContentType: c.kind, Publisher: c.publisher}
		for policy, want := range map[verify.Policy]bool{verify.Strict: c.strict, verify.Balanced: c.balanced, "": c.balanced, verify.Open: c.opening} {
			if _, err := verify.AdmitFor(policy, of, verify.Read(x)); (err == nil) != want {
				t.Errorf("%s, %q as %q, publisher %v: %q takes it: %v", c.url, c.text, c.kind, c.publisher, policy, !want)
			}
		}
	}
}

// TestStrictRemembers: what this node remembers, under a validator of content
// or of a body that never changes.
func TestStrictRemembers(t *testing.T) {
	u := mustURL(t, "https://site.test/file")
	e := remembered(t, u.String(), hello, 0)
	for _, c := range []verify.Case{{URL: u}, {URL: u, Immutable: true}, {URL: u, Derived: true}} {
		if got, want := verify.Strict.Admits(e, c), c.Immutable || c.Derived; got != want {
			t.Errorf("immutable %v, derived %v: %v", c.Immutable, c.Derived, got)
		}
	}
}

// TestRules: the first glob that fits the host decides, whatever its case.
func TestRules(t *testing.T) {
	r := verify.Rules{
		Default:    verify.Strict,
		For:        []verify.PolicyFor{{Glob: "cdn.site.test", Policy: verify.Open}, {Glob: "*.site.test", Policy: verify.Balanced}},
		Publishers: []string{"*.publisher.test"},
	}
	for u, want := range map[string]string{
		"https://site.test/":            "strict false",
		"https://CDN.site.test:8443/":   "open false",
		"https://cdn.site.test./":       "open false",
		"https://a.b.site.test/":        "balanced false",
		"https://site.test.evil.test/":  "strict false",
		"https://evil.test/a.site.test": "strict false",
		"https://a.publisher.test/":     "strict true",
		"https://publisher.test/":       "strict false",
	} {
		if p, publisher := r.Of(mustURL(t, u)); fmt.Sprint(p, " ", publisher) != want {
			t.Errorf("%s: %s %v, want %s", u, p, publisher, want)
		}
	}
	if p, _ := (verify.Rules{}).Of(mustURL(t, "https://site.test/")); p != verify.Balanced {
		t.Errorf("no rules are %s", p)
	}
}

// TestWants: S3 is asked for its checksums where that can do no harm, which is
// neither with a signed request nor at anybody else's host.
func TestWants(t *testing.T) {
	for u, want := range map[string]bool{
		"https://b.s3.amazonaws.com/f":                                         true,
		"https://b.s3.eu-west-1.amazonaws.com/f":                               true,
		"https://b.s3.dualstack.eu-west-1.amazonaws.com/f":                     true,
		"https://s3-us-west-2.amazonaws.com/b/f":                               true,
		"https://s3.cn-north-1.amazonaws.com.cn/b/f":                           true,
		"https://acc.r2.cloudflarestorage.com/b/f":                             true,
		"https://pub-1.r2.dev/f":                                               true,
		"https://b.s3.amazonaws.com/f?X-Amz-Algorithm=A&X-Amz-Signature=ab":    false,
		"https://b.s3.amazonaws.com/f?x-amz-signature=ab":                      false,
		"https://b.s3.amazonaws.com/f?X%2DAmz%2DSignature=ab":                  false,
		"https://b.s3.amazonaws.com/f?AWSAccessKeyId=A&Expires=1&Signature=ab": false,
		"https://b.s3express-use1-az4.us-east-1.amazonaws.com/f":               false,
		"https://x.s3-object-lambda.us-east-1.amazonaws.com/f":                 false,
		"https://my-s3-api.execute-api.us-east-1.amazonaws.com/f":              false,
		"https://s3-front-1.us-east-1.elb.amazonaws.com/f":                     false,
		"https://s3.amazonaws.com.evil.test/f":                                 false,
		"https://evils3.amazonaws.com.test/f":                                  false,
		"https://site.test/s3.amazonaws.com":                                   false,
	} {
		for _, auth := range []bool{false, true} {
			h := http.Header{}
			if auth {
				h.Set("Authorization", "AWS4-HMAC-SHA256 x")
			}
			verify.Wants(h, mustURL(t, u))
			if got := h.Get("X-Amz-Checksum-Mode"); (got == "ENABLED") != (want && !auth) || got != "" && got != "ENABLED" {
				t.Errorf("%s, authorized %v: %q", u, auth, got)
			}
			if h.Get("Want-Repr-Digest") != verify.WantReprDigest {
				t.Errorf("%s: no Repr-Digest is asked for", u)
			}
		}
	}
	h := http.Header{"Want-Repr-Digest": {"sha-512=1"}, "X-Amz-Checksum-Mode": {"no"}}
	verify.Wants(h, mustURL(t, "https://b.s3.amazonaws.com/f"))
	if h.Get("Want-Repr-Digest") != "sha-512=1" || h.Get("X-Amz-Checksum-Mode") != "no" {
		t.Errorf("the client's own wish is changed: %v", h)
	}
}
