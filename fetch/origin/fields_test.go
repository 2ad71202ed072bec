package origin

import (
	"net/http"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/flashcrowd/flashcrowd/fetch"
)

func TestEndToEnd(t *testing.T) {
	in := http.Header{
		"Connection":          {"close, X-Hop", "content-length, cache-control, SET-COOKIE, vary, etag, x-other, repr-digest"},
		"X-Hop":               {"1"},
		"X-Other":             {"1"},
		"X-Kept":              {"1"},
		"Content-Length":      {"5"},
		"Cache-Control":       {"private"},
		"Set-Cookie":          {"a=b"},
		"Vary":                {"Cookie"},
		"Etag":                {`"1"`},
		"Repr-Digest":         {"sha-256=:AA==:"},
		"Keep-Alive":          {"timeout=5"},
		"Proxy-Authenticate":  {"Basic"},
		"Proxy-Authorization": {"Basic x"},
		"Proxy-Connection":    {"keep-alive"},
		"Te":                  {"trailers"},
		"Trailer":             {"X"},
		"Transfer-Encoding":   {"chunked"},
		"Upgrade":             {"websocket"},
	}
	want := http.Header{
		"X-Kept": {"1"}, "Content-Length": {"5"}, "Cache-Control": {"private"}, "Set-Cookie": {"a=b"},
		"Vary": {"Cookie"}, "Etag": {`"1"`}, "Repr-Digest": {"sha-256=:AA==:"},
	}
	before := in.Clone()
	if diff := cmp.Diff(want, endToEnd(in)); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
	if diff := cmp.Diff(before, in); diff != "" {
		t.Errorf("the argument was changed:\n%s", diff)
	}
	if got := endToEnd(nil); got == nil || len(got) != 0 {
		t.Errorf("of nothing: %v", got)
	}
}

func TestNominated(t *testing.T) {
	sent := http.Header{"Accept-Encoding": {"gzip"}, "Origin": {"https://a.example"}, "Cookie": {"a", "b"}}
	for _, tt := range []struct {
		vary []string
		want http.Header
	}{
		{nil, nil},
		{[]string{"*"}, nil},
		{[]string{"X-Absent"}, nil},
		{[]string{"accept-encoding,ORIGIN"}, http.Header{"Accept-Encoding": {"gzip"}, "Origin": {"https://a.example"}}},
		{[]string{"Accept-Encoding", " cookie ,"}, http.Header{"Accept-Encoding": {"gzip"}, "Cookie": {"a", "b"}}},
	} {
		if diff := cmp.Diff(tt.want, nominated(http.Header{"Vary": tt.vary}, sent)); diff != "" {
			t.Errorf("%q (-want +got)\n%s", tt.vary, diff)
		}
	}
}

func TestCheckReceived(t *testing.T) {
	many := http.Header{"X": strings.Split(strings.Repeat("a,", maxFields), ",")}
	for _, tt := range []struct {
		name   string
		status int
		header http.Header
		want   fetch.Cause
	}{
		{"plain", 200, http.Header{"X": {"a\tb\x01"}}, ""},
		{"most fields", 200, http.Header{"X": many["X"][:maxFields]}, ""},
		{"too many fields", 200, many, fetch.HeaderSize},
		{"odd but valid status", 799, nil, ""},
		{"switching", 101, nil, fetch.Protocol},
		{"status 7", 7, nil, fetch.Protocol},
		{"status 1000", 1000, nil, fetch.Protocol},
		{"negative status", -5, nil, fetch.Protocol},
		{"carriage return", 200, http.Header{"X": {"a\rSet-Cookie: b"}}, fetch.Protocol},
		{"line feed", 200, http.Header{"X": {"a\nb"}}, fetch.Protocol},
		{"nul", 200, http.Header{"X": {"a\x00b"}}, fetch.Protocol},
		{"name", 200, http.Header{"X Y": {"a"}}, fetch.Protocol},
		{"two lengths", 200, http.Header{"Content-Length": {"1", "2"}}, fetch.Protocol},
		{"signed length", 200, http.Header{"Content-Length": {"+1"}}, fetch.Protocol},
		{"no length", 200, http.Header{"Content-Length": {""}}, fetch.Protocol},
	} {
		err := checkReceived(&http.Response{StatusCode: tt.status, Header: tt.header})
		if (err == nil) != (tt.want == "") || err != nil && fetch.CauseOf(err) != tt.want {
			t.Errorf("%s: got %v, want %q", tt.name, err, tt.want)
		}
	}
}

func TestCheckSent(t *testing.T) {
	for _, tt := range []struct {
		method string
		header http.Header
		ok     bool
	}{
		{"GET", http.Header{"X": {"a"}}, true},
		{"PROPFIND", nil, true},
		{"CONNECT", nil, false},
		{"GET /x HTTP/1.1\r\nA:", nil, false},
		{"", nil, false},
		{"GET", http.Header{"X": {"a\r\nB: c"}}, false},
		{"GET", http.Header{"X\r\nY": {"a"}}, false},
	} {
		err := checkSent(tt.method, tt.header)
		if (err == nil) != tt.ok || err != nil && fetch.CauseOf(err) != fetch.BadRequest {
			t.Errorf("%q %v: %v", tt.method, tt.header, err)
		}
	}
}
