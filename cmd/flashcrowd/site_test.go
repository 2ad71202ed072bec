package main

import (
	"bytes"
	"crypto/sha256"
	"encoding/base64"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"sync"
	"time"
)

// siteKey finds the site of a script.
type siteKey struct{}

// siteBody is what every file of a site holds: 3 MiB and a bit.
var siteBody = func() []byte {
	b := make([]byte, 3<<20+123)
	rand.NewChaCha8([32]byte{1}).Read(b)
	return b
}()

// site is a web site that behaves by the path that is asked for:
//
//	/big.bin    as good sites do: strong ETag, digest, ranges
//	/bare.bin   no validator, no digest, no ranges
//	/flaky.bin  as big.bin, but whole answers end in the middle the first time
//	/broken.bin as flaky.bin, but every time, and it knows no ranges
//	/endless    the header fields and then nothing
//	/moved      redirects to big.bin
type site struct {
	*httptest.Server
	proxy string // that one script command has asked, for another one

	mu       sync.Mutex // guards following
	requests map[string]int64
	octets   map[string]int64
}

func newSite() *site {
	s := &site{requests: make(map[string]int64), octets: make(map[string]int64)}
	s.Server = httptest.NewServer(http.HandlerFunc(s.serve))
	return s
}

func (s *site) count(path string) (requests, octets int64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.requests[path], s.octets[path]
}

func (s *site) serve(w http.ResponseWriter, r *http.Request) {
	s.mu.Lock()
	s.requests[r.URL.Path]++
	visit := s.requests[r.URL.Path]
	s.mu.Unlock()
	switch r.URL.Path {
	case "/moved":
		http.Redirect(w, r, "/big.bin", http.StatusFound)
		return
	case "/endless":
		w.Header().Set("Content-Length", "1000000")
		w.WriteHeader(http.StatusOK)
		w.Write([]byte("."))
		w.(http.Flusher).Flush()
		<-r.Context().Done()
		return
	case "/big.bin", "/flaky.bin":
		sum := sha256.Sum256(siteBody)
		w.Header().Set("Repr-Digest", "sha-256=:"+base64.StdEncoding.EncodeToString(sum[:])+":")
		w.Header().Set("Etag", `"one"`)
		w.Header().Set("Cache-Control", "max-age=3600")
	case "/bare.bin", "/broken.bin":
	default:
		http.NotFound(w, r)
		return
	}
	out := &counter{ResponseWriter: w, site: s, path: r.URL.Path, left: int64(len(siteBody)) * 2}
	whole := r.Header.Get("Range") == "" && r.Method == http.MethodGet
	switch r.URL.Path {
	case "/broken.bin":
		out.left = int64(len(siteBody)) / 2
		fallthrough
	case "/bare.bin":
		r.Header.Del("Range")
		r.Header.Del("If-Range")
	case "/flaky.bin":
		if whole && visit == 1 {
			out.left = int64(len(siteBody)) / 2
		}
	}
	w.Header().Set("Content-Type", "application/octet-stream")
	http.ServeContent(out, r, "", time.Time{}, bytes.NewReader(siteBody))
}

// counter counts what it writes, and breaks the connection off after left.
type counter struct {
	http.ResponseWriter
	site *site
	path string
	left int64
}

func (c *counter) Write(b []byte) (int, error) {
	cut := int64(len(b)) > c.left
	if cut {
		b = b[:c.left]
	}
	n, err := c.ResponseWriter.Write(b)
	c.left -= int64(n)
	c.site.mu.Lock()
	c.site.octets[c.path] += int64(n)
	c.site.mu.Unlock()
	if cut {
		c.ResponseWriter.(http.Flusher).Flush()
		panic(http.ErrAbortHandler)
	}
	return n, err
}
