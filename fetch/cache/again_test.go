package cache

import (
	"bytes"
	"testing"
	"time"

	"github.com/flashcrowd/flashcrowd/fetch"
)

// TestAgain: what is to be had again is what Lookup would return, and nothing
// once it would return something else.
func TestAgain(t *testing.T) {
	for name, change := range map[string]func(t *testing.T, s opened, now *time.Time){
		"nothing":     nil,
		"expired":     func(_ *testing.T, _ opened, now *time.Time) { *now = now.Add(time.Hour) },
		"clock back":  func(_ *testing.T, _ opened, now *time.Time) { *now = now.Add(-time.Minute) },
		"invalidated": func(_ *testing.T, s opened, _ *time.Time) { s.Invalidate("http://example.com/a") },
		"removed": func(t *testing.T, s opened, _ *time.Time) {
			if n, err := s.Remove("http://example.com/a"); n != 1 || err != nil {
				t.Fatal(n, err)
			}
		},
		"replaced": func(t *testing.T, s opened, _ *time.Time) {
			req, m, body := object("a", 700)
			put(t, s, req, m, body)
		},
		"another variant": func(t *testing.T, s opened, _ *time.Time) {
			req, m, body := object("a", 700, "Vary", "X-A")
			req.Header.Set("X-A", "1")
			m.Vary = req.Header.Clone()
			put(t, s, req, m, body)
		},
		"closed": func(t *testing.T, s opened, _ *time.Time) {
			if err := s.Store.Close(); err != nil {
				t.Fatal(err)
			}
		},
	} {
		t.Run(name, func(t *testing.T) {
			s := open(t, t.TempDir(), Config{})
			defer s.db.Close()
			defer s.Store.Close()
			req, m, body := object("a", 1000)
			put(t, s, req, m, body)
			lookup := func(now time.Time) *fetch.Stored {
				st, err := s.Lookup(req, now)
				if err != nil {
					t.Fatal(err)
				}
				st.Body.Close()
				return st
			}
			now := time.Now()
			if lookup(now).Again != nil {
				t.Error("what was read from a file is to be had again")
			}
			st := lookup(now)
			if st.Again == nil {
				t.Fatal("what is in memory is not")
			}
			later := now.Add(90 * time.Second)
			age, ttl, got, ok := st.Again(later)
			if want := lookup(later); !ok || !bytes.Equal(got, body) || age != want.Age || ttl != want.TTL {
				t.Errorf("%v after %v and before %v, want %v and %v", ok, age, ttl, want.Age, want.TTL)
			}
			if change == nil {
				return
			}
			change(t, s, &now)
			if _, _, _, ok := st.Again(now); ok {
				t.Error("still to be had")
			}
		})
	}
}

// TestAgainOnlyAsAsked: a request with directives of its own is looked up.
func TestAgainOnlyAsAsked(t *testing.T) {
	s := openTemp(t, Config{})
	req, m, body := object("a", 1000)
	put(t, s, req, m, body)
	for _, name := range []string{"Cache-Control", "Pragma"} {
		asks := *req
		asks.Header = req.Header.Clone()
		asks.Header.Set(name, "max-age=10")
		for range 2 {
			if st, err := s.Lookup(&asks, time.Now()); err != nil || st.Again != nil {
				t.Errorf("with %s: %v", name, err)
			}
		}
	}
}
