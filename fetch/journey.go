package fetch

import (
	"errors"
	"net/http"
	"sync"
	"time"

	"github.com/flashcrowd/flashcrowd/verify"
)

// journey is one request on its way: what its receipt will say.
type journey struct {
	f     *Fetcher
	req   *Request
	start time.Time
	// forward is why the request goes to the origin, once the cache was asked
	// (Served.Forward). Only Do uses it.
	forward string
	// silent: nobody asked, so there is no receipt.
	silent bool

	mu       sync.Mutex // guards following
	outcome  string
	status   int
	sources  []SourceBytes
	fl       *flight // whose sources count, if any
	evidence *verify.Evidence
	missing  []string
	first    time.Duration
}

func (f *Fetcher) begin(req *Request) *journey {
	f.stats.requests.Add(1)
	return &journey{f: f, req: req, start: time.Now(), outcome: "miss"}
}

// firstByte notes that the first octet of the body is there.
func (j *journey) firstByte() {
	j.mu.Lock()
	defer j.mu.Unlock()
	if j.first == 0 {
		j.first = max(time.Since(j.start), 1)
	}
}

// evidenceOf notes under which evidence a stored body came from peers.
func (j *journey) evidenceOf(s *Stored) {
	if detailOf(s.Sources) == "origin" {
		return
	}
	if p, _, err := j.f.admit(s.Meta, documentOf(j.req)); err == nil {
		e := p.Evidence()
		j.evidence = &e
	}
}

// done writes the receipt.
func (j *journey) done(sent int64) {
	if j.silent {
		return
	}
	j.mu.Lock()
	defer j.mu.Unlock()
	j.f.stats.sent(sent)
	if j.outcome == "hit" || j.outcome == "stale" {
		j.f.stats.hits.Add(1)
	}
	if j.fl != nil {
		j.sources, j.missing = j.fl.account()
		if p := j.fl.proof(); j.evidence == nil && p.Valid() { // it came late
			e := p.Evidence()
			j.evidence = &e
		}
	}
	j.f.receipts.put(j.receiptLocked())
}

// receiptLocked is the receipt as it is to be written now. mu is held.
func (j *journey) receiptLocked() Receipt {
	return Receipt{
		URL: subject(j.req), Time: j.start, Status: j.status, Policy: j.policy(), Outcome: j.outcome,
		Sources: orEmpty(j.sources), Evidence: j.evidence, Believed: j.believed(), Missing: orEmpty(j.missing),
		FirstByte: j.first.Seconds(), Total: time.Since(j.start).Seconds(),
		aside: j.req.Method != http.MethodGet || ranged(j.req),
	}
}

// believed says why the evidence was believed.
func (j *journey) believed() string {
	if j.evidence == nil {
		return ""
	}
	return j.evidence.Words()
}

// policy is the one for the host of the request.
func (j *journey) policy() verify.Policy {
	p, _ := j.f.rules().Of(j.req.URL)
	return p
}

// fail writes the receipt of a request without a response and returns err.
func (j *journey) fail(err error) error {
	j.mu.Lock()
	j.missing = append(j.missing, err.Error())
	j.mu.Unlock()
	j.done(0)
	if j.forward != "" && errors.As(err, new(*Failure)) {
		return &forwarded{j.forward, err}
	}
	return err
}

// subject is the URL by which receipts are asked for.
func subject(req *Request) string {
	u := *req.URL
	u.Fragment, u.User = "", nil
	return u.String()
}

// detailOf says where a body came from: "peer", "origin", "mixed", or "" when
// that is not known.
func detailOf(sources []SourceBytes) string {
	var peers, origin bool
	for _, s := range sources {
		peers = peers || s.Kind == "peer" && s.Bytes > 0
		origin = origin || s.Kind == "origin" && s.Bytes > 0
	}
	switch {
	case peers && origin:
		return "mixed"
	case peers:
		return "peer"
	case origin:
		return "origin"
	}
	return ""
}

func orEmpty[T any](s []T) []T {
	if s == nil {
		return []T{}
	}
	return s
}
