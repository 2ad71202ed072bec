package model

import (
	"time"
)

// lead is one stream from the origin, from the front on, as fetch.lead.
type lead struct {
	fl    *flight
	d     *download
	pos   float64 // octets that came, counted from the beginning of the body
	until int64
	since time.Duration // of its first octet, before that of the question
	begun bool
}

// step is how many octets after at the next mark lies: the end of the piece,
// where the swarm counts, else of the body.
func (fl *flight) step(at int64) int64 {
	end := fl.o.size
	if fl.n.w.swarmed && fl.o.shared {
		end = fl.o.layout.Offset(fl.o.layout.PieceAt(at) + 1)
	}
	if fl.lead != nil {
		end = min(end, fl.lead.until)
	}
	return end - at
}

// attach begins to take what comes.
func (l *lead) attach() {
	l.pos = float64(l.fl.front)
	l.d.sink, l.d.mark = l.came, l.reached
}

// came takes note of octets of the origin.
func (l *lead) came(octets float64, from, to time.Duration) {
	fl := l.fl
	if !l.begun {
		l.begun, l.since = true, from
		fl.n.sawByteAt(from)
	}
	l.pos += octets
	if front := int64(l.pos); front > fl.front {
		fl.gauges.Origin(front-fl.front, epoch.Add(from), epoch.Add(to))
		fl.front, fl.frontAt = front, to
	}
}

func (n *node) sawByteAt(at time.Duration) {
	if n.firstByte < 0 {
		n.firstByte = at
	}
}

// reached is the mark: a border, or the end of the lead.
func (l *lead) reached() {
	fl := l.fl
	at := min(fl.o.layout.Offset(fl.o.layout.PieceAt(int64(l.pos+.5))), l.until)
	if int64(l.pos+.5) >= l.until {
		at = l.until
	}
	if at > fl.front {
		fl.gauges.Origin(at-fl.front, epoch.Add(fl.n.w.clock.now), epoch.Add(fl.n.w.clock.now))
	}
	l.pos = float64(at)
	fl.front, fl.frontAt = at, fl.n.w.clock.now
	fl.record()
	fl.offerFront()
	fl.failures = 0
	if at == fl.o.size {
		l.d.drop(true)
		fl.lead = nil
		fl.land()
		return
	}
	if fl.join(); fl.ended {
		return
	}
	if at == l.until {
		l.d.drop(true)
		fl.lead = nil
		fl.wake()
		return
	}
	l.d.flow.next(float64(fl.step(at)))
}

// record lets the recorder hash the pieces that the origin has completed.
func (fl *flight) record() {
	if fl.recorder == nil {
		return
	}
	scaled := fl.o.scaled
	for {
		i := scaled.PieceAt(fl.recorder.Written())
		if fl.recorder.Written() >= scaled.Length || fl.o.layout.Offset(i+1) > fl.front {
			return
		}
		if _, err := fl.recorder.Write(fl.o.piece(i)); err != nil {
			panic("model: internal error: " + err.Error())
		}
	}
}

// letGo ends the lead in the middle of its body.
func (fl *flight) letGo() {
	if fl.lead != nil {
		l := fl.lead
		fl.lead = nil
		l.d.drop(false)
	}
}

// failed: no more comes of this lead.
func (l *lead) failed(err error) {
	if l.fl.lead == l {
		l.fl.lead = nil
		l.fl.originFailed(err)
	}
}

// returnLead asks the origin for what lies between the front and until.
func (fl *flight) returnLead(until int64) {
	d := &download{n: fl.n}
	l := &lead{fl: fl, d: d, until: until, since: fl.n.w.clock.now}
	fl.lead = l
	d.fail = l.failed
	d.started = l.attach
	fl.n.w.server.get(d, float64(fl.step(fl.front)))
}

// originFailed decides when the origin is asked again, as fetch.crowd does.
func (fl *flight) originFailed(err error) {
	now := fl.n.w.clock.now
	if fl.front > fl.failedAt {
		fl.failures = 0
	}
	if fl.failures == 0 {
		fl.failing = now
	}
	fl.failedAt, fl.lastErr = fl.front, err
	fl.failures++
	wait := min(250*time.Millisecond<<min(fl.failures, 5), 8*time.Second)
	if err == errRefused {
		wait = max(wait, retryAfter)
	}
	fl.notBefore = now + wait
	if fl.held == nil && fl.failures >= maxOriginFailures {
		fl.end(err)
		return
	}
	fl.n.w.clock.after(wait, fl.wake)
	fl.wake()
}
