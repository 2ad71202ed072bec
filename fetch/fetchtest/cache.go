package fetchtest

import (
	"bytes"
	"errors"
	"io"
	"math/rand/v2"
	"net/http"
	"net/url"
	"testing"
	"time"

	"github.com/flashcrowd/flashcrowd/dht"
	"github.com/flashcrowd/flashcrowd/fetch"
	"github.com/flashcrowd/flashcrowd/verify"
)

// CacheStore is the three contracts that a cache holds at once.
type CacheStore interface {
	fetch.Cache
	fetch.Memory
	fetch.Shelf
	io.Closer
}

// Cache holds the stores that open returns to the contracts of fetch.Cache,
// fetch.Writer, fetch.Memory and fetch.Shelf. Each case has a folder of its
// own; a store that is opened where another was closed has all that the other
// had committed. Every case runs twice, the second time with a closed and
// opened store before each look at what was stored.
func Cache(t *testing.T, open func(t *testing.T, dir string) CacheStore) {
	for name, test := range map[string]func(*cacheCase){
		"Empty": cacheEmpty, "Bodies": cacheBodies, "Unfinished": cacheUnfinished, "FailedCommit": cacheFailedCommit,
		"NotStorable": cacheNotStorable, "Vary": cacheVary, "Fresh": cacheFresh, "Freshen": cacheFreshen,
		"Invalidate": cacheInvalidate, "Replace": cacheReplace, "Memory": cacheMemory, "Shelf": cacheShelf,
		"Concurrent": cacheConcurrent, "Part": cachePart, "PartVersion": cachePartVersion, "PartDigest": cachePartDigest,
		"PartNone": cachePartNone, "PartReplaced": cachePartReplaced, "Checkpoint": cacheCheckpoint, "PartFreshen": cachePartFreshen,
	} {
		for _, mode := range []string{"Same", "Reopened"} {
			t.Run(name+"/"+mode, func(t *testing.T) {
				c := &cacheCase{T: t, open: open, dir: t.TempDir(), reopen: mode == "Reopened"}
				c.s = open(t, c.dir)
				defer func() { c.must(c.s.Close()) }()
				test(c)
			})
		}
	}
}

type cacheCase struct {
	*testing.T
	open   func(t *testing.T, dir string) CacheStore
	dir    string
	reopen bool
	s      CacheStore
}

func (c *cacheCase) must(err error) {
	c.Helper()
	if err != nil {
		c.Fatal(err)
	}
}

// settle closes and opens the store, if the case is run so.
func (c *cacheCase) settle() {
	c.Helper()
	if c.reopen {
		c.must(c.s.Close())
		c.s = c.open(c.T, c.dir)
	}
}

// Request returns a GET request for rawURL with the fields given as name and
// value in turn.
func Request(rawURL string, fields ...string) *fetch.Request {
	u, err := url.Parse(rawURL)
	if err != nil {
		panic("fetchtest: internal error: " + err.Error())
	}
	return &fetch.Request{Method: http.MethodGet, URL: u, Header: headerOf(fields)}
}

// Meta returns a 200 response to req that came at the time at, with the
// fields given as name and value in turn. Its length is length.
func Meta(req *fetch.Request, at time.Time, length int64, fields ...string) *fetch.Meta {
	id, err := dht.URLID(req.URL)
	if err != nil {
		panic("fetchtest: internal error: " + err.Error())
	}
	h := headerOf(fields)
	if h.Get("Date") == "" {
		h.Set("Date", at.UTC().Format(http.TimeFormat))
	}
	return &fetch.Meta{
		URL: req.URL.String(), ID: id, Method: http.MethodGet, Status: http.StatusOK, Header: h,
		RequestTime: at.UTC(), ResponseTime: at.UTC(), Length: length,
	}
}

func headerOf(fields []string) http.Header {
	h := http.Header{}
	for i := 0; i+1 < len(fields); i += 2 {
		h.Add(fields[i], fields[i+1])
	}
	return h
}

// Body returns n octets that follow from seed.
func Body(seed uint64, n int) []byte {
	var key [32]byte
	key[0], key[1], key[2] = byte(seed), byte(seed>>8), byte(seed>>16)
	b := make([]byte, n)
	rand.NewChaCha8(key).Read(b)
	return b
}

// Seal returns the seal of body, which came from the origin.
func Seal(body []byte) fetch.Seal {
	r := verify.NewRecorder(verify.SHA256, int64(len(body)))
	r.Write(body)
	return fetch.Seal{Whole: r.Whole(), Sources: []fetch.SourceBytes{{Kind: "origin", Bytes: int64(len(body))}}}
}

// store stores body as the response m to req.
func (c *cacheCase) store(req *fetch.Request, m *fetch.Meta, body []byte) {
	c.Helper()
	w, err := c.s.Create(req, m)
	c.must(err)
	_, err = w.WriteAt(body, 0)
	c.must(err)
	c.must(w.Commit(Seal(body)))
	w.Release()
}

func (c *cacheCase) lookup(req *fetch.Request, now time.Time) *fetch.Stored {
	c.Helper()
	s, err := c.s.Lookup(req, now)
	c.must(err)
	c.Cleanup(func() { s.Body.Close() })
	return s
}

// has fails the test unless the body of s is want.
func (c *cacheCase) has(s *fetch.Stored, want []byte) {
	c.Helper()
	got, err := io.ReadAll(s.Body)
	c.must(err)
	if !bytes.Equal(got, want) {
		c.Fatalf("body of %d octets is not the %d stored", len(got), len(want))
	}
}

func (c *cacheCase) misses(req *fetch.Request, now time.Time) {
	c.Helper()
	if s, err := c.s.Lookup(req, now); !errors.Is(err, fetch.ErrMiss) {
		c.Fatalf("Lookup of %s = %v, %v, want ErrMiss", req.URL, s, err)
	}
}
