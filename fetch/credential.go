package fetch

import (
	"math"
	"net/url"
	"strings"
)

// credentialNames are names of query parameters by which a URL grants access
// (W3C TAG, Good Practices for Capability URLs; signed URLs of S3, GCS, Azure,
// CloudFront and Akamai). A name that begins with one of credentialPrefixes
// counts too.
var (
	credentialNames = map[string]bool{
		"signature": true, "expires": true, "key-pair-id": true, "policy": true, "sig": true, "se": true,
		"sp": true, "sv": true, "st": true, "skoid": true, "token": true, "access_token": true,
		"id_token": true, "refresh_token": true, "auth": true, "authorization": true, "key": true,
		"apikey": true, "api_key": true, "code": true, "state": true, "session": true, "sessionid": true,
		"sid": true, "phpsessid": true, "jsessionid": true, "jwt": true, "hdnts": true, "hdnea": true,
		"verify": true, "password": true, "passwd": true, "pwd": true, "secret": true, "ticket": true,
		"nonce": true, "otp": true, "hmac": true, "user": true, "email": true, "login": true,
		"__token__": true, "awsaccesskeyid": true, "googleaccessid": true,
	}
	credentialPrefixes = []string{"x-amz-", "x-goog-", "x-ms-", "x-oss-", "x-cos-"}
)

// tokenLike reports whether the query of u may hold a credential: by the name
// of a parameter, or by a value (or a bare query) that looks random.
func tokenLike(u *url.URL) bool {
	for part := range strings.SplitSeq(strings.ReplaceAll(u.RawQuery, ";", "&"), "&") {
		name, value, named := strings.Cut(part, "=")
		if !named {
			name, value = "", part
		}
		name, value = unescape(name), unescape(value)
		if credentialName(strings.ToLower(name)) || looksRandom(value) || looksRandom(name) {
			return true
		}
	}
	return false
}

func unescape(s string) string {
	if d, err := url.QueryUnescape(s); err == nil {
		return d
	}
	return s
}

func credentialName(name string) bool {
	if credentialNames[name] {
		return true
	}
	for _, p := range credentialPrefixes {
		if strings.HasPrefix(name, p) {
			return true
		}
	}
	return strings.HasSuffix(name, "key") || strings.HasSuffix(name, "pass") || strings.HasSuffix(name, "credential") ||
		strings.HasSuffix(name, "appid") || strings.HasSuffix(name, "invite") || strings.HasSuffix(name, "token") || strings.HasSuffix(name, "signature") || strings.HasSuffix(name, "secret")
}

// looksRandom reports whether some run of 20 or more letters, digits, "-" and
// "_" in s has 3.5 bits of entropy an octet or more (2.75 if it is hexadecimal,
// which has no more than 4), unless the run is a hash in hexadecimal (32, 40,
// 64, 96 or 128 digits), which names content. English words joined by dashes
// stay below: they mix few classes of characters.
func looksRandom(s string) bool {
	runs := strings.FieldsFunc(s, func(r rune) bool {
		return !(r == '-' || r == '_' || r == '+' || r == '/' || '0' <= r && r <= '9' || 'a' <= r && r <= 'z' || 'A' <= r && r <= 'Z')
	})
	for _, run := range runs {
		least := 3.5
		if isHex(run) {
			least = 2.75
		}
		if len(run) >= 20 && !isHashName(run) && classes(run) >= 2 && entropy(run) >= least {
			return true
		}
	}
	return false
}

func isHex(s string) bool { return strings.Trim(strings.ToLower(s), "0123456789abcdef") == "" }

func isHashName(s string) bool {
	switch len(s) {
	case 32, 40, 64, 96, 128:
		return isHex(s)
	}
	return false
}

// classes counts which of digits, lower case and upper case occur in s.
func classes(s string) int {
	n := 0
	for _, set := range []string{"0123456789", "abcdefghijklmnopqrstuvwxyz", "ABCDEFGHIJKLMNOPQRSTUVWXYZ"} {
		if strings.ContainsAny(s, set) {
			n++
		}
	}
	return n
}

// entropy is the Shannon entropy of the octets of s, in bits an octet.
func entropy(s string) float64 {
	var count [256]float64
	for i := range len(s) {
		count[s[i]]++
	}
	h := 0.0
	for _, c := range count {
		if c > 0 {
			p := c / float64(len(s))
			h -= p * math.Log2(p)
		}
	}
	return h
}
