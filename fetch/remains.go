package fetch

import (
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"time"
)

// A download that ends before its end, by its readers' will, a failure or the
// end of the process, leaves what is right of it in the cache. The next one for
// the same version asks the origin for the rest alone.

const (
	// checkpointEvery is how often the cache is told what is right by now: what
	// a killed process loses, beside what the cache itself puts off.
	checkpointEvery = time.Second
	// leastRemains is how much must be right for it to be kept: for less, two
	// syncs of a disk cost more than another request does.
	leastRemains = 64 << 10
)

// remainder returns the incomplete response that is stored for the flight's
// request, closed, or nil. With something complete there is none.
func (fl *flight) remainder(stored *Stored) *Stored {
	if stored != nil {
		return nil
	}
	p, err := fl.f.cfg.Cache.Partial(fl.req, time.Now())
	if err != nil {
		return nil
	}
	p.Body.Close()
	if guarded(fl.req, p.Meta) || p.Meta.Moved || len(p.Held) == 0 {
		return nil
	}
	return p
}

// firstGap is what the origin is asked for first to complete p: of one that has
// all already the last octet, which tells whether it is still the same.
func firstGap(p *Stored) Span {
	if missing := Missing(Span{0, p.Length}, p.Held); len(missing) > 0 {
		return missing[0]
	}
	return Span{p.Length - 1, p.Length}
}

// conditions returns the fields by which the origin is asked: for the first gap
// of part, if there is one, and else for what is not as stored is.
func (fl *flight) conditions(stored, part *Stored) http.Header {
	if part == nil {
		return validators(stored)
	}
	gap := firstGap(part)
	h := http.Header{"Range": {fmt.Sprintf("bytes=%d-%d", gap.Offset, gap.End-1)}}
	if tag := part.Meta.StrongETag(); tag != "" {
		h["If-Range"] = []string{tag}
	}
	return h
}

// resume goes on with part, for which the origin answered ans: the flight's
// body is what is held of it, and the origin's octets between. It returns nil
// when ans is no answer to go on by, and closes it.
func (fl *flight) resume(part *Stored, ans *Answer) *Answer {
	f := fl.f
	if ans.Meta.Status == http.StatusPartialContent && ans.Part == firstGap(part) && ans.Total == part.Length &&
		ans.Meta.Coding() == part.Meta.Coding() && ans.Meta.StrongETag() == part.Meta.StrongETag() {
		meta := renewedBy(part.Meta, ans.Meta)
		if w, held, err := f.cfg.Cache.Resume(fl.req, meta); err == nil {
			fl.completes = true
			fl.judge(meta)
			fl.takeOff(meta, w)
			fl.body.inherit(held)
			return &Answer{Meta: meta, Body: &patchwork{
				ctx: fl.ctx, src: f.gaps(fl.req, meta), disk: w, held: held, end: meta.Length,
				ahead: ans.Body, aheadOf: ans.Part,
			}}
		}
	}
	ans.Body.Close()
	return nil
}

// renewedBy returns old, of an incomplete response, with the fields of m, a 206
// about the same version (RFC 9111 section 3.4).
func renewedBy(old, m *Meta) *Meta {
	next := *old
	next.RequestTime, next.ResponseTime = m.RequestTime, m.ResponseTime
	next.Authorized = old.Authorized || m.Authorized
	if len(m.Evidence) > 0 || old.StrongETag() == "" {
		next.Evidence = m.Evidence // a digest alone must be stated anew
	}
	next.Header = old.Header.Clone()
	next.Header.Del("Age")
	for name, values := range m.Header {
		next.Header[name] = values
	}
	next.Header.Del("Content-Range")
	next.Header.Del("Content-Digest")
	next.Header.Set("Content-Length", strconv.FormatInt(old.Length, 10))
	return &next
}

// inherit takes in what an earlier download left: whole pieces as the origin's
// own, since they were that or proven, and the scraps between.
func (b *body) inherit(held []Span) {
	for _, s := range held {
		if s.Offset == 0 {
			b.onDisk = s.End
		}
		for i := b.layout.PieceAt(s.Offset); i < b.layout.Pieces() && b.layout.Offset(i) < s.End; i++ {
			whole := Span{b.layout.Offset(i), b.layout.Offset(i + 1)}
			cut := Span{max(s.Offset, whole.Offset), min(s.End, whole.End)}
			if cut != whole {
				b.scraps[i] = append(b.scraps[i], cut)
				continue
			}
			b.own.Add(i)
			b.hold(i, arrival{peer: "cache"})
		}
	}
}

// fromPeer reports whether a is of a piece that another node brought in this
// flight.
func (a arrival) fromPeer() bool { return a.peer != "origin" && a.peer != "cache" }

// checkpointLocked tells the cache now and then what is right. disk and fl.mu
// are held.
func (c *crowd) checkpointLocked(now time.Time) {
	if now.Sub(c.checkpointed) < checkpointEvery {
		return
	}
	c.checkpointed = now
	if right := c.rightLocked(); right != nil {
		c.fl.writer.Checkpoint(right)
	}
}

// rightLocked returns the octets that are the origin's own or proven, nil where
// they are too few to keep. disk and fl.mu are held.
func (c *crowd) rightLocked() []Span {
	b := &c.fl.body
	if c.contradicted || b.length <= 0 || c.fl.landed {
		return nil
	}
	n := b.layout.Pieces()
	proven := n
	if c.chain != nil {
		proven = max(c.chain.Closed(), b.tail)
	}
	var right []Span
	if b.front > 0 {
		right = append(right, Span{0, b.front})
	}
	for i := range n {
		if i >= proven || b.own.Has(i) && b.held.Has(i) {
			right = append(right, Span{b.layout.Offset(i), b.layout.Offset(i + 1)})
		} else {
			right = append(right, b.scraps[i]...)
		}
	}
	right = Union(right...)
	octets := int64(0)
	for _, s := range right {
		octets += s.Len()
	}
	if octets < leastRemains {
		return nil
	}
	return right
}

// remains is what is right of a body that did not land.
func (c *crowd) remains() []Span {
	c.disk.Lock()
	defer c.disk.Unlock()
	c.fl.mu.Lock()
	defer c.fl.mu.Unlock()
	return slices.Clone(c.rightLocked())
}

// end returns what frees the spool w, to be called without a lock: to suspend
// waits for the disk.
func (fl *flight) end(w Writer) func() {
	switch {
	case fl.stored:
		return w.Release
	case fl.remains == nil:
		return w.Abort
	}
	remains := fl.remains
	return func() {
		if err := w.Suspend(remains); err != nil {
			fl.f.log.Warn("not stored", "err", err)
		}
	}
}

// leaves notes what is kept of a body that did not land, and tells the cache at
// once: a process that ends has no time to wait until the last reader has left.
func (fl *flight) leaves(remains []Span) {
	if remains != nil {
		fl.writer.Checkpoint(remains)
	}
	fl.mu.Lock()
	defer fl.mu.Unlock()
	fl.remains = remains
}
