package cache

import (
	"time"

	"github.com/flashcrowd/flashcrowd/fetch"
)

// again returns how the answer st to req, which is what the memory tier has of
// e, is to be had once more (fetch.Stored): while the record is the same, no
// other response has come under the same URL, and it is fresh. It keeps no body
// in memory. It is nil where the request has directives of its own.
func (s *Store) again(req *fetch.Request, e *entry, r *record, st *fetch.Stored, then time.Time) func(time.Time) (age, ttl time.Duration, body []byte, ok bool) {
	if _, asks := req.Header["Cache-Control"]; asks || !st.Fresh || st.TTL <= 0 {
		return nil
	}
	if _, asks := req.Header["Pragma"]; asks {
		return nil
	}
	company := e.company.Load()
	then = then.Round(0) // by the clock on the wall, which may be set
	age0, ttl0 := st.Age, st.TTL
	return func(now time.Time) (age, ttl time.Duration, body []byte, ok bool) {
		passed := now.Sub(then)
		if passed < 0 || passed >= ttl0 || !s.enter() {
			return 0, 0, nil, false
		}
		defer s.leave()
		w := s.hot.get(e)
		if w == nil || w.record != r || e.company.Load() != company {
			return 0, 0, nil, false
		}
		s.touch(e, now)
		return age0 + passed, ttl0 - passed, w.body, true
	}
}
