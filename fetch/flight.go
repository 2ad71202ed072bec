package fetch

import (
	"context"
	"maps"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/flashcrowd/flashcrowd/dht"
	"github.com/flashcrowd/flashcrowd/verify"
)

// flight is one download in progress, shared by every reader that wants the
// object. It runs on its own context: readers come and go, and the last one
// out cancels it.
//
// Its life: run asks the origin; at the header fields ready is closed and
// exactly one of err, freshened, refused, direct and meta says what came of it.
// Refused: the origin answered with an error that is no answer for whoever may
// have something stale instead. With
// meta a body follows: whoever waits may ride (reader.go). The body is over
// when landed is true or failure is set.
type flight struct {
	f      *Fetcher
	key    string
	req    *Request // of the leader, without conditions
	ctx    context.Context
	cancel context.CancelFunc
	start  time.Time

	// Set before ready is closed, immutable afterwards.
	ready     chan struct{}
	err       error
	freshened bool // what was stored is right; renewed has it once
	refused   bool
	completes bool // parts that were stored, to the whole
	direct    *Answer
	meta      *Meta
	writer    Writer
	moved     *Request // where the body comes from, if not from req's own URL
	inquiry   *inquiry // what is asked beside the download; nil for nothing
	missing   []string // why the swarm is out
	policy    verify.Policy
	id        dht.ID
	board     *board // what others of the crowd are told; nil unless swarmed, under a digest with state lists

	// faith is set before ready is closed, and once more if a probe finds what
	// the header fields left out.
	faith atomic.Pointer[faith]

	// invalid: an unsafe request has made what the flight brings unusable
	// without validation (RFC 9111 section 4.4).
	invalid atomic.Bool
	// outgrown: rest was or is set.
	outgrown atomic.Bool

	mu         sync.Mutex // guards following; cond is on it
	cond       *sync.Cond
	riders     int // leader and joiners that have not left
	body       body
	landed     bool
	failure    error
	released   bool              // writer takes no more octets
	stored     bool              // writer was committed
	remains    []Span            // what is kept of a body that did not land; nil for nothing
	whole      *Seal             // once landed and right
	evidence   []verify.Evidence // that counts now; nil: what meta has
	perSource  map[string]int64
	hungry     time.Time // since when a reader waits; zero when none does
	leaderGone bool
	serving    int                             // reads of other nodes under way
	knocked    func(name dht.ID, m dht.Member) // is told who follows, under which name; nil when nobody asks strangers
	rest       *rest                           // of a body that outgrew the disk, for who comes first
	renewed    *Stored                         // for the leader, who takes it or leaves
	settled    chan struct{}                   // closed when the cache has the body, or will not
}

// faith is what octets of strangers are held against: proof is valid if they may
// be asked, swarmed says that they are.
type faith struct {
	proof   verify.Proof
	swarmed bool
}

func (fl *flight) proof() verify.Proof {
	if f := fl.faith.Load(); f != nil {
		return f.proof
	}
	return verify.Proof{}
}

func (fl *flight) swarmed() bool {
	f := fl.faith.Load()
	return f != nil && f.swarmed
}

// board joins the flight for the same object, or starts one with the journey's
// request, conditional on stored. Only plain requests join and are joined:
// what comes of a request with a Cookie is its sender's own.
func (j *journey) board(stored *Stored) (fl *flight, leader bool, err error) {
	plain := plainRequest(j.req)
	f, key := j.f, flightKey(j.req)
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.closed {
		return nil, false, &Failure{InternalFailure, ErrNotDelivered}
	}
	if fl = f.flights[key]; fl != nil && plain && fl.isReady() && fl.meta != nil && fl.judged(j.req) == nil {
		j.forward = "vary-miss"
		key += "\x00" + variantOf(fl.meta, j.req)
	}
	if fl = f.flights[key]; fl != nil && plain && fl.current(j.req) &&
		(fl.isReady() || !f.solitary.has(key, time.Now())) && fl.join() {
		return fl, false, nil
	}
	fl = f.newFlight(key, j.req)
	if plain { // in place of one that nobody can join any more
		f.flights[key] = fl
	}
	f.wg.Go(func() {
		fl.run(stored)
		if fl.direct == nil && !fl.outgrown.Load() { // else a response ends it
			fl.cancel()
		}
		f.mu.Lock()
		defer f.mu.Unlock()
		if f.flights[key] == fl {
			delete(f.flights, key)
		}
	})
	return fl, true, nil
}

func (f *Fetcher) newFlight(key string, req *Request) *flight {
	fl := &flight{
		f: f, key: key, start: time.Now(), ready: make(chan struct{}), settled: make(chan struct{}), riders: 1,
		req: unconditional(req), perSource: make(map[string]int64),
	}
	fl.cond = sync.NewCond(&fl.mu)
	fl.ctx, fl.cancel = context.WithCancel(f.ctx)
	return fl
}

// variantOf is equal for two requests that differ in none of the fields that m
// nominates.
func variantOf(m *Meta, req *Request) string {
	var b strings.Builder
	for _, line := range m.Header.Values("Vary") {
		for name := range strings.SplitSeq(line, ",") {
			b.WriteString(strings.Join(req.Header.Values(strings.TrimSpace(name)), ", ") + "\x00")
		}
	}
	return b.String()
}

// answerable reports whether there is a flight from which a request for a part
// or with conditions can be answered without waiting for more than it asks
// for: one with all octets for a range, any for a condition.
func (j *journey) answerable() bool {
	j.f.mu.Lock()
	fl := j.f.flights[flightKey(j.req)]
	j.f.mu.Unlock()
	if fl == nil || !plainRequest(j.req) || !fl.current(j.req) {
		return false
	}
	fl.mu.Lock()
	defer fl.mu.Unlock()
	return fl.landed || fl.failure == nil && !ranged(j.req)
}

// flightKey is equal for requests whose answers are the same representation,
// as far as that can be said before the header fields are in.
func flightKey(req *Request) string {
	u, err := dht.Canonical(req.URL)
	if err != nil {
		u = req.URL.String()
	}
	key := coding(req.Header) + " " + u + " " + strconv.Itoa(int(req.Face))
	if req.NoSwarm {
		key += " alone"
	}
	return key
}

// coding returns what the Accept-Encoding fields of h come down to: "gzip",
// "identity", or, where that is not plain to see, the fields themselves.
func coding(h http.Header) string {
	result := "identity"
	line := strings.ToLower(strings.Join(h.Values("Accept-Encoding"), ","))
	for member := range strings.SplitSeq(line, ",") {
		name, weight, weighed := strings.Cut(strings.ReplaceAll(member, " ", ""), ";")
		switch {
		case name == "*" || name == "x-gzip" || name == "gzip" && weighed && !plainWeight[weight]:
			return "as " + line
		case name == "gzip":
			result = "gzip"
		}
	}
	return result
}

// plainWeight are the weights that browsers write.
var plainWeight = map[string]bool{
	"q=1": true, "q=1.0": true, "q=0.9": true, "q=0.8": true, "q=0.7": true, "q=0.6": true, "q=0.5": true,
}

// asked is the request whose answer the body is.
func (fl *flight) asked() *Request {
	if fl.moved != nil {
		return fl.moved
	}
	return fl.req
}

// unconditional returns req for the whole representation.
func unconditional(req *Request) *Request {
	c := *req
	c.Header = req.Header.Clone()
	for _, name := range append([]string{"Range"}, conditions...) {
		c.Header.Del(name)
	}
	return &c
}

// current reports whether the flight may answer a request that comes now:
// until its header fields are in any, from then on only one for which they
// make it fresh. To join any other would be to use a stale response.
func (fl *flight) current(req *Request) bool {
	select {
	case <-fl.ready:
		s := fl.judged(req)
		return s != nil && s.Fresh
	default:
		return true
	}
}

func (fl *flight) isReady() bool {
	select {
	case <-fl.ready:
		return true
	default:
		return false
	}
}

// join adds a rider, unless the flight is over.
func (fl *flight) join() bool {
	fl.mu.Lock()
	defer fl.mu.Unlock()
	if fl.riders == 0 && !fl.landed || fl.released && fl.writer == nil || fl.failure != nil {
		return false
	}
	fl.riders++
	return true
}

// leave is called once for each rider. The last one out cancels the flight if
// it still has octets to get.
func (fl *flight) leave(leader bool) {
	fl.mu.Lock()
	end := fl.leaveLocked(leader)
	fl.mu.Unlock()
	end()
}

// leaveLocked is leave but for what it returns, which is called without a lock.
func (fl *flight) leaveLocked(leader bool) (end func()) {
	fl.riders--
	fl.leaderGone = fl.leaderGone || leader
	if fl.riders == 0 && !fl.landed {
		fl.cancel()
	}
	if fl.riders == 0 {
		fl.rest.drop()
		fl.rest = nil
	}
	if fl.leaderGone {
		fl.dropDirectLocked()
		closeStored(fl.renewed)
		fl.renewed = nil
	}
	return fl.endIfDoneLocked()
}

// dropDirectLocked closes an answer that was meant for a leader who left.
func (fl *flight) dropDirectLocked() {
	if fl.direct != nil {
		fl.direct.Body.Close()
		fl.cancel()
	}
}

// endIfDoneLocked returns what frees the body once the flight is over and
// nobody reads, to be called when no lock is held any more.
func (fl *flight) endIfDoneLocked() func() {
	if fl.riders > 0 || fl.serving > 0 || !fl.released || fl.writer == nil {
		return func() {}
	}
	w := fl.writer
	fl.writer = nil
	return fl.end(w)
}

// wait returns when the header fields are in, or ctx is done.
func (fl *flight) wait(ctx context.Context) error {
	select {
	case <-fl.ready:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// judged is what the cache says of the flight's response for req, nil when req
// cannot have it (Config.Judge). It may be called once ready is closed.
func (fl *flight) judged(req *Request) *Stored {
	if fl.meta == nil || fl.f.cfg.Judge == nil {
		return nil
	}
	return fl.f.cfg.Judge(req, fl.meta, time.Now())
}

// sawRate notes what the origin gave at its best.
func (fl *flight) sawRate(octetsPerSecond float64) {
	fl.mu.Lock()
	defer fl.mu.Unlock()
	fl.body.originRate = octetsPerSecond
}

// account returns what came from where, and why the swarm was out.
func (fl *flight) account() ([]SourceBytes, []string) {
	fl.mu.Lock()
	defer fl.mu.Unlock()
	sources, missing := fl.sourcesLocked(), fl.missing
	if fl.swarmed() && len(missing) == 0 && detailOf(sources) == "origin" {
		missing = []string{"nothing: others could have helped, but nobody who had it was found before the origin was done"}
	}
	return sources, missing
}

func (fl *flight) sourcesLocked() []SourceBytes {
	var out []SourceBytes
	if n := fl.perSource["origin"]; n > 0 {
		out = append(out, SourceBytes{Kind: "origin", Bytes: n})
	}
	if n := fl.perSource["cache"]; n > 0 {
		out = append(out, SourceBytes{Kind: "cache", Bytes: n})
	}
	for _, name := range slices.Sorted(maps.Keys(fl.perSource)) {
		if name != "origin" && name != "cache" {
			out = append(out, SourceBytes{Kind: "peer", Peer: name, Bytes: fl.perSource[name]})
		}
	}
	return out
}
