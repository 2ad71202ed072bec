package main

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"io/fs"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// fakeNode is the proxy of a node as far as a client can see it: forward proxy
// and gateway. answer is asked with the URL that is meant.
func fakeNode(t *testing.T, answer func(w http.ResponseWriter, r *http.Request, target string)) *puller {
	t.Helper()
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		target := r.RequestURI
		if inner, ok := strings.CutPrefix(target, "/"); ok {
			target = inner
		}
		answer(w, r, target)
	}))
	t.Cleanup(s.Close)
	proxy, err := url.Parse(s.URL)
	if err != nil {
		t.Fatal(err)
	}
	p := newPuller(&relay{proxy: proxy})
	t.Cleanup(p.close)
	return p
}

func parsed(t *testing.T, s string) *url.URL {
	t.Helper()
	u, err := url.Parse(s)
	if err != nil {
		t.Fatal(err)
	}
	return u
}

func tempPart(t *testing.T, u string) *part {
	t.Helper()
	return partAt(t, filepath.Join(t.TempDir(), "file"), u)
}

func partAt(t *testing.T, final, u string) *part {
	t.Helper()
	p, err := openPart(final, parsed(t, u))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(p.close)
	return p
}

func pull(p *puller, u *url.URL, dst *part) (*url.URL, error) {
	return p.pull(context.Background(), u, dst, func(int64, int64) {})
}

// holds checks that dst and its hash are of want, and that the final file is.
func holds(t *testing.T, dst *part, want []byte) {
	t.Helper()
	if sum := sha256.Sum256(want); !bytes.Equal(dst.record.Sum(), sum[:]) || dst.offset != int64(len(want)) {
		t.Errorf("hash of %d octets is not that of the %d wanted", dst.offset, len(want))
	}
	if err := dst.finish(false); err != nil {
		t.Fatal(err)
	}
	got, err := os.ReadFile(dst.final)
	if err != nil || !bytes.Equal(got, want) {
		t.Errorf("file has %d octets, %v; want other %d", len(got), err, len(want))
	}
	for _, left := range []string{dst.path(), dst.statePath()} {
		if _, err := os.Lstat(left); !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("%s is left: %v", filepath.Base(left), err)
		}
	}
}

// serveCut answers with body, or the part that is asked for, but at most most
// octets of it.
func serveCut(w http.ResponseWriter, r *http.Request, tag string, body []byte, most int) {
	w.Header().Set("Etag", tag)
	span := body
	status := http.StatusOK
	if from, ok := strings.CutPrefix(r.Header.Get("Range"), "bytes="); ok && r.Header.Get("If-Range") == tag {
		var first int
		fmt.Sscanf(from, "%d-", &first)
		span, status = body[first:], http.StatusPartialContent
		w.Header().Set("Content-Range", fmt.Sprintf("bytes %d-%d/%d", first, len(body)-1, len(body)))
	}
	w.Header().Set("Content-Length", fmt.Sprint(len(span)))
	w.WriteHeader(status)
	if len(span) > most {
		w.Write(span[:most])
		w.(http.Flusher).Flush()
		panic(http.ErrAbortHandler)
	}
	w.Write(span)
}

func TestPullGoesByTheNode(t *testing.T) {
	for _, target := range []string{
		"http://a.example/x", "http://a.example:8080/x%2Fy?b=c%20d&e", "https://a.example/x", "https://a.example:8443/x%2Fy//z?b=c%20d&e=https://f",
	} {
		var asked string
		var fields http.Header
		p := fakeNode(t, func(w http.ResponseWriter, r *http.Request, target string) {
			asked, fields = target, r.Header.Clone()
			w.Write([]byte("body"))
		})
		dst := tempPart(t, target)
		at, err := pull(p, parsed(t, target), dst)
		if err != nil || at.String() != target || asked != target {
			t.Errorf("%s: asked for %q, ended at %v, %v", target, asked, at, err)
		}
		if fields.Get("Accept-Encoding") != "identity" || !strings.HasPrefix(fields.Get("User-Agent"), "flashcrowd/") || fields.Get("Range") != "" {
			t.Errorf("%s: fields %v", target, fields)
		}
		holds(t, dst, []byte("body"))
	}
}

func TestPullResumes(t *testing.T) {
	const u = "http://a.example/x"
	var asked []string
	p := fakeNode(t, func(w http.ResponseWriter, r *http.Request, _ string) {
		asked = append(asked, r.Header.Get("Range")+" "+r.Header.Get("If-Range"))
		serveCut(w, r, `"one"`, siteBody, 1<<20)
	})
	dst := tempPart(t, u)
	for try := range 4 {
		_, err := pull(p, parsed(t, u), dst)
		if last := try == 3; last && err != nil || !last && !errors.Is(err, errAgain) {
			t.Fatalf("try %d: %v", try, err)
		}
	}
	want := []string{" ", `bytes=1048576- "one"`, `bytes=2097152- "one"`, `bytes=3145728- "one"`}
	if strings.Join(asked, "|") != strings.Join(want, "|") {
		t.Errorf("asked %q, want %q", asked, want)
	}
	holds(t, dst, siteBody)
}

func TestPullResumesInAnotherRun(t *testing.T) {
	const u = "http://a.example/x"
	final := filepath.Join(t.TempDir(), "file")
	p := fakeNode(t, func(w http.ResponseWriter, r *http.Request, _ string) {
		serveCut(w, r, `"one"`, siteBody, 2<<20)
	})
	ctx, cancel := context.WithCancel(context.Background())
	first := partAt(t, final, u)
	_, err := p.pull(ctx, parsed(t, u), first, func(octets, _ int64) {
		if octets > 1<<20 {
			cancel()
		}
	})
	if err == nil {
		t.Fatal("a cancelled pull succeeded")
	}
	first.close()
	second := partAt(t, final, u)
	if second.offset <= 1<<20 || !second.resumable() {
		t.Fatalf("took up %d octets, want more than 1 MiB", second.offset)
	}
	if _, err := pull(p, parsed(t, u), second); err != nil {
		t.Fatal(err)
	}
	holds(t, second, siteBody)
}

func TestPullNeverMixesVersions(t *testing.T) {
	const u = "http://a.example/x"
	two := bytes.Repeat([]byte("two"), 1<<20)
	digest := func(b []byte) string {
		sum := sha256.Sum256(b)
		return "sha-256=:" + base64.StdEncoding.EncodeToString(sum[:]) + ":"
	}
	rest := func(tag string, first, total int, body []byte) func(http.ResponseWriter, *http.Request) {
		return func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Etag", tag)
			w.Header().Set("Content-Range", fmt.Sprintf("bytes %d-%d/%d", first, total-1, total))
			w.WriteHeader(http.StatusPartialContent)
			w.Write(body)
		}
	}
	const half = 1 << 20
	for name, second := range map[string]func(http.ResponseWriter, *http.Request){
		"new version":  func(w http.ResponseWriter, r *http.Request) { serveCut(w, r, `"two"`, two, 1<<30) },
		"other tag":    rest(`"two"`, half, len(siteBody), siteBody[half:]),
		"weak tag":     rest(`W/"one"`, half, len(siteBody), siteBody[half:]),
		"other offset": rest(`"one"`, half-1, len(siteBody), siteBody[half-1:]),
		"other length": rest(`"one"`, half, len(two), two[half:]),
		"other bytes": func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Repr-Digest", digest(siteBody))
			rest(`"one"`, half, len(siteBody), bytes.Repeat([]byte{0}, len(siteBody)-half))(w, r)
		},
		"no such rest": func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusRequestedRangeNotSatisfiable) },
	} {
		t.Run(name, func(t *testing.T) {
			visit := 0
			p := fakeNode(t, func(w http.ResponseWriter, r *http.Request, _ string) {
				switch visit++; visit {
				case 1:
					serveCut(w, r, `"one"`, siteBody, half)
				case 2:
					if r.Header.Get("Range") == "" {
						t.Error("the second request asks for the whole")
					}
					second(w, r)
				default:
					if r.Header.Get("Range") != "" {
						t.Error("the third request asks for a rest")
					}
					serveCut(w, r, `"two"`, two, 1<<30)
				}
			})
			dst := tempPart(t, u)
			var err error
			for range 3 {
				if _, err = pull(p, parsed(t, u), dst); err == nil {
					break
				}
				if !errors.Is(err, errAgain) {
					t.Fatal(err)
				}
			}
			if err != nil {
				t.Fatal(err)
			}
			holds(t, dst, two)
		})
	}
}

// TestPullNeverMixesPlaces: the same tag at another place is not the same file.
func TestPullNeverMixesPlaces(t *testing.T) {
	const u = "http://a.example/x"
	two := bytes.Repeat([]byte("two"), len(siteBody)/3)
	visit := 0
	p := fakeNode(t, func(w http.ResponseWriter, r *http.Request, target string) {
		switch {
		case target == u:
			visit++
			w.Header().Set("Location", fmt.Sprintf("http://mirror%d.example/x?signed=%d", min(visit, 2), visit))
			w.WriteHeader(http.StatusFound)
		case visit == 1:
			serveCut(w, r, `"one"`, siteBody, 1<<20)
		default:
			serveCut(w, r, `"one"`, two, 1<<30)
		}
	})
	dst := tempPart(t, u)
	for range 2 {
		if _, err := pull(p, parsed(t, u), dst); !errors.Is(err, errAgain) {
			t.Fatalf("error %v, want errAgain", err)
		}
	}
	if _, err := pull(p, parsed(t, u), dst); err != nil {
		t.Fatal(err)
	}
	holds(t, dst, two)
}

func TestPullFollowsRedirects(t *testing.T) {
	for name, tc := range map[string]struct{ from, location, to string }{
		"relative":      {"https://a.example/x/y", "../z?q", "https://a.example/z?q"},
		"absolute":      {"https://a.example/x", "https://b.example/y", "https://b.example/y"},
		"to tls":        {"http://a.example/x", "https://b.example/y", "https://b.example/y"},
		"from tls":      {"https://a.example/x", "http://b.example/y", "http://b.example/y"},
		"gateway":       {"https://a.example/x", "/https://b.example/y%20z", "https://b.example/y%20z"},
		"with fragment": {"http://a.example/x", "/y#z", "http://a.example/y"},
	} {
		p := fakeNode(t, func(w http.ResponseWriter, r *http.Request, target string) {
			switch target {
			case tc.from:
				w.Header().Set("Location", tc.location)
				w.WriteHeader(http.StatusFound)
			case tc.to:
				w.Write([]byte("there"))
			default:
				t.Errorf("%s: asked for %q", name, target)
				w.WriteHeader(http.StatusNotFound)
			}
		})
		dst := tempPart(t, tc.from)
		at, err := pull(p, parsed(t, tc.from), dst)
		if err != nil || at.String() != tc.to {
			t.Errorf("%s: ended at %v, %v; want %s", name, at, err, tc.to)
			continue
		}
		holds(t, dst, []byte("there"))
	}
}

func TestPullRefusesRedirects(t *testing.T) {
	for _, location := range []string{"", "ftp://a.example/x", "file:///etc/passwd", "http:///x", "http://a.example/x"} {
		p := fakeNode(t, func(w http.ResponseWriter, _ *http.Request, _ string) {
			w.Header().Set("Location", location)
			w.WriteHeader(http.StatusFound)
		})
		if at, err := pull(p, parsed(t, "http://a.example/x"), tempPart(t, "http://a.example/x")); err == nil || errors.Is(err, errAgain) {
			t.Errorf("location %q: ended at %v, %v; want a lasting error", location, at, err)
		}
	}
}

func TestPullSaysWhatWentWrong(t *testing.T) {
	p := fakeNode(t, func(w http.ResponseWriter, _ *http.Request, _ string) {
		w.Header().Set("Proxy-Status", "flashcrowd; error=dns_error")
		w.WriteHeader(http.StatusBadGateway)
	})
	_, err := pull(p, parsed(t, "http://a.example/x"), tempPart(t, "http://a.example/x"))
	if err == nil || errors.Is(err, errAgain) || !strings.Contains(err.Error(), "502") || !strings.Contains(err.Error(), "dns_error") {
		t.Errorf("error %v, want one with status and reason that is not tried again", err)
	}
}

func TestPullNoticesShortBodies(t *testing.T) {
	p := fakeNode(t, func(w http.ResponseWriter, r *http.Request, _ string) { serveCut(w, r, `W/"x"`, siteBody, 10) })
	dst := tempPart(t, "http://a.example/x")
	if _, err := pull(p, parsed(t, "http://a.example/x"), dst); !errors.Is(err, errAgain) {
		t.Errorf("short body: %v, want errAgain", err)
	}
	if dst.resumable() {
		t.Error("a body without strong validator can be continued")
	}
}

func TestContentRange(t *testing.T) {
	for s, want := range map[string][2]int64{
		"bytes 0-9/10": {0, 10}, "bytes 5-9/10": {5, 10}, "bytes 9-9/10": {9, 10},
	} {
		if first, total, ok := contentRange(s); !ok || first != want[0] || total != want[1] {
			t.Errorf("%q: %d, %d, %v; want %v", s, first, total, ok, want)
		}
	}
	for _, s := range []string{
		"", "bytes", "bytes 0-9", "bytes 0-9/*", "bytes */10", "bytes 5-8/10", "bytes -5-9/10", "bytes 10-9/10", "octets 0-9/10",
		"bytes 0-9/10,", "bytes 0-9223372036854775807/9223372036854775808", "bytes 0--1/0",
	} {
		if first, total, ok := contentRange(s); ok {
			t.Errorf("%q: %d, %d", s, first, total)
		}
	}
}

// FuzzContentRange: what is accepted is a span of at least one octet.
func FuzzContentRange(f *testing.F) {
	f.Add("bytes 5-9/10")
	f.Add("bytes */10")
	f.Fuzz(func(t *testing.T, s string) {
		if first, total, ok := contentRange(s); ok && (first < 0 || first >= total) {
			t.Errorf("%q: from %d of %d", s, first, total)
		}
	})
}
