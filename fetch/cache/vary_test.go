package cache

import (
	"net/http"
	"testing"

	"github.com/flashcrowd/flashcrowd/fetch"
)

// RFC 9111 section 4.1.
func TestSelects(t *testing.T) {
	h := func(fields ...string) http.Header {
		out := http.Header{}
		for i := 0; i < len(fields); i += 2 {
			out.Add(fields[i], fields[i+1])
		}
		return out
	}
	for _, tt := range []struct {
		name     string
		vary     []string
		coding   string
		had, has http.Header
		want     bool
	}{
		{"no Vary", nil, "", h(), h("Accept-Language", "de"), true},
		{"equal", []string{"X-A"}, "", h("X-A", "1"), h("X-A", "1", "X-B", "2"), true},
		{"another value", []string{"X-A"}, "", h("X-A", "1"), h("X-A", "2"), false},
		{"case of a value counts", []string{"X-A"}, "", h("X-A", "a"), h("X-A", "A"), false},
		{"absent then, present now", []string{"X-A"}, "", h(), h("X-A", "1"), false},
		{"present then, absent now", []string{"X-A"}, "", h("X-A", "1"), h(), false},
		{"absent is not empty", []string{"X-A"}, "", h(), h("X-A", ""), false},
		{"absent both", []string{"X-A"}, "", h(), h(), true},
		{"all names, all lines", []string{"x-a", "X-B, ,x-c"}, "", h("X-A", "1", "X-C", "3"), h("X-A", "1", "X-C", "4"), false},
		{"lines combined", []string{"X-A"}, "", h("X-A", "1", "X-A", "2"), h("X-A", "1, 2"), true},
		{"order of lines counts", []string{"X-A"}, "", h("X-A", "1", "X-A", "2"), h("X-A", "2", "X-A", "1"), false},
		{"space around", []string{"X-A"}, "", h("X-A", " 1\t"), h("X-A", "1"), true},
		{"language: space and case", []string{"Accept-Language"}, "", h("Accept-Language", "de, en;q=0.5"), h("Accept-Language", "DE,en; q=0.5"), true},
		{"star", []string{"*"}, "", h(), h(), false},
		{"star among others", []string{"X-A", "X-B, *"}, "", h(), h(), false},
		{"no name", []string{"X A"}, "", h(), h(), false},
		{"gzip: by what goes upstream", []string{"Accept-Encoding"}, "gzip", h("Accept-Encoding", "gzip"), h("Accept-Encoding", "br, GZIP;q=0.8"), true},
		{"gzip by *", []string{"Accept-Encoding"}, "gzip", h("Accept-Encoding", "gzip"), h("Accept-Encoding", "*"), true},
		{"gzip refused", []string{"Accept-Encoding"}, "gzip", h("Accept-Encoding", "gzip"), h("Accept-Encoding", "*, gzip;q=0"), false},
		{"gzip refused, long", []string{"Accept-Encoding"}, "gzip", h("Accept-Encoding", "gzip"), h("Accept-Encoding", "gzip; q=0.000"), false},
		{"gzip not named", []string{"Accept-Encoding"}, "gzip", h("Accept-Encoding", "gzip"), h("Accept-Encoding", "br"), false},
		{"gzip, and nothing said", []string{"Accept-Encoding"}, "gzip", h("Accept-Encoding", "gzip"), h(), false},
		{"identity", []string{"Accept-Encoding"}, "", h("Accept-Encoding", "identity"), h("Accept-Encoding", "br"), true},
		{"another coding: exactly", []string{"Accept-Encoding"}, "br", h("Accept-Encoding", "gzip, br"), h("Accept-Encoding", "gzip"), false},
		{"another coding: same", []string{"Accept-Encoding"}, "br", h("Accept-Encoding", "gzip, br"), h("Accept-Encoding", "gzip,BR"), true},
	} {
		t.Run(tt.name, func(t *testing.T) {
			m := response()
			m.Header["Vary"], m.Vary = tt.vary, tt.had
			if tt.coding != "" {
				m.Header.Set("Content-Encoding", tt.coding)
			}
			if got := selects(m, tt.has); got != tt.want {
				t.Errorf("selects = %v, want %v", got, tt.want)
			}
			other := response()
			other.Header, other.Vary = m.Header, tt.has
			if _, star := varyNames(m.Header); !star && (variantKey(m) == variantKey(other)) != tt.want {
				t.Errorf("keys equal: %v, want %v", !tt.want, tt.want)
			}
		})
	}
}

// TestCodedResponseWithoutVary: what an origin codes without saying Vary does
// not answer who cannot read it.
func TestCodedResponseWithoutVary(t *testing.T) {
	m := &fetch.Meta{Header: http.Header{"Content-Encoding": {"gzip"}}}
	for accepted, want := range map[string]bool{"gzip": true, "gzip, br": true, "identity": false, "br": false, "gzip;q=0": false} {
		if got := selects(m, http.Header{"Accept-Encoding": {accepted}}); got != want {
			t.Errorf("Accept-Encoding %q: selected %v, want %v", accepted, got, want)
		}
	}
	if selects(m, http.Header{}) {
		t.Error("no Accept-Encoding: selected")
	}
}
