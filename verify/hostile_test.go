package verify_test

import (
	"fmt"
	"net/http"
	"net/url"
	"runtime"
	"strings"
	"testing"

	"github.com/flashcrowd/flashcrowd/verify"
)

// hostile are header sections of about n octets that are as dear to read as
// anybody here could make them.
func hostile(n int) map[string]http.Header {
	fill := func(unit string) string { return strings.Repeat(unit, n/len(unit)+1)[:n/len(unit)*len(unit)] }
	lines := func(unit string) []string {
		return strings.Split(strings.TrimSuffix(fill(unit+"\n"), "\n"), "\n")
	}
	return map[string]http.Header{
		"members":           {"Repr-Digest": {fill("a=1,") + "b=1"}},
		"one name":          {"Repr-Digest": {fill("sha-256=:AAAA:,") + "sha-256=:AAAA:"}},
		"parameters":        {"Repr-Digest": {"sha-256=:AAAA:" + fill(";a=1")}},
		"inner lists":       {"Repr-Digest": {fill("a=(1 2 3 4),") + "b=1"}},
		"open list":         {"Repr-Digest": {"a=(" + fill("1 ")}},
		"octets":            {"Repr-Digest": {"sha-256=:" + fill("AAAA") + ":"}},
		"commas":            {"Repr-Digest": {fill(",")}, "Digest": {fill(",")}},
		"legacy":            {"Digest": {fill("SHA-256=AAAA,")}},
		"legacy lines":      {"Digest": lines("SHA-256=47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=")},
		"both":              {"Repr-Digest": {fill("a=1,") + "b=1"}, "Digest": {fill("a=1,")}, "Content-Digest": {fill("a=1,") + "b=1"}, "Unencoded-Digest": {fill("a=1,") + "b=1"}},
		"entity tag":        {"Etag": {`"` + fill("0") + `"`}, "X-Amz-Request-Id": {"1"}, "X-Amz-Id-2": {"1"}},
		"dashes":            {"Etag": {`"` + fill("-1") + `"`}, "X-Amz-Request-Id": {"1"}, "X-Amz-Id-2": {"1"}},
		"base 36":           {"X-Object-Meta-Sha1base36": {fill("z")}},
		"hashes of GCS":     {"X-Goog-Hash": {fill("md5=AAAA,")}},
		"lines of GCS":      {"X-Goog-Hash": lines("md5=1B2M2Y8AsgTpgAmY7PhCfg==")},
		"codings":           {"Content-Encoding": lines("gzip")},
		"checksum in lines": {"X-Checksum-Sha256": lines("00")},
		"media type":        {"X-Checksum-Sha1": {strings.Repeat("0", 40)}, "Content-Type": {"image/png" + numbered(n, ";%x*0=c")}},
	}
}

// numbered is about n octets of format with 1, 2 and so on.
func numbered(n int, format string) string {
	var b strings.Builder
	for i := 1; b.Len() < n; i++ {
		fmt.Fprintf(&b, format, i)
	}
	return b.String()
}

// allocated is how many octets f allocates.
func allocated(f func()) uint64 {
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	f()
	runtime.ReadMemStats(&after)
	return after.TotalAlloc - before.TotalAlloc
}

func hostileExchange(h http.Header) verify.Exchange {
	u := &url.URL{Scheme: "https", Host: "upload.wikimedia.org", Path: "/" + strings.Repeat("resolve/", 100), RawQuery: strings.Repeat("&", 4<<10)}
	return verify.Exchange{URL: u, Method: http.MethodGet, Status: 200, Header: h, Length: 300, At: noon, Followed: true, Profiles: &verify.Profiles{}}
}

// TestHostileHeaderCost: however large a header section is, and this node takes
// 64 KiB from an origin, to read it costs less than 4 MiB, and nothing in it
// grows with the square of its size.
func TestHostileHeaderCost(t *testing.T) {
	const limit, most = 64 << 10, 4 << 20
	cost := func(h http.Header) uint64 {
		x := hostileExchange(h)
		read := func() {
			found := verify.Read(x)
			verify.Survey(x)
			_, err := verify.AdmitFor(verify.Balanced, verify.Case{URL: x.URL, ContentType: h.Get("Content-Type")}, found)
			verify.Missing(x, verify.Balanced, err)
			verify.Wants(http.Header{}, x.URL)
			x.Profiles.Guesses(x)
		}
		read()
		return allocated(read)
	}
	small, double := hostile(1900), hostile(3800)
	for name, h := range hostile(limit) {
		all, part, twice := cost(h), cost(small[name]), cost(double[name])
		t.Logf("%-18s %7d octets allocated for 1.9 KB, %7d for 3.8 KB, %7d for 64 KiB", name, part, twice, all)
		if max(all, twice) > most {
			t.Errorf("%s: %d and %d octets are allocated", name, all, twice)
		}
		if twice > 3*part+256<<10 { // pools of the standard library come and go
			t.Errorf("%s: %d octets are allocated, and %d for half of the header", name, twice, part)
		}
	}
	for _, row := range verify.Table() {
		for _, unit := range []string{"sha512-AAAA ", "0", "<hash>", "?", "\x00"} {
			value := strings.Repeat(unit, limit/len(unit))
			u := mustURL(t, "https://site.test/file")
			got := allocated(func() {
				if e, err := verify.Pin(row, u, u, value, 300, noon); err == nil {
					t.Errorf("%s pins %s by %q...", row.Source, e.Digest(), unit)
				}
			})
			if got > 100*limit {
				t.Errorf("%s: %d octets are allocated for a value of %d", row.Source, got, limit)
			}
		}
	}
}

// BenchmarkHostileHeader is the time that the dearest header sections take,
// fields of nearly the length beyond which none is read.
func BenchmarkHostileHeader(b *testing.B) {
	for name, h := range hostile(4000) {
		x := hostileExchange(h)
		b.Run(name, func(b *testing.B) {
			for b.Loop() {
				verify.Read(x)
			}
		})
	}
}
