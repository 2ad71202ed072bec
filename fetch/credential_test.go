package fetch

import (
	"encoding/base64"
	"encoding/hex"
	"math/rand/v2"
	"net/url"
	"testing"
)

var signedURLs = map[string]string{
	"S3 v4":                "https://b.s3.eu-central-1.amazonaws.com/k?X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Credential=AKIAIOSFODNN7EXAMPLE%2F20260101%2Feu-central-1%2Fs3%2Faws4_request&X-Amz-Date=20260101T000000Z&X-Amz-Expires=86400&X-Amz-SignedHeaders=host&X-Amz-Signature=fe5f80f77d5fa3beca038a248ff027d0445342fe2855ddc963176630326f1024",
	"S3 v2":                "https://b.s3.amazonaws.com/k?AWSAccessKeyId=AKIAIOSFODNN7EXAMPLE&Signature=vjbyPxybdZaNmGa%2ByT272YEAiv4%3D&Expires=1141889120",
	"GCS v4":               "https://storage.googleapis.com/b/k?X-Goog-Algorithm=GOOG4-RSA-SHA256&X-Goog-Credential=x&X-Goog-Signature=247a2aa4",
	"GCS v2":               "https://storage.googleapis.com/b/k?GoogleAccessId=x@y.iam.gserviceaccount.com&Expires=1388534400&Signature=BClz9e4UA2MRRDX62TPd8sNpUCxVsqUDG3YGPWvPcwN%2BmWBPqwgUYcOSszCPlgWREeF7oPGowkeKk7J4WApzkzxERdOQmAdrvshKSzUHg8Jqp1lw9tbiJfE2ExdOOIoJVmGLoDeAGnfzCd4fTsWcLbal9sFpqXsQI8IQi1493mw%3D",
	"Azure SAS":            "https://a.blob.core.windows.net/c/b?sv=2022-11-02&st=2026-01-01T00%3A00%3A00Z&se=2026-01-02T00%3A00%3A00Z&sr=b&sp=r&sig=Z%2FRHIX5Xcg0Mq2rqI3OlWTjEg2tYkboXr1P9ZUXDtkk%3D",
	"CloudFront":           "https://d111.cloudfront.net/f?Expires=1357034400&Signature=nitfHRCrtziwO2HwPfWw~yYDhUF5EwRunQA-j19DzZrvDh6hQ73lDx~-ar3UocvvRQVw6EkC~GdpGQyyOSKQim-TxAnW7d8F5Kkai9HVx0FIu&Key-Pair-Id=K2JCJMDEHXQW5F",
	"CloudFront policy":    "https://d111.cloudfront.net/f?Policy=eyANCiAgICEXAMPLEW1lbnQ&Key-Pair-Id=APKA9ONS7QCOWEXAMPLE",
	"Akamai":               "https://x.akamaized.net/f?hdnts=exp=1357034400~acl=/*~hmac=0ccd1b0ddcbd1b3c3f2c0d5a3b9b4e8d",
	"Akamai 2":             "https://x.akamaized.net/f?__token__=exp=1357034400~hmac=0ccd1b0d",
	"Fastly":               "https://x.example/f?token=1357034400_a24ea6",
	"Alibaba":              "https://b.oss-cn-hangzhou.aliyuncs.com/k?x-oss-signature=77&x-oss-expires=1",
	"Tencent":              "https://b.cos.ap-beijing.myqcloud.com/k?q-sign-algorithm=sha1&q-ak=AKIDQjz3ltompVjBni5LitkWHFlFpwkn9U5q&q-signature=f6e26e1f5e5c&x-cos-security-token=a",
	"private package feed": "https://x.example/simple/?ACCESS_TOKEN=abc",
	"session":              "https://x.example/f;v=1?a=1;JSESSIONID=1",
	"encoded":              "https://x.example/f?%73ig=1",
	"OAuth":                "https://x.example/cb?code=4&state=5",
	"JWT alone":            "https://x.example/f?eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9.eyJzdWIiOiIxMjM0NTY3ODkwIn0.dozjgNryP4J3jVmNHl0w5N_XgL0n3I9PlFUP0THsR8U",
	"GitHub raw":           "https://raw.githubusercontent.com/o/r/main/f?token=GHSAT0AAAAAACFZ",
	"upper hex":            "https://x.example/f?id=0CCD1B0DDCBD1B3C3F2C0D5A3B9B4E8D77",
}

var ordinaryURLs = []string{
	"https://x.example/f", "https://x.example/f?", "https://x.example/f?v=1.2.3", "https://x.example/f?page=2",
	"https://x.example/f?lang=en-US", "https://x.example/f?file=linux-image-6.1.0-13-amd64", "https://x.example/f?raw=true",
	"https://x.example/f?v=9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08",
	"https://x.example/f?md5=d41d8cd98f00b204e9800998ecf8427e&sha1=da39a3ee5e6b4b0d3255bfef95601890afd80709",
	"https://x.example/f?download=1&version=2024-05-01T10:00:00Z", "https://x.example/f?width=1920&height=1080&format=webp",
	"https://x.example/f?q=the+quick+brown+fox", "https://x.example/f?path=/debian/pool/main/l/linux",
	"https://x.example/f?family=Roboto:400,700&display=swap", "https://x.example/f?ts=1700000000",
	"https://x.example/f?utm_source=newsletter&utm_campaign=spring", "https://x.example/f?sort=name&order=descending",
}

func parse(t testing.TB, s string) *url.URL {
	t.Helper()
	u, err := url.Parse(s)
	if err != nil {
		t.Fatal(err)
	}
	return u
}

func TestTokenLike(t *testing.T) {
	for name, s := range signedURLs {
		if !tokenLike(parse(t, s)) {
			t.Errorf("%s: taken for ordinary", name)
		}
	}
	for _, s := range ordinaryURLs {
		if tokenLike(parse(t, s)) {
			t.Errorf("%s: taken for a credential", s)
		}
	}
}

// TestRandomValuesAreTokenLike: whatever its name, and wherever it stands.
func TestRandomValuesAreTokenLike(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	for range 3000 {
		secret := make([]byte, 18+r.IntN(20))
		for i := range secret {
			secret[i] = byte(r.Uint32())
		}
		text := []string{
			base64.RawURLEncoding.EncodeToString(secret), url.QueryEscape(base64.StdEncoding.EncodeToString(secret)),
			hex.EncodeToString(secret) + "0f", // 38 digits and more, but no length of a hash
		}[r.IntN(3)]
		if n := len(text); isHashName(text) || n == 0 {
			continue
		}
		for _, s := range []string{"?f=" + text, "?" + text, "?a=1&f=" + text + "&b=2", "?a=1;f=" + text, "?" + text + "=1"} {
			if u := parse(t, "https://x.example/f"+s); !tokenLike(u) {
				t.Fatalf("%s: taken for ordinary", u)
			}
		}
	}
}

// TestHashNamesAreOrdinary: a hash in hexadecimal names content.
func TestHashNamesAreOrdinary(t *testing.T) {
	r := rand.New(rand.NewPCG(3, 4))
	for _, n := range []int{16, 20, 32, 48, 64} {
		sum := make([]byte, n)
		for i := range sum {
			sum[i] = byte(r.Uint32())
		}
		if u := parse(t, "https://x.example/f?v="+hex.EncodeToString(sum)); tokenLike(u) {
			t.Errorf("%s: taken for a credential", u)
		}
	}
}

// FuzzTokenLike: a credential is seen whatever stands around it.
func FuzzTokenLike(f *testing.F) {
	for _, s := range signedURLs {
		f.Add(parse(f, s).RawQuery)
	}
	for _, s := range ordinaryURLs {
		f.Add(parse(f, s).RawQuery)
	}
	f.Fuzz(func(t *testing.T, query string) {
		before := tokenLike(&url.URL{RawQuery: query})
		if before && !(tokenLike(&url.URL{RawQuery: query + "&a=b"}) && tokenLike(&url.URL{RawQuery: "a=b&" + query})) {
			t.Errorf("%q is a credential, and not in company", query)
		}
		if !tokenLike(&url.URL{RawQuery: query + "&sig=1"}) || !tokenLike(&url.URL{RawQuery: "X-Amz-Signature=1;" + query}) {
			t.Errorf("%q hides a signature", query)
		}
	})
}
