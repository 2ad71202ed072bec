package origin

import (
	"fmt"
	"testing"

	"github.com/flashcrowd/flashcrowd/fetch"
)

func TestParseContentRange(t *testing.T) {
	for _, tt := range []struct {
		line string
		want contentRange
		ok   bool
	}{
		{"bytes 0-0/1", contentRange{fetch.Span{Offset: 0, End: 1}, 1}, true},
		{"bytes 5-9/10", contentRange{fetch.Span{Offset: 5, End: 10}, 10}, true},
		{"Bytes 0-9/*", contentRange{fetch.Span{Offset: 0, End: 10}, -1}, true},
		{"bytes */10", contentRange{}, false},
		{"bytes 5-10/10", contentRange{}, false},
		{"bytes 9-5/10", contentRange{}, false},
		{"bytes -5/10", contentRange{}, false},
		{"bytes 5-/10", contentRange{}, false},
		{"bytes 0--1/10", contentRange{}, false},
		{"bytes +0-1/10", contentRange{}, false},
		{"bytes 0-1", contentRange{}, false},
		{"bytes=0-1/2", contentRange{}, false},
		{"items 0-1/2", contentRange{}, false},
		{"bytes 0-9223372036854775807/*", contentRange{}, false},
		{"bytes 0-18446744073709551615/18446744073709551616", contentRange{}, false},
		{"", contentRange{}, false},
	} {
		got, ok := parseContentRange([]string{tt.line})
		if got != tt.want || ok != tt.ok {
			t.Errorf("%q: got %+v %v", tt.line, got, ok)
		}
	}
	if _, ok := parseContentRange(nil); ok {
		t.Error("no field is no range")
	}
	if _, ok := parseContentRange([]string{"bytes 0-0/1", "bytes 0-0/1"}); ok {
		t.Error("two fields are no range")
	}
}

func FuzzParseContentRange(f *testing.F) {
	for _, s := range []string{"bytes 0-0/1", "bytes 0-9/*", "bytes */5", "bytes 9-8/9"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, line string) {
		r, ok := parseContentRange([]string{line})
		if !ok {
			return
		}
		if r.span.Offset < 0 || r.span.Len() < 1 || r.total != -1 && r.span.End > r.total {
			t.Errorf("%q: %+v", line, r)
		}
		total := "*"
		if r.total >= 0 {
			total = fmt.Sprint(r.total)
		}
		again, ok := parseContentRange([]string{fmt.Sprintf("bytes %d-%d/%s", r.span.Offset, r.span.End-1, total)})
		if !ok || again != r {
			t.Errorf("%q: %+v and then %+v", line, r, again)
		}
	})
}
