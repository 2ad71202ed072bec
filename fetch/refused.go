package fetch

import (
	"context"
	"errors"
	"math/rand/v2"
	"net/http"
	"time"

	"github.com/flashcrowd/flashcrowd/dht"
	"github.com/flashcrowd/flashcrowd/verify"
)

const (
	// leastRetry is the shortest time between two questions to an origin that
	// refuses bodies (design.md section 4).
	leastRetry = 5 * time.Second
	// findFor is how long an answer waits while members are looked for, who
	// could give what the origin does not.
	findFor = time.Second
)

// persist is for an origin that has no room for another download: where others
// have the body, the origin is asked again what it is, by one HEAD for each
// Retry-After, and then they are asked for it. What it is, is the origin's word
// as ever. The refusal is the answer where nobody has it, or it would take
// longer than patience; persist returns nil then.
func (fl *flight) persist(refusal *Answer) *Answer {
	if !fl.mayPersist(refusal.Meta) || !fl.anyMember(refusal.Meta.ID) {
		return nil
	}
	for begun := time.Now(); ; {
		said, err := fl.f.cfg.Origin.Probe(fl.ctx, fl.req)
		var after retryAfter
		switch {
		case err == nil && fl.anyoneHas(said.Meta):
			refusal.Body.Close()
			return &Answer{Meta: said.Meta, Body: refused{}}
		case !errors.As(err, &after):
			return nil
		}
		wait := max(after.RetryAfter(), leastRetry)
		wait += time.Duration(rand.Int64N(int64(wait / 10)))
		if time.Since(begun)+wait > patience {
			return nil
		}
		select {
		case <-fl.ctx.Done():
			return nil
		case <-time.After(wait):
		}
	}
}

// mayPersist reports whether others may be asked for what was refused: not on
// behalf of a script, which wants an answer and no download.
func (fl *flight) mayPersist(m *Meta) bool {
	cfg := fl.f.cfg
	return (m.Status == http.StatusTooManyRequests || m.Status == http.StatusServiceUnavailable) &&
		cfg.Swarm != nil && cfg.Router != nil && cfg.Sharing.Mode != ShareOff && !fl.req.NoSwarm &&
		plainRequest(fl.req) && !tokenLike(fl.req.URL) && (cfg.Sharing.Private || m.PublicOrigin) &&
		fl.req.Header.Get("Sec-Fetch-Dest") != "empty"
}

// anyMember reports whether anybody else belongs to the crowd of id.
func (fl *flight) anyMember(id dht.ID) bool {
	ctx, cancel := context.WithTimeout(fl.ctx, findFor)
	defer cancel()
	select {
	case _, some := <-fl.f.cfg.Router.Find(ctx, id.Key()):
		return some
	case <-ctx.Done():
		return false
	}
}

// anyoneHas reports whether m proves bytes of others, and one of them is there
// to give them.
func (fl *flight) anyoneHas(m *Meta) bool {
	known := *m
	fl.recall(&known)
	proof, _, err := fl.f.admit(&known, documentOf(fl.req))
	ok, _ := fl.f.cfg.Sharing.Shareable(fl.req, &known)
	announced, _ := fl.f.cfg.Sharing.Announced(&known)
	// Without the origin's own octets nobody would notice a second body under a
	// digest that can have two.
	if err != nil || !proof.Digest().Algorithm().Strong() || !ok || !announced || known.Length <= 0 || known.Length > MaxSwarmBody {
		return false
	}
	for _, name := range known.Names(proof.Digest()) {
		if fl.anyoneUnder(name, proof, known.Coding()) {
			return true
		}
	}
	return false
}

// anyoneUnder asks the members that are found under name, one after another.
func (fl *flight) anyoneUnder(name dht.ID, proof verify.Proof, coding string) bool {
	ctx, cancel := context.WithTimeout(fl.ctx, 2*findFor)
	defer cancel()
	for m := range fl.f.cfg.Router.Find(ctx, name.Key()) {
		peer, err := fl.f.cfg.Swarm.Peer(m, Want{ID: name, Proof: proof, Coding: coding})
		if err != nil {
			continue
		}
		if have, err := peer.Have(ctx); err == nil && (have.Complete || have.Has.Count() > 0) {
			return true
		}
		if ctx.Err() != nil {
			break
		}
	}
	return false
}

// refused is the body that an origin does not send now.
type refused struct{}

func (refused) Read([]byte) (int, error) { return 0, errPatience{} }
func (refused) Close() error             { return nil }

// errPatience keeps a crowd from asking the origin again at once.
type errPatience struct{}

func (errPatience) Error() string             { return "fetch: the origin sends no body now" }
func (errPatience) RetryAfter() time.Duration { return leastRetry }
