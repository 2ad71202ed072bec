package verify

import (
	"encoding/json"
	"fmt"
	"strings"
	"sync"
	"time"
)

const (
	// enoughSamples is how many full downloads must have borne a guess out,
	// and none denied it, before an entity tag is believed to be a digest.
	enoughSamples = 8
	// minSample is the shortest body that says anything: what is shorter may
	// be the input of more than one rule.
	minSample = 64
	// barred is how long one miss forbids a guess at a place.
	barred = 30 * 24 * time.Hour
	// maxProfiles is how many places are known; the longest unseen go first.
	maxProfiles = 4096
)

// Profiles is what this node has learned of how places make their entity tags.
// Every full download of its own from an origin is a sample. The zero Profiles
// is ready and has learned nothing; a nil one never learns. Its methods may be
// called at once from many goroutines.
type Profiles struct {
	mu  sync.Mutex // guards following
	all map[string]*profile
}

type profile struct {
	Hits   int       `json:"hits"`
	Missed time.Time `json:"missed,omitzero"`
	Seen   time.Time `json:"seen"`
}

// placeOf names where a rule for entity tags may hold: scheme, host, first
// segment of the path and whether vendor fields are there.
func placeOf(x *exchange) string {
	a, err := AuthorityOf(x.URL)
	if err != nil {
		return ""
	}
	first, _, _ := strings.Cut(strings.TrimPrefix(x.URL.Path, "/"), "/")
	vendor := ""
	for _, name := range []string{"X-Amz-Request-Id", "X-Goog-Generation", "X-Trans-Id", "X-Repo-Commit", "Cf-Ray"} {
		if x.has(name) {
			vendor += " " + name
		}
	}
	return fmt.Sprintf("%s/%.64s%s", a, first, vendor)
}

func (p *Profiles) learned(place string, alg Algorithm, now time.Time) bool {
	if p == nil || place == "" {
		return false
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	known := p.all[place+" "+alg.String()]
	return known != nil && known.Hits >= enoughSamples && !known.bars(now)
}

func (p *profile) bars(now time.Time) bool { return !p.Missed.IsZero() && now.Sub(p.Missed) < barred }

// Derives reports whether x's strong entity tag is known to be made of the
// content.
func (p *Profiles) Derives(x Exchange) bool {
	for _, d := range p.Guesses(x) {
		if p.learned(placeOf(newExchange(x)), d.alg, x.At) {
			return true
		}
	}
	return false
}

// Guesses returns the digests that the entity tag of x would state, were it one
// by the rules that this place may follow. Whoever downloads the whole body
// from the origin has a Recorder suppose them and then calls Learn.
func (p *Profiles) Guesses(x Exchange) []Digest {
	if p == nil || x.Length < minSample || x.URL == nil {
		return nil
	}
	e := newExchange(x)
	var out []Digest
	for _, s := range guesses(e) {
		if d, err := NewDigest(s.alg, s.sum, x.Length); err == nil && !p.isBarred(placeOf(e), s.alg, x.At) {
			out = append(out, d)
		}
	}
	return out
}

func (p *Profiles) isBarred(place string, alg Algorithm, now time.Time) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	known := p.all[place+" "+alg.String()]
	return known != nil && known.bars(now)
}

// Learn takes the sample that r, a recorder of the whole body as the origin
// sent it, is of x's entity tag.
func (p *Profiles) Learn(x Exchange, r *Recorder) {
	for _, d := range p.Guesses(x) {
		p.note(placeOf(newExchange(x)), d.alg, r.supposes(d), x.At)
	}
}

func (p *Profiles) note(place string, alg Algorithm, hit bool, now time.Time) {
	key := place + " " + alg.String()
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.all == nil {
		p.all = make(map[string]*profile)
	}
	known := p.all[key]
	if known == nil {
		p.makeRoomLocked()
		known = &profile{}
		p.all[key] = known
	}
	known.Seen = now
	switch {
	case hit:
		known.Hits = min(known.Hits+1, enoughSamples)
	default:
		known.Hits, known.Missed = 0, now
	}
}

func (p *Profiles) makeRoomLocked() {
	if len(p.all) < maxProfiles {
		return
	}
	oldest := ""
	for key, known := range p.all {
		if oldest == "" || known.Seen.Before(p.all[oldest].Seen) {
			oldest = key
		}
	}
	delete(p.all, oldest)
}

// MarshalJSON writes what was learned, for this node's own disk.
func (p *Profiles) MarshalJSON() ([]byte, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	return json.Marshal(p.all)
}

// UnmarshalJSON reads what MarshalJSON wrote, from this node's own disk and
// nowhere else.
func (p *Profiles) UnmarshalJSON(b []byte) error {
	var all map[string]*profile
	if err := json.Unmarshal(b, &all); err != nil {
		return fmt.Errorf("verify: profiles: %w", err)
	}
	for key, known := range all {
		if known == nil || known.Hits < 0 || len(all) > maxProfiles {
			return fmt.Errorf("%w: profile of %.80q", ErrMalformed, key)
		}
		known.Hits = min(known.Hits, enoughSamples)
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.all = all
	return nil
}
