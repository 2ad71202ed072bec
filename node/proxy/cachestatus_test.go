package proxy

import (
	"testing"
	"time"

	"github.com/dunglas/httpsfv"

	"github.com/flashcrowd/flashcrowd/fetch"
)

// TestCacheStatusParses: what is written by hand is what a parser of RFC 8941
// reads, for every value that a Fetcher uses.
func TestCacheStatusParses(t *testing.T) {
	forwards := []string{"", "uri-miss", "vary-miss", "stale", "request", "bypass", "method", "partial"}
	for i, forward := range forwards {
		for _, detail := range []string{"", "peer", "origin", "mixed"} {
			s := fetch.Served{
				Hit: forward == "", Forward: forward, HasTTL: true, TTL: time.Duration(i-3) * time.Minute,
				Stored: i%2 == 0, Collapsed: i%3 == 0, Detail: detail,
			}
			list, err := httpsfv.UnmarshalList([]string{cacheStatus(s)})
			if err != nil || len(list) != 1 {
				t.Fatalf("%q: %v", cacheStatus(s), err)
			}
			item := list[0].(httpsfv.Item)
			param := func(name string) any { v, _ := item.Params.Get(name); return v }
			if item.Value != httpsfv.Token("flashcrowd") || param("ttl") != int64(s.TTL/time.Second) {
				t.Errorf("%q", cacheStatus(s))
			}
			if hit, _ := param("hit").(bool); hit != s.Hit {
				t.Errorf("%q: hit %v", cacheStatus(s), hit)
			}
			if fwd, _ := param("fwd").(httpsfv.Token); string(fwd) != s.Forward {
				t.Errorf("%q: fwd %q", cacheStatus(s), fwd)
			}
			if d, _ := param("detail").(httpsfv.Token); string(d) != s.Detail {
				t.Errorf("%q: detail %q", cacheStatus(s), d)
			}
			if stored, _ := param("stored").(bool); stored != s.Stored {
				t.Errorf("%q: stored %v", cacheStatus(s), stored)
			}
		}
	}
}
