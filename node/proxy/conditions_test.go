package proxy

import (
	"net/http"
	"strings"
	"testing"
)

// fields makes a header of names and values by turns.
func fieldsOf(pairs ...string) http.Header {
	h := http.Header{}
	for i := 0; i+1 < len(pairs); i += 2 {
		h.Add(pairs[i], pairs[i+1])
	}
	return h
}

// RFC 9110 section 13.2.2.
func TestEvaluate(t *testing.T) {
	const before, day, after = "Sat, 05 Nov 1994 08:49:37 GMT", "Sun, 06 Nov 1994 08:49:37 GMT", "Mon, 07 Nov 1994 08:49:37 GMT"
	f := fieldsOf
	for _, tt := range []struct {
		name     string
		asked, h http.Header
		want     precondition
	}{
		{"none", f(), f("Etag", `"a"`), holds},
		{"tag", f("If-None-Match", `"a"`), f("Etag", `"a"`), notModified},
		{"tag in the second line", f("If-None-Match", `"b"`, "If-None-Match", `"a"`), f("Etag", `"a"`), notModified},
		{"no tag to compare", f("If-None-Match", `"a"`), f(), holds},
		{"two tags stored are none", f("If-None-Match", `"a"`), f("Etag", `"a"`, "Etag", `"b"`), holds},
		{"empty tag stored", f("If-None-Match", ""), f("Etag", ""), holds},
		{"tag that fails hides the date", f("If-None-Match", `"b"`, "If-Modified-Since", after), f("Etag", `"a"`, "Last-Modified", day), holds},
		{"star", f("If-None-Match", "*"), f(), notModified},
		{"star in a list is a tag", f("If-None-Match", `*, "b"`), f("Etag", `"a"`), holds},
		{"date", f("If-Modified-Since", day), f("Last-Modified", day), notModified},
		{"date before", f("If-Modified-Since", before), f("Last-Modified", day), holds},
		{"Last-Modified that is no date", f("If-Modified-Since", after), f("Last-Modified", "x", "Date", day), holds},
		{"Date in its place", f("If-Modified-Since", after), f("Date", day), notModified},
		{"neither", f("If-Modified-Since", after), f(), holds},
		{"If-Match", f("If-Match", `"a"`), f("Etag", `"a"`), holds},
		{"If-Match is strong", f("If-Match", `W/"a"`), f("Etag", `W/"a"`), failed},
		{"If-Match before If-None-Match", f("If-Match", `"b"`, "If-None-Match", `"a"`), f("Etag", `"a"`), failed},
		{"If-Unmodified-Since", f("If-Unmodified-Since", before), f("Last-Modified", day), failed},
		{"If-Unmodified-Since, nothing known", f("If-Unmodified-Since", before), f(), holds},
	} {
		if got := evaluate(tt.asked, tt.h); got != tt.want {
			t.Errorf("%s: %d, want %d", tt.name, got, tt.want)
		}
	}
}

// FuzzEntityTags holds that a list of tags matches each tag that was put into
// it and no other, whatever stands beside them.
func FuzzEntityTags(f *testing.F) {
	for _, s := range []string{"", `"b"`, `W/"b", `, `"x,y",`, `"`, `"a`, `a"`, ",,", `"b" junk, `, "*", "W/", `\"`} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, beside string) {
		own := http.Header{"Etag": {`"needle"`}}
		if strings.Count(beside, `"`)%2 == 0 && strings.HasSuffix(strings.TrimRight(beside, " \t"), ",") {
			if !matches([]string{beside + `"needle"`}, own, strongly) && !strings.Contains(beside, `"`) {
				t.Errorf("not found behind %q", beside)
			}
		}
		if matches([]string{beside}, own, strongly) && !strings.Contains(beside, `"needle"`) && strings.TrimSpace(beside) != "*" {
			t.Errorf("found in %q", beside)
		}
		if !matches([]string{beside, `"needle"`}, own, weakly) {
			t.Errorf("not found in the line behind %q", beside)
		}
	})
}
