package testnet

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"net/http"
	"sync"
	"time"
)

// File is one object of an Origin.
type File struct {
	Body []byte
	// Header fields that go out with it, beside those that the origin itself
	// sets: Repr-Digest, a strong ETag, Accept-Ranges, and Cache-Control:
	// max-age=3600 unless Header has one.
	Header http.Header
	// NoDigest leaves Repr-Digest out.
	NoDigest bool
	// Parts, if positive, is the size of the parts in which it was uploaded: what
	// HEAD tells who adds partNumber=1, as of S3.
	Parts int64
	// Location, if not empty, makes it a redirect (302) with no more than the
	// fields in Header.
	Location string
}

// Origin is a web server on loopback with a limited uplink. It states the
// digest of what it serves.
type Origin struct {
	// URL is its base, without a slash at the end.
	URL  string
	Pace *Pace

	server *http.Server
	done   chan error

	mu       sync.Mutex // guards following
	files    map[string]File
	requests map[string]int
}

// StartOrigin starts an origin whose uplink carries octets a second (0: no
// limit). The caller closes it.
func StartOrigin(octets int64) (*Origin, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, fmt.Errorf("testnet: start origin: %w", err)
	}
	o := &Origin{
		URL: "http://" + l.Addr().String(), Pace: NewPace(octets), done: make(chan error, 1),
		files: make(map[string]File), requests: make(map[string]int),
	}
	o.server = &http.Server{Handler: o, ReadHeaderTimeout: 10 * time.Second}
	go func() { o.done <- o.server.Serve(o.Pace.Listener(l)) }()
	return o, nil
}

// Close stops the origin and all its connections.
func (o *Origin) Close() error {
	err := o.server.Close()
	if served := <-o.done; !errors.Is(served, http.ErrServerClosed) {
		err = errors.Join(err, served)
	}
	return err
}

// Put serves f at path from now on.
func (o *Origin) Put(path string, f File) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.files[path] = f
}

// Requests returns how often path was asked for.
func (o *Origin) Requests(path string) int {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.requests[path]
}

// Total returns how many requests there were in all.
func (o *Origin) Total() int {
	o.mu.Lock()
	defer o.mu.Unlock()
	total := 0
	for _, n := range o.requests {
		total += n
	}
	return total
}

// ServeHTTP serves the files.
func (o *Origin) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	o.mu.Lock()
	f, ok := o.files[r.URL.Path]
	o.requests[r.URL.Path]++
	o.mu.Unlock()
	if !ok {
		http.NotFound(w, r)
		return
	}
	h := w.Header()
	if f.Location != "" {
		for name, values := range f.Header {
			h[name] = values
		}
		http.Redirect(w, r, f.Location, http.StatusFound)
		return
	}
	sum := sha256.Sum256(f.Body)
	h.Set("Content-Type", "application/octet-stream")
	h.Set("Cache-Control", "max-age=3600")
	h.Set("Etag", fmt.Sprintf("%q", fmt.Sprintf("%x", sum[:8])))
	if !f.NoDigest {
		h.Set("Repr-Digest", "sha-256=:"+base64.StdEncoding.EncodeToString(sum[:])+":")
	}
	for name, values := range f.Header {
		h[name] = values
	}
	if f.Parts > 0 && r.Method == http.MethodHead && r.URL.Query().Get("partNumber") == "1" {
		h.Set("Content-Range", fmt.Sprintf("bytes 0-%d/%d", f.Parts-1, len(f.Body)))
		h.Set("Content-Length", fmt.Sprint(f.Parts))
		w.WriteHeader(http.StatusPartialContent)
		return
	}
	http.ServeContent(w, r, "", time.Time{}, bytes.NewReader(f.Body))
}

// Random returns n octets that follow from seed alone and do not compress.
func Random(n int, seed uint64) []byte {
	var key [32]byte
	for i := range 8 {
		key[i] = byte(seed >> (8 * i))
	}
	b := make([]byte, n)
	_, _ = rand.NewChaCha8(key).Read(b) // never fails
	return b
}

// waitFor returns when ok says yes, or ctx's error.
func waitFor(ctx context.Context, ok func() bool) error {
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for !ok() {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-tick.C:
		}
	}
	return nil
}
