package fetch

import (
	"errors"
	"io"
	"sync"
	"time"

	"github.com/flashcrowd/flashcrowd/verify"
)

var leadBuffers = sync.Pool{New: func() any { b := make([]byte, 64<<10); return &b }}

// lead is one stream from the origin, from the front on. The conductor owns
// it: it alone starts, ends and forgets it.
type lead struct {
	body  io.ReadCloser
	until int64     // where it ends; -1 when the origin says
	since time.Time // of its first octet, before that of the question; crowd.mu guards it
	done  chan struct{}
	err   error // once done is closed: why it ended; nil for its proper end
}

// startLead takes body as the stream from the front on.
func (c *crowd) startLead(body io.ReadCloser, until int64) {
	l := &lead{body: body, until: until, since: time.Now(), done: make(chan struct{})}
	c.setLead(l)
	c.wg.Go(func() {
		defer c.wake()
		defer close(l.done)
		l.err = c.follow(l)
	})
}

// returnLead asks the origin for the octets from the front up to until.
func (c *crowd) returnLead(until int64) {
	l := &lead{until: until, since: time.Now(), done: make(chan struct{})}
	c.setLead(l)
	span := Span{c.front(), until}
	c.wg.Go(func() {
		defer c.wake()
		defer close(l.done)
		body, err := c.origin.Open(c.ctx, span)
		if err != nil {
			l.err = err
			return
		}
		if !c.attach(l, body) {
			body.Close()
			return
		}
		l.err = c.follow(l)
	})
}

func (c *crowd) setLead(l *lead) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.lead = l
}

// attach gives a lead its body, unless it was let go meanwhile.
func (c *crowd) attach(l *lead, body io.ReadCloser) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.lead != l {
		return false
	}
	l.body = body
	return true
}

// letGo ends the lead at once and returns when it has ended.
func (c *crowd) letGo() {
	c.mu.Lock()
	l := c.lead
	c.lead = nil
	var body io.ReadCloser
	if l != nil {
		body = l.body
	}
	c.mu.Unlock()
	if body != nil {
		body.Close()
		<-l.done
	}
}

// follow carries octets from the lead to the readers until it ends.
func (c *crowd) follow(l *lead) error {
	handed := false
	defer func() {
		if !handed {
			l.body.Close()
		}
	}()
	buf := leadBuffers.Get().(*[]byte)
	defer leadBuffers.Put(buf)
	for begun := false; ; {
		n, err := l.body.Read(*buf)
		if n > 0 {
			if !begun {
				c.begin(l)
				begun = true
			}
			over, writeErr := c.advance((*buf)[:n], l.sourceOf())
			c.claimFront(2)
			if writeErr != nil || over {
				handed = c.fl.handOver(writeErr, (*buf)[:n], l.body)
				return writeErr
			}
		}
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
	}
}

// sourceOf names where the octets that were read last came from.
func (l *lead) sourceOf() string {
	if p, ok := l.body.(interface{ fromDisk() bool }); ok && p.fromDisk() {
		return "cache"
	}
	return "origin"
}

// begin notes that the first octet of l is there.
func (c *crowd) begin(l *lead) {
	c.mu.Lock()
	defer c.mu.Unlock()
	l.since = time.Now()
}

// advance adds octets of the origin to the front. over says that nothing more
// is needed.
func (c *crowd) advance(p []byte, source string) (over bool, err error) {
	c.disk.Lock()
	defer c.disk.Unlock()
	fl := c.fl
	if c.over() {
		return true, nil // what comes now must not touch a body that was sealed
	}
	front := c.front()
	if fl.body.length >= 0 && front+int64(len(p)) > fl.body.length {
		return true, &Failure{Protocol, errors.New("body longer than its length")}
	}
	if _, err := fl.writer.WriteAt(p, front); err != nil {
		return true, &diskError{err}
	}
	if c.recorder != nil {
		if _, err := c.recorder.Write(p); err != nil {
			return true, &Failure{Protocol, err}
		}
	}
	now := time.Now()
	if source == "origin" {
		c.originMeter.add(int64(len(p)), now)
		fl.f.stats.origin(int64(len(p)))
	}

	fl.mu.Lock()
	defer fl.mu.Unlock()
	fl.perSource[source] += int64(len(p))
	fl.body.front += int64(len(p))
	if !fl.body.dripping {
		fl.body.end = fl.body.front
	}
	c.checkpointLocked(now)
	fl.hungry = time.Time{}
	fl.cond.Broadcast()
	if !c.joinLocked() && fl.body.front == fl.body.length {
		c.landOriginLocked()
	}
	return fl.landed, nil
}

// front returns where the origin's octets end.
func (c *crowd) front() int64 {
	c.fl.mu.Lock()
	defer c.fl.mu.Unlock()
	return c.fl.body.front
}

// joinLocked lands the flight if the tail has met the front. disk and fl.mu
// are held.
func (c *crowd) joinLocked() (landed bool) {
	fl := c.fl
	if fl.landed || c.chain == nil || c.recorder == nil {
		return fl.landed
	}
	border, between := fl.body.next()
	reach := border
	if between {
		reach-- // the rest of the piece that the front is in must be there too
	}
	if fl.body.tail > reach || c.chain.Tail() > reach {
		return false
	}
	if c.chain.NeedsWhole() {
		return c.joinWholeLocked()
	}
	if err := c.catchUpLocked(border); err != nil {
		fl.failLocked(&diskError{err})
		return true
	}
	whole, err := verify.WholeOf(c.recorder, c.chain)
	if err != nil {
		c.contradictLocked()
		return false
	}
	c.creditLocked()
	c.landLocked(&whole)
	return true
}

// catchUpLocked lets the recorder read what lies between the front and border.
func (c *crowd) catchUpLocked(border int) error {
	fl := c.fl
	end := fl.body.layout.Offset(border)
	if n := end - fl.body.front; n > 0 {
		_, err := io.Copy(c.recorder, io.NewSectionReader(fl.writer, fl.body.front, n))
		return err
	}
	return nil
}

// creditLocked counts what each peer contributed behind the front.
func (c *crowd) creditLocked() {
	fl := c.fl
	layout := fl.body.layout
	for i := layout.PieceAt(min(fl.body.front, layout.Length-1)); i < layout.Pieces(); i++ {
		from := max(layout.Offset(i), fl.body.front)
		if n := layout.Offset(i+1) - from; n > 0 && fl.body.arrivals[i].peer != "origin" {
			fl.perSource[fl.body.arrivals[i].peer] += n
			if fl.body.arrivals[i].fromPeer() {
				fl.f.stats.peer(n)
			}
		}
	}
}

// landLocked releases the whole body. whole is nil for a body that is
// delivered but neither stored nor shared.
func (c *crowd) landLocked(whole *verify.Whole) {
	fl := c.fl
	if fl.body.length >= 0 {
		fl.body.end = fl.body.length
	}
	if whole != nil {
		fl.whole = &Seal{Whole: *whole, Sources: fl.sourcesLocked(), Evidence: fl.evidence}
	}
	fl.landed = true
	fl.cond.Broadcast()
	c.wake()
}

// landOrigin lands a flight whose body came to its end from the origin alone.
// A body that contradicts the origin's own digest is delivered, and that is
// all.
func (c *crowd) landOrigin() {
	c.disk.Lock()
	defer c.disk.Unlock()
	c.fl.mu.Lock()
	defer c.fl.mu.Unlock()
	c.landOriginLocked()
}

// landOriginLocked is landOrigin with disk and fl.mu held.
func (c *crowd) landOriginLocked() {
	fl := c.fl
	if fl.landed {
		return
	}
	if c.denies() {
		fl.evidence = []verify.Evidence{} // all there was
		c.stated = verify.Proof{}
	}
	if c.recorder == nil || c.stated.Valid() && !c.recorder.Matches(c.stated) {
		c.learn()
		fl.f.log.Warn("rejected", "reason", "origin contradicts its own digest", "host", fl.req.URL.Host)
		c.landLocked(nil)
		return
	}
	c.learn()
	whole := c.recorder.Whole()
	if fl.f.twins.collide(c.stated.Digest(), whole.Digest) {
		fl.f.alarm(fl.req.URL.Host, c.stated.Digest())
		c.landLocked(nil)
		return
	}
	c.landLocked(&whole)
}

// denies reports whether the origin's own body denies what was inferred from its
// entity tag: then the inference was wrong, and the origin has contradicted
// nothing that it said.
func (c *crowd) denies() bool {
	return c.recorder != nil && c.stated.Valid() && c.stated.Evidence().Level() == verify.E3 && !c.recorder.Matches(c.stated)
}

// landIfWhole lands a flight whose lead came to the body's very end while it
// was let go.
func (c *crowd) landIfWhole() {
	if c.front() == c.fl.body.length {
		c.landOrigin()
	}
}

// contradictLocked gives up the swarm: what the origin delivered is not what
// its digest says, so no peer's octet may follow it.
func (c *crowd) contradictLocked() {
	c.fl.f.log.Warn("rejected", "reason", "origin contradicts its own digest", "host", c.fl.req.URL.Host)
	c.recorder = nil
	c.contradicted = true
	c.fl.body.dropTail()
	c.cancelPeers()
	c.mu.Lock()
	defer c.mu.Unlock()
	c.chain, c.active = nil, nil
}

// retryAfter is an error that says when to ask again.
type retryAfter interface{ RetryAfter() time.Duration }

// leadEnded takes note of a lead that came to its end. It returns false when
// the flight is over.
func (c *crowd) leadEnded(l *lead) {
	c.setLead(nil)
	if c.over() {
		return
	}
	front, length := c.front(), c.fl.body.length
	switch {
	case l.err == nil && (length < 0 || front == length):
		c.landOrigin()
	case l.err == nil && l.until >= 0 && front >= l.until:
		c.failures = 0
	case errors.As(l.err, new(*diskError)):
		c.fail(l.err)
	default:
		c.originFailed(l.err, front)
	}
}

// originFailed decides whether and when the origin is asked again.
func (c *crowd) originFailed(err error, front int64) {
	if err == nil {
		err = &Failure{Incomplete, io.ErrUnexpectedEOF}
	}
	if front > c.failedAt {
		c.failures = 0
	}
	now := time.Now()
	if c.failures == 0 {
		c.failing = now
	}
	c.failedAt, c.lastErr = front, err
	c.failures++
	wait := min(250*time.Millisecond<<min(c.failures, 5), 8*time.Second)
	var after retryAfter
	if errors.As(err, &after) {
		wait = max(wait, after.RetryAfter())
	}
	c.notBefore = now.Add(wait)
	c.noReturn = c.noReturn || errors.Is(err, ErrChanged) || errors.Is(err, ErrNoRanges)
}

// maxOriginFailures is how often in a row the origin may fail without a single
// octet between before a flight that nobody else carries is given up.
const maxOriginFailures = 4
