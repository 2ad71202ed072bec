package fetchtest

import (
	"bytes"
	"errors"
	"io"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/flashcrowd/flashcrowd/dht"
	"github.com/flashcrowd/flashcrowd/fetch"
	"github.com/flashcrowd/flashcrowd/verify"
)

// ErrDisk is what a Store that was told to fail fails with.
var ErrDisk = errors.New("fetchtest: no space left on device")

// Store is a cache in memory. The zero value is empty. Of freshness it knows
// max-age, no-cache and must-revalidate. Fields may be changed until the first
// use.
type Store struct {
	// WriteLimit, if positive, is how many octets can be written in all;
	// WriteAt fails from there on.
	WriteLimit int64
	// ReadLimit, if positive, is how many octets can be read from writers.
	ReadLimit int64
	// CommitTime is how long Commit takes.
	CommitTime time.Duration
	// FailCreate and FailCommit fail with ErrDisk.
	FailCreate, FailCommit bool

	mu      sync.Mutex // guards following
	entries []*entry   // latest last
	memory  map[memo]verify.Digest
	written int64
	read    int64
	writers map[*storeWriter]bool // neither aborted nor released
	parts   []*part               // incomplete ones, by no order
}

var (
	_ fetch.Cache  = (*Store)(nil)
	_ fetch.Memory = (*Store)(nil)
	_ fetch.Shelf  = (*Store)(nil)
)

type entry struct {
	meta    *fetch.Meta
	body    []byte
	seal    fetch.Seal
	invalid bool
}

type memo struct {
	id           dht.ID
	etag, coding string
}

// Writers returns how many writers were neither aborted nor released.
func (s *Store) Writers() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.writers)
}

// Metas returns what is stored.
func (s *Store) Metas() []*fetch.Meta {
	s.mu.Lock()
	defer s.mu.Unlock()
	var out []*fetch.Meta
	for _, e := range s.entries {
		out = append(out, e.meta)
	}
	return out
}

// Seals returns what is known of the bodies that are stored.
func (s *Store) Seals() []fetch.Seal {
	s.mu.Lock()
	defer s.mu.Unlock()
	var out []fetch.Seal
	for _, e := range s.entries {
		out = append(out, e.seal)
	}
	return out
}

// Close ends the writers as a crash would. What is stored stays.
func (s *Store) Close() error {
	s.mu.Lock()
	var open []*storeWriter
	for w := range s.writers {
		open = append(open, w)
	}
	s.mu.Unlock()
	for _, w := range open {
		w.crash()
	}
	return nil
}

// Clear forgets all responses, but no digest.
func (s *Store) Clear() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.entries, s.parts = nil, nil
}

// Lookup implements fetch.Cache.
func (s *Store) Lookup(req *fetch.Request, now time.Time) (*fetch.Stored, error) {
	id, err := dht.URLID(req.URL)
	if err != nil || req.Method != http.MethodGet && req.Method != http.MethodHead {
		return nil, fetch.ErrMiss
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, e := range slices.Backward(s.entries) {
		if e.meta.ID == id && selects(e.meta, req) {
			return e.stored(req, now), nil
		}
	}
	return nil, fetch.ErrMiss
}

func selects(m *fetch.Meta, req *fetch.Request) bool {
	for name, values := range m.Vary {
		if strings.Join(values, ", ") != strings.Join(req.Header.Values(name), ", ") {
			return false
		}
	}
	return true
}

type storedBody struct{ *bytes.Reader }

func (storedBody) Close() error { return nil }

func (e *entry) stored(req *fetch.Request, now time.Time) *fetch.Stored {
	age, _ := strconv.Atoi(e.meta.Header.Get("Age"))
	st := &fetch.Stored{
		Meta: e.meta, Age: time.Duration(age)*time.Second + now.Sub(e.meta.ResponseTime),
		Body: storedBody{bytes.NewReader(e.body)}, Sources: e.seal.Sources, Length: int64(len(e.body)),
	}
	st.TTL = lifetime(e.meta.Header) - st.Age
	validate := e.invalid || has(e.meta.Header, "no-cache") || has(req.Header, "no-cache")
	st.Fresh = st.TTL > 0 && !validate
	st.StaleOK = !validate && !has(e.meta.Header, "must-revalidate")
	return st
}

// Judge implements fetch.Config.Judge.
func (s *Store) Judge(req *fetch.Request, m *fetch.Meta, now time.Time) *fetch.Stored {
	if !selects(m, req) {
		return nil
	}
	st := (&entry{meta: m}).stored(req, now)
	st.Body = nil
	return st
}

func lifetime(h http.Header) time.Duration {
	for _, d := range members(h, "Cache-Control") {
		if v, ok := strings.CutPrefix(strings.ToLower(d), "max-age="); ok {
			n, _ := strconv.Atoi(v)
			return time.Duration(n) * time.Second
		}
	}
	return 0
}

// has reports whether Cache-Control in h has the directive name.
func has(h http.Header, name string) bool {
	return slices.ContainsFunc(members(h, "Cache-Control"), func(d string) bool { return strings.EqualFold(d, name) })
}

// Create implements fetch.Cache.
func (s *Store) Create(req *fetch.Request, m *fetch.Meta) (fetch.Writer, error) {
	switch {
	case !storable(req, m):
		return nil, fetch.ErrNotStorable
	case s.FailCreate:
		return nil, ErrDisk
	}
	return s.begin(m, nil), nil
}

func storable(req *fetch.Request, m *fetch.Meta) bool {
	authorized := m.Authorized || req.Header.Get("Authorization") != ""
	return m.Status == http.StatusOK && m.Method == http.MethodGet && req.Method == http.MethodGet &&
		!has(m.Header, "no-store") && !has(m.Header, "private") && !has(req.Header, "no-store") &&
		!slices.Contains(members(m.Header, "Vary"), "*") && req.Header.Get("Range") == "" &&
		(!authorized || has(m.Header, "public"))
}

// begin returns a writer over body, which it owns.
func (s *Store) begin(m *fetch.Meta, body []byte) *storeWriter {
	w := &storeWriter{s: s, meta: m, body: slices.Grow(body, int(max(m.Length, 0)))}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.writers == nil {
		s.writers = make(map[*storeWriter]bool)
	}
	s.writers[w] = true
	return w
}

// Freshen implements fetch.Cache.
func (s *Store) Freshen(req *fetch.Request, old *fetch.Stored, m *fetch.Meta, now time.Time) (*fetch.Stored, error) {
	if tag := m.Header.Get("Etag"); tag != "" && tag != old.Meta.Header.Get("Etag") {
		return nil, fetch.ErrChanged
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, e := range slices.Backward(s.entries) {
		if e.meta.ID == old.Meta.ID && e.meta.Header.Get("Etag") == old.Meta.Header.Get("Etag") && selects(e.meta, req) {
			e.meta, e.invalid = freshened(e.meta, m), false
			return e.stored(req, now), nil
		}
	}
	for _, p := range s.parts {
		if p.meta == old.Meta {
			p.meta, p.invalid = freshened(p.meta, m), false
			return p.stored(req, now), nil
		}
	}
	return nil, fetch.ErrChanged
}

func freshened(old, m *fetch.Meta) *fetch.Meta {
	fresh := *old
	fresh.Header = old.Header.Clone()
	for name, values := range m.Header {
		if name != "Content-Length" {
			fresh.Header[name] = values
		}
	}
	fresh.RequestTime, fresh.ResponseTime = m.RequestTime, m.ResponseTime
	return &fresh
}

// Invalidate implements fetch.Cache.
func (s *Store) Invalidate(rawURL string) {
	key, err := dht.KeyOf(rawURL)
	if err != nil {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, e := range s.entries {
		e.invalid = e.invalid || e.meta.ID.Key() == key
	}
	for _, p := range s.parts {
		p.invalid = p.invalid || p.meta.ID.Key() == key
	}
}

// Recall implements fetch.Memory.
func (s *Store) Recall(id dht.ID, etag, coding string) (verify.Digest, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	d, ok := s.memory[memo{id, etag, coding}]
	return d, ok
}

// Remember makes the store recall d.
func (s *Store) Remember(id dht.ID, etag, coding string, d verify.Digest) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.rememberLocked(memo{id, etag, coding}, d)
}

func (s *Store) rememberLocked(m memo, d verify.Digest) {
	if s.memory == nil {
		s.memory = make(map[memo]verify.Digest)
	}
	s.memory[m] = d
}

// Open implements fetch.Shelf.
func (s *Store) Open(id dht.ID, token verify.Token) (*fetch.Shelved, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, e := range slices.Backward(s.entries) {
		d := e.seal.Whole.Digest
		if !slices.Contains(e.meta.Names(e.meta.Digests(d)...), id) || !e.meta.Shared || !knownAs(e.meta, d, id, token) {
			continue
		}
		whole := e.seal.Whole
		if whole.States == nil {
			whole = wholeOf(d.Algorithm(), e.body)
		}
		return &fetch.Shelved{
			Digest: d, Coding: e.meta.Coding(), Meta: e.meta, Complete: true, Has: fetch.AllPieces(d.Layout().Pieces()),
			States: whole.States, Body: bytes.NewReader(e.body), Close: func() {},
		}, nil
	}
	return nil, fetch.ErrUnknown
}

// knownAs reports whether token is of one of the digests that the body is
// known by.
func knownAs(m *fetch.Meta, d verify.Digest, id dht.ID, token verify.Token) bool {
	return slices.ContainsFunc(m.Digests(d), func(x verify.Digest) bool { return verify.TokenOf(id, x) == token })
}

// wholeOf returns what can be said of body.
func wholeOf(alg verify.Algorithm, body []byte) verify.Whole {
	r := verify.NewRecorder(alg, int64(len(body)))
	if _, err := io.Copy(r, bytes.NewReader(body)); err != nil {
		panic("fetchtest: internal error: " + err.Error())
	}
	return r.Whole()
}
