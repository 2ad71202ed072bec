package fetch

import (
	"net/http"
	"time"
)

// Again answers one request once more: from memory, while nothing has changed
// that the answer followed from. Its methods may be called at once from many
// goroutines.
type Again struct {
	f       *Fetcher
	look    func(now time.Time) (age, ttl time.Duration, body []byte, ok bool)
	served  Served
	receipt Receipt
}

// again returns how the hit s is to be had once more, or nil. Whatever may make
// another answer of the same request must be looked at in Look.
func (j *journey) again(s *Stored, r *Response) *Again {
	if s.Again == nil || s.landing != nil || s.Meta.Status != http.StatusOK || j.req.Method != http.MethodGet || ranged(j.req) || conditional(j.req) {
		return nil
	}
	j.mu.Lock()
	defer j.mu.Unlock()
	return &Again{f: j.f, look: s.Again, served: r.Served, receipt: j.receiptLocked()}
}

// Look returns how the request would be answered now, and with which body, which
// nobody may change. Where ok is false only Do knows.
func (a *Again) Look(now time.Time) (s Served, body []byte, ok bool) {
	if a.f.stirs(a.receipt.URL) {
		return Served{}, nil, false
	}
	s = a.served
	s.Age, s.TTL, body, ok = a.look(now)
	return s, body, ok
}

// Done is called once after each Look, when the last octet is out or delivery
// ended: with when the request came, when its answer began to go out and when
// that ended, and the octets of body that went to the client.
func (a *Again) Done(began, first, end time.Time, sent int64) {
	a.f.stats.requests.Add(1)
	a.f.stats.hits.Add(1)
	a.f.stats.sent(sent)
	r := a.receipt
	r.Time, r.FirstByte, r.Total = began, max(first.Sub(began), 1).Seconds(), end.Sub(began).Seconds()
	a.f.receipts.put(r)
}

// stirs reports whether something about url is under way that what is stored
// does not tell.
func (f *Fetcher) stirs(url string) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	if _, keeping := f.keeping[url]; keeping || f.closed {
		return true
	}
	for _, fl := range f.landing[url] {
		if !fl.over() {
			return true
		}
	}
	delete(f.landing, url)
	return false
}
