package fetch

import (
	"net/http"
	"strings"
	"testing"
)

// FuzzDirectives holds that nothing hides a directive in another line or
// before a comma, and that none comes from nowhere.
func FuzzDirectives(f *testing.F) {
	for _, s := range []string{"max-age=60", `private="a, b"`, `x="\"`, `"`, `x="no-store`, ",", "=", "NO-STORE", `x="a\", no-store, \"b"`} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, line string) {
		if !directives([]string{line, "no-store"}).has("no-store") || !directives([]string{"no-store," + line}).has("no-store") {
			t.Errorf("%q hides no-store", line)
		}
		if directives([]string{line}).has("no-store") && !strings.Contains(strings.ToLower(line), "no-store") {
			t.Errorf("%q has no-store", line)
		}
	})
}

// FuzzCoding holds that two requests that join one flight take the same
// codings: what says nothing of gzip does not come to gzip.
func FuzzCoding(f *testing.F) {
	for _, s := range []string{"", "gzip", "gzip;q=0", "gzip, br;q=1.0", "*", "identity", "gzip ; q=0.5", "GZIP", "x-gzip", "gzip;q=1.001"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, line string) {
		got := coding(http.Header{"Accept-Encoding": {line}})
		if got == "gzip" && !strings.Contains(strings.ToLower(line), "gzip") {
			t.Errorf("%q comes to gzip", line)
		}
		if got != "gzip" && got != "identity" && !strings.HasPrefix(got, "as ") {
			t.Errorf("%q comes to %q", line, got)
		}
		if coding(http.Header{"Accept-Encoding": {line, "*;q=0"}}) == "gzip" {
			t.Errorf("%q hides *", line)
		}
	})
}
