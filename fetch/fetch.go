package fetch

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"net/netip"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/flashcrowd/flashcrowd/dht"
	"github.com/flashcrowd/flashcrowd/verify"
)

// Config wires a Fetcher. Cache and Origin are required.
type Config struct {
	Cache  Cache
	Origin Origin
	// Judge says what Lookup would say of the response m, which is under way,
	// were it stored; there is no Body. It returns nil when req does not select
	// m, or may not have it. A nil Judge is one that always returns nil: each
	// request asks the origin.
	Judge func(req *Request, m *Meta, now time.Time) *Stored
	// Memory of digests; nil remembers nothing.
	Memory Memory
	// Carried are bodies that wait for their origin; nil has none.
	Carried Carried
	// Shelf is what the cache offers to other nodes; nil offers nothing.
	Shelf Shelf
	// Swarm and Router find other nodes; nil of either asks nobody.
	Swarm  Swarm
	Router dht.Router
	// Self is this node's peer ID, by which a crowd ranks it.
	Self string
	// Policy is how strong evidence must be; zero is balanced. PolicyFor are
	// the hosts with one of their own, the first that fits; Publishers are
	// globs of hosts where only the publisher can put files.
	Policy     verify.Policy
	PolicyFor  []verify.PolicyFor
	Publishers []string
	// Profiles of entity tags, to which every full download from an origin
	// adds; nil learns nothing.
	Profiles *verify.Profiles
	// Sharing is what is given to others; the zero value is auto, without
	// private addresses.
	Sharing Sharing
	// Logger; nil is silent. Metrics; nil registers nothing.
	Logger  *slog.Logger
	Metrics prometheus.Registerer
}

// Fetcher answers requests. Its methods may be called at once from many
// goroutines.
type Fetcher struct {
	cfg      Config
	log      *slog.Logger
	stats    *stats
	receipts receipts
	twins    twins
	leads    leads
	probes   probes
	scores   scores

	ctx    context.Context // of all flights; ends at Close
	cancel context.CancelFunc
	wg     sync.WaitGroup // flights

	mu         sync.Mutex // guards following
	flights    map[string]*flight
	landing    map[string][]*flight // by subject; swept at each start
	refreshing map[string]bool      // by flightKey
	solitary   solitary
	keeping    map[string]incoming // parts on their way into the cache, by subject
	adopted    map[string]struct{} // whole bodies that are kept as they pass, by subject
	closed     bool
}

// New returns a Fetcher over the parts in cfg. Whoever calls New calls Close.
func New(cfg Config) *Fetcher {
	if cfg.Policy == "" {
		cfg.Policy = verify.Balanced
	}
	f := &Fetcher{
		cfg: cfg, log: cfg.Logger, stats: newStats(cfg.Metrics), flights: make(map[string]*flight),
		landing: make(map[string][]*flight), refreshing: make(map[string]bool), keeping: make(map[string]incoming), adopted: make(map[string]struct{}),
	}
	if f.log == nil {
		f.log = slog.New(slog.DiscardHandler)
	}
	f.ctx, f.cancel = context.WithCancel(context.Background())
	return f
}

// Close ends all flights, whose readers fail, and waits for them.
func (f *Fetcher) Close() {
	f.mu.Lock()
	f.closed = true
	f.mu.Unlock()
	f.cancel()
	f.wg.Wait()
}

// Receipt returns how the latest response for url was made.
func (f *Fetcher) Receipt(url string) (Receipt, bool) { return f.receipts.get(url) }

// Do answers req. Errors are *Failure, or ctx's own.
func (f *Fetcher) Do(ctx context.Context, req *Request) (*Response, error) {
	j := f.begin(req)
	if why := passes(req); why != "" {
		return j.pass(ctx, why)
	}
	f.awaitKeeping(ctx, subject(req))
	stored := j.lookup()
	if stored != nil && guarded(req, stored.Meta) {
		closeStored(stored)
		return j.pass(ctx, "bypass")
	}
	if stored != nil && stored.Fresh {
		return j.hit(stored), nil
	}
	if stored == nil {
		if r, ok := j.assemble(ctx); ok {
			return r, nil
		}
	}
	if onlyIfCached(req) {
		closeStored(stored)
		j.forward = ""
		return nil, j.fail(&Failure{OnlyIfCached, errors.New("only-if-cached, and nothing fresh is stored")})
	}
	if stored != nil && stored.Revalidate {
		j.refresh()
		return j.stale(stored), nil
	}
	if j.partial(stored) {
		return j.part(ctx, stored)
	}
	return j.fly(ctx, stored)
}

// guarded reports whether a stored response must not answer req from the
// cache: any page can send a gateway request, and what a private address named
// by a name said is for the guard of the origin to refuse. What redirects led
// to is for those on whose behalf they may be followed.
func guarded(req *Request, m *Meta) bool {
	if m.Moved && !mayFollow(req) {
		return true
	}
	_, err := netip.ParseAddr(req.URL.Hostname())
	return req.Face == Gateway && !m.PublicOrigin && err != nil
}

// passes says why a request goes to the origin and back untouched by cache and
// swarm ("method" or "request"), or "" if it need not.
func passes(req *Request) string {
	switch {
	case req.Bypass:
		return "bypass"
	case req.Method != http.MethodGet && req.Method != http.MethodHead:
		return "method"
	case req.Body != nil && req.Length != 0,
		directives(req.Header.Values("Cache-Control")).has("no-store") && !onlyIfCached(req):
		return "request"
	}
	return ""
}

func onlyIfCached(req *Request) bool {
	return directives(req.Header.Values("Cache-Control")).has("only-if-cached")
}

// partial reports whether a request that is not for a whole body is the
// origin's to answer: HEAD always, ranges and conditions when there is neither
// a stored body nor a flight to answer from. A small question never costs the
// origin a whole body.
func (j *journey) partial(stored *Stored) bool {
	return j.req.Method == http.MethodHead ||
		stored == nil && (conditional(j.req) || ranged(j.req)) && !j.answerable()
}

// conditional reports whether req has conditions of its own.
func conditional(req *Request) bool {
	for _, name := range conditions {
		if req.Header.Get(name) != "" {
			return true
		}
	}
	return false
}

var conditions = []string{"If-Match", "If-None-Match", "If-Modified-Since", "If-Unmodified-Since", "If-Range"}

// ranged reports whether req asks for a part.
func ranged(req *Request) bool { return req.Header.Get("Range") != "" }

// lookup asks the cache, and notes why the request is forwarded if it will be.
// A cache that fails is a cache that has nothing.
func (j *journey) lookup() *Stored {
	stored, others := j.arrived()
	var err error
	if stored == nil {
		stored, err = j.f.cfg.Cache.Lookup(j.req, time.Now())
	}
	switch {
	case err == nil && stored.Unwanted:
		j.forward = "request"
	case err == nil:
		j.forward = "stale"
	case others, errors.Is(err, ErrVaryMiss):
		j.forward = "vary-miss"
	default:
		j.forward = "uri-miss"
	}
	if err != nil {
		if !errors.Is(err, ErrMiss) {
			j.f.log.Warn("cache", "err", err)
		}
		return nil
	}
	return stored
}

// hit answers from the cache.
func (j *journey) hit(s *Stored) *Response {
	j.outcome, j.status = "hit", s.Meta.Status
	j.firstByte()
	r := j.stored(s)
	j.sources = []SourceBytes{{Kind: "cache", Bytes: max(r.Length, 0)}}
	r.Served = Served{Hit: true, TTL: s.TTL, HasTTL: true, Age: s.Age, Detail: detailOf(s.Sources)}
	j.evidenceOf(s)
	r.Served.Evidence = j.evidence
	r.Again = j.again(s, r)
	return r
}

// stored makes a response of what the cache has.
func (j *journey) stored(s *Stored) *Response {
	size, err := s.Body.Seek(0, 2)
	if err == nil {
		_, err = s.Body.Seek(0, 0)
	}
	if err != nil {
		size = -1
	}
	return &Response{
		Status: s.Meta.Status, Header: s.Meta.Header.Clone(), Length: size, Body: j.mend(s), Done: j.done,
	}
}

// fly answers a request for which the origin must be asked: it joins the
// flight for the same object, or starts one, which also revalidates what is
// stored but stale.
func (j *journey) fly(ctx context.Context, stored *Stored) (*Response, error) {
	fl, leader, err := j.board(stored)
	if err != nil {
		closeStored(stored)
		return nil, j.fail(err)
	}
	if leader {
		j.f.lands(subject(j.req), fl)
	}
	if err := fl.wait(ctx); err != nil {
		fl.leave(leader)
		closeStored(stored)
		return nil, j.fail(err)
	}
	switch {
	case (fl.refused || errors.As(fl.err, new(*Failure))) && stored != nil && stored.StaleOK:
		fl.leave(leader)
		return j.stale(stored), nil
	case fl.err != nil:
		fl.leave(leader)
		closeStored(stored)
		return nil, j.fail(stranded(fl.err, stored))
	case fl.freshened:
		s := fl.takeRenewed(leader)
		fl.leave(leader)
		closeStored(stored)
		if !leader {
			return j.renewed(ctx)
		}
		return j.validated(ctx, s)
	case fl.direct != nil && leader:
		closeStored(stored)
		return j.direct(ctx, fl), nil
	case fl.direct != nil, fl.refused, fl.meta.Moved && !mayFollow(j.req):
		fl.leave(leader)
		closeStored(stored)
		return j.pass(ctx, j.forward)
	case ranged(j.req) && fl.distant():
		fl.leave(leader)
		closeStored(stored)
		return j.part(ctx, nil)
	case !leader:
		closeStored(stored)
		return j.share(ctx, fl)
	}
	closeStored(stored)
	if leader && (conditional(j.req) || ranged(j.req)) && fl.short() {
		j.f.finish(fl)
	}
	r := j.ride(ctx, fl, leader, stored != nil)
	r.Body = parting(r.Body, fl)
	r.Served.Forward, r.Served.ForwardStatus = j.forward, fl.meta.Status
	if s := fl.judged(j.req); fl.completes && s != nil {
		r.Served.Forward, r.Served.ForwardStatus, r.Served.Age = "partial", http.StatusPartialContent, s.Age
	}
	return r, nil
}

// stale answers with what is stored although the origin could not be reached.
func (j *journey) stale(s *Stored) *Response {
	r := j.hit(s)
	j.outcome = "stale"
	return r
}

// validated answers with s, of which the origin has just said that it is still
// right. If it is nil, the origin is asked for all.
func (j *journey) validated(ctx context.Context, s *Stored) (*Response, error) {
	if s == nil {
		return j.pass(ctx, j.forward)
	}
	r := j.hit(s)
	r.Served.Hit, r.Served.Forward, r.Served.ForwardStatus = false, j.forward, http.StatusNotModified
	return r, nil
}

func closeStored(s *Stored) {
	if s != nil {
		s.Body.Close()
	}
}
