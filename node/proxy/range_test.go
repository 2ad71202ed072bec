package proxy

import (
	"bytes"
	"io"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"testing"
	"time"
)

var (
	rangeData   = []byte("0123456789abcdefghijklmnopqrstuvwxyz")
	rangeHeader = http.Header{
		"Etag": {`"v1"`}, "Last-Modified": {"Tue, 15 Nov 1994 12:45:26 GMT"}, "Content-Type": {"text/x-test"},
		"Content-Digest": {"sha-256=:AAAA:"}, "Repr-Digest": {"sha-256=:BBBB:"},
	}
)

// reference answers as http.ServeContent does by itself.
func reference(w http.ResponseWriter, r *http.Request) {
	for name, values := range rangeHeader {
		w.Header()[name] = values
	}
	http.ServeContent(w, r, "", time.Date(1994, 11, 15, 12, 45, 26, 0, time.UTC), bytes.NewReader(rangeData))
}

// HC17, O10: where http.ServeContent is right the answers are the same; where
// it is not, the table says what is.
func TestRanges(t *testing.T) {
	addr := start(t, Config{Fetcher: stored(rangeHeader, func() io.ReadCloser { return memory{bytes.NewReader(rangeData)} })})
	whole := string(rangeData)
	type want struct {
		status int
		body   string
		span   string
	}
	same := want{}
	full := want{200, whole, ""}
	for value, w := range map[string]want{
		"":                             same,
		"bytes=0-0":                    same,
		"bytes=-1":                     same,
		"bytes=5-":                     same,
		"bytes=3-7":                    same,
		"bytes= 3 - 7 ,":               same,
		"bytes=0-35":                   same,
		"bytes=30-99":                  same,
		"bytes=-99":                    same,
		"bytes=36-":                    same,
		"bytes=7-3":                    same,
		"bytes=x":                      same,
		"bytes=--1":                    same,
		"bytes=0-1,10-11":              same,
		"bytes=9223372036854775807-":   same,
		"bytes=,":                      same,
		"bytes=0-18446744073709551615": {206, whole, "bytes 0-35/36"},
		"bytes=18446744073709551615-":  {416, "", "bytes */36"},
		"bytes=-18446744073709551615":  {206, whole, "bytes 0-35/36"},
		"bytes=-0":                     {416, "", "bytes */36"},
		"bytes=1-2,-0":                 {206, "12", "bytes 1-2/36"},
		"Bytes=1-2":                    {206, "12", "bytes 1-2/36"},
		"lines=1-2":                    full,
		"nonsense":                     full,
		"bytes=0-5,3-8":                full,
		"bytes=3-8,0-5":                full,
		"bytes=0-,-1":                  full,
		"bytes=0-1,2-3,4-5":            full,
		"bytes=" + strings.Repeat("1-1,", 1000) + "2-2": full,
	} {
		for _, method := range []string{"GET", "HEAD"} {
			r := httptest.NewRequest(method, "/", nil)
			raw := method + " http://h.example/ HTTP/1.1\r\nHost: h\r\n"
			if value != "" {
				raw += "Range: " + value + "\r\n"
				if method == "GET" { // for all others there is no Range (RFC 9110 section 14.2)
					r.Header.Set("Range", value)
				}
			}
			ref := httptest.NewRecorder()
			reference(ref, r)
			resp, body := ask(t, addr, raw+"\r\n")
			exp := w
			if exp == same {
				exp = want{ref.Code, ref.Body.String(), ref.Header().Get("Content-Range")}
			}
			if method == "HEAD" {
				exp.status, exp.body, exp.span = 200, "", ""
			}
			if mixed := strings.HasPrefix(ref.Header().Get("Content-Type"), "multipart/"); mixed && w == same && method == "GET" {
				exp.body = body // the boundary differs
				if !strings.Contains(body, "\r\n\r\n01\r\n") || !strings.Contains(body, "\r\n\r\nab\r\n") {
					t.Errorf("%q: parts %q", value, body)
				}
			}
			if resp.StatusCode != exp.status || resp.StatusCode < 400 && body != exp.body || resp.Header.Get("Content-Range") != exp.span {
				t.Errorf("%s %.60q: %d %q %q, want %d %q %q", method, value, resp.StatusCode, body, resp.Header.Get("Content-Range"), exp.status, exp.body, exp.span)
			}
			wantDigests := resp.StatusCode == 200
			if got := resp.Header.Get("Content-Digest") != ""; got != wantDigests {
				t.Errorf("%s %.60q: Content-Digest on %d: %v", method, value, resp.StatusCode, got)
			}
		}
	}
}

// HC18, HC19.
func TestConditions(t *testing.T) {
	addr := start(t, Config{Fetcher: stored(rangeHeader, func() io.ReadCloser { return memory{bytes.NewReader(rangeData)} })})
	for fields, status := range map[string]int{
		"If-None-Match: \"v1\"":                                            304,
		"If-None-Match: \"v2\"":                                            200,
		"If-None-Match: W/\"v1\"":                                          304,
		"If-Modified-Since: Tue, 15 Nov 1994 12:45:26 GMT":                 304,
		"If-Modified-Since: Tue, 15 Nov 1994 12:45:25 GMT":                 200,
		"If-Match: \"v2\"":                                                 412,
		"If-Unmodified-Since: Tue, 15 Nov 1994 12:45:25 GMT":               412,
		"Range: bytes=0-1\r\nIf-Range: \"v1\"":                             206,
		"Range: bytes=0-1\r\nIf-Range: W/\"v1\"":                           200,
		"Range: bytes=0-1\r\nIf-Range: \"v2\"":                             200,
		"Range: bytes=0-1\r\nIf-Range: Tue, 15 Nov 1994 12:45:26 GMT":      206,
		"Range: bytes=0-1\r\nIf-Range: Tue, 15 Nov 1994 12:45:27 GMT":      200,
		"Range: bytes=0-1\r\nIf-None-Match: \"v1\"":                        304,
		"Range: bytes=0-1\r\nIf-Match: \"v1\"\r\nIf-None-Match: \"other\"": 206,
	} {
		c := dial(t, addr)
		c.send("GET http://h.example/ HTTP/1.1\r\nHost: h\r\n" + fields + "\r\n\r\n")
		resp, body, err := c.response("GET")
		if err != nil || resp.StatusCode != status {
			t.Errorf("%q: %d, %v, want %d", fields, resp.StatusCode, err, status)
		}
		if status == 304 && (body != "" || resp.Header.Get("Etag") != `"v1"` || resp.Header.Get("Age") != "90") {
			t.Errorf("%q: 304 with %q and %v", fields, body, resp.Header)
		}
		// What follows on the connection is whole.
		c.send("GET http://h.example/ HTTP/1.1\r\nHost: h\r\n\r\n")
		if resp, body, err := c.response("GET"); err != nil || resp.StatusCode != 200 || body != string(rangeData) {
			t.Errorf("after %q: %d %q, %v", fields, resp.StatusCode, body, err)
		}
	}
}

// Nothing is made up that the origin did not say.
func TestStoredHeaderIsTheOrigins(t *testing.T) {
	for name, header := range map[string]http.Header{
		"bare":      {},
		"bad date":  {"Last-Modified": {"yesterday"}},
		"odd date":  {"Last-Modified": {"Sunday, 06-Nov-94 08:49:37 GMT"}},
		"coded":     {"Content-Encoding": {"gzip"}, "Content-Type": {"text/plain"}},
		"old age":   {"Age": {"7"}},
		"too long":  {"Content-Length": {"999"}},
		"many ages": {"Age": {"7", "8"}},
	} {
		t.Run(name, func(t *testing.T) {
			addr := start(t, Config{Fetcher: stored(header, func() io.ReadCloser { return memory{bytes.NewReader(rangeData)} })})
			resp, body := ask(t, addr, "GET http://h.example/ HTTP/1.1\r\nHost: h\r\n\r\n")
			if body != string(rangeData) || resp.ContentLength != int64(len(rangeData)) {
				t.Errorf("%q of length %d", body, resp.ContentLength)
			}
			if resp.Header.Get("Content-Type") != header.Get("Content-Type") || len(resp.Header["Last-Modified"]) != len(header["Last-Modified"]) {
				t.Errorf("header %v", resp.Header)
			}
			if got := resp.Header["Age"]; len(got) != 1 || got[0] != "90" {
				t.Errorf("Age %q", got)
			}
			if got := resp.Header.Get("Cache-Status"); got != "flashcrowd;hit;ttl=60;detail=origin" {
				t.Errorf("Cache-Status %q", got)
			}
			head, _ := ask(t, addr, "HEAD http://h.example/ HTTP/1.1\r\nHost: h\r\n\r\n")
			if head.ContentLength != int64(len(rangeData)) {
				t.Errorf("HEAD: length %d", head.ContentLength)
			}
		})
	}
}

// FuzzGuardRange holds that what passes the guard selects at most two ranges
// that do not overlap, and selects what the client asked for.
func FuzzGuardRange(f *testing.F) {
	for _, s := range []string{"bytes=0-0", "bytes=-1", "bytes=5-", "bytes=-0", "bytes=0-5,3-8", "bytes=1-2,4-5,", "bytes=99999999999999999999-", "x", "bytes=a-"} {
		f.Add(s, int64(36))
		f.Add(s, int64(0))
	}
	f.Fuzz(func(t *testing.T, value string, size int64) {
		size &= 1<<16 - 1
		data := bytes.Repeat([]byte{'x'}, int(size))
		serve := func(value string) *httptest.ResponseRecorder {
			r := httptest.NewRequest("GET", "/", nil)
			if value != "" {
				r.Header.Set("Range", value)
			}
			w := httptest.NewRecorder()
			w.Header()["Content-Type"] = nil
			http.ServeContent(w, r, "", time.Time{}, bytes.NewReader(data))
			return w
		}
		r := httptest.NewRequest("GET", "/", nil)
		r.Header.Set("Range", value)
		guarded := guardRange(r, size)
		got := serve(guarded)
		if n := got.Body.Len(); got.Code == 206 && int64(n) > 2*size+1024 {
			t.Fatalf("%q became %q: %d octets of %d", value, guarded, n, size)
		}
		if span := got.Header().Get("Content-Range"); got.Code == 206 && span != "" {
			from, to, ok := strings.Cut(strings.TrimPrefix(strings.TrimSuffix(span, "/"+strconv.FormatInt(size, 10)), "bytes "), "-")
			a, err1 := strconv.ParseInt(from, 10, 64)
			b, err2 := strconv.ParseInt(to, 10, 64)
			if !ok || err1 != nil || err2 != nil || a > b || b >= size {
				t.Fatalf("%q became %q: %q", value, guarded, span)
			}
		}
		if plain := serve(value); guarded == value && plain.Code != got.Code {
			t.Fatalf("%q: %d and %d", value, plain.Code, got.Code)
		} else if a, b := plain.Header().Get("Content-Range"), got.Header().Get("Content-Range"); plain.Code == 206 && got.Code == 206 && a != "" && a != b {
			t.Fatalf("%q became %q: %q, want %q", value, guarded, b, a)
		}
		if again := func() string { r.Header.Set("Range", guarded); return guardRange(r, size) }(); guarded != "" && again != guarded {
			t.Fatalf("%q became %q and then %q", value, guarded, again)
		}
	})
}
