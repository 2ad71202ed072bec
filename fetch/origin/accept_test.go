package origin

import (
	"net/http"
	"strings"
	"testing"
)

func TestAcceptEncoding(t *testing.T) {
	for _, tt := range []struct{ field, want string }{
		{"", "identity"},
		{"gzip", "gzip"},
		{"GZIP", "gzip"},
		{"x-gzip", "gzip"},
		{"br, zstd, gzip;q=0.1", "gzip"},
		{"gzip; q=0.001", "gzip"},
		{"gzip ; Q=1.000", "gzip"},
		{"*", "gzip"},
		{"*;q=0.5", "gzip"},
		{"br, *;q=0.1", "gzip"},
		{"identity", "identity"},
		{"br", "identity"},
		{"dcb, dcz", "identity"},
		{"gzip;q=0", "identity"},
		{"gzip;q=0.000, *", "identity"},
		{"*;q=0", "identity"},
		{"*;q=0, gzip", "gzip"},
		{"gzip, gzip;q=0", "identity"},
		{"gzip;q=2", "identity"},
		{"gzip;q=1.5", "identity"},
		{"gzip;q=0.0001", "identity"},
		{"gzip;q=-1", "identity"},
		{"gzip;q=", "identity"},
		{"gzip;level=9", "identity"},
		{"gzipped", "identity"},
		{", ,", "identity"},
	} {
		h := http.Header{}
		if tt.field != "" {
			h.Set("Accept-Encoding", tt.field)
		}
		if got := AcceptEncoding(h); got != tt.want {
			t.Errorf("%q: got %s, want %s", tt.field, got, tt.want)
		}
	}
	if got := AcceptEncoding(http.Header{"Accept-Encoding": {"br", "gzip"}}); got != "gzip" {
		t.Errorf("two lines: got %s", got)
	}
}

func FuzzAcceptEncoding(f *testing.F) {
	f.Add("gzip;q=0.5, *;q=0")
	f.Fuzz(func(t *testing.T, field string) {
		got := AcceptEncoding(http.Header{"Accept-Encoding": {field}})
		if got == "gzip" && !strings.Contains(strings.ToLower(field), "gzip") && !strings.Contains(field, "*") {
			t.Errorf("%q became gzip", field)
		}
		// What goes out says the same again.
		if again := AcceptEncoding(http.Header{"Accept-Encoding": {got}}); again != got {
			t.Errorf("%q became %s and then %s", field, got, again)
		}
	})
}
