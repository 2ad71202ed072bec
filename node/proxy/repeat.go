package proxy

import (
	"bytes"
	"context"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"os"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/flashcrowd/flashcrowd/fetch"
)

// What is asked for again and again is asked for in the same octets. A head that
// was read strictly, and whose request was answered whole from memory, leads the
// next time straight to that answer, without net/http: as long as the cache says
// that it is still the answer (fetch.Again), and with the same fields, counters
// and receipt. Anything else goes the long way.

const (
	// maxRepeats is how many heads a listener knows, and maxRepeatHead how long
	// they may be: some 10 MiB with their answers.
	maxRepeats    = 2048
	maxRepeatHead = 2 << 10
	// gathered is how many octets of pipelined answers go out at once. A body
	// that is longer is not copied.
	gathered = 16 << 10
	// closeGrace is how long an answer that is going out may take when the
	// server closes.
	closeGrace = time.Second
)

// repeats are the heads that one listener knows.
type repeats struct {
	p *Proxy

	mu  sync.RWMutex // guards all
	all map[string]*repeat

	// loans are how many bodies are lent, of maxLoans at most.
	loans    atomic.Int64
	maxLoans int64

	// count is for an answer that went out.
	count func() (hits prometheus.Counter, first prometheus.Observer)
}

func newRepeats(p *Proxy) *repeats {
	return &repeats{p: p, all: make(map[string]*repeat), maxLoans: loansAllowed(), count: sync.OnceValues(func() (prometheus.Counter, prometheus.Observer) {
		return p.stats.requests.WithLabelValues("hit"), p.stats.firstByte.WithLabelValues("cache")
	})}
}

// find returns what is known of a head, or nil.
func (rs *repeats) find(head []byte) *repeat {
	rs.mu.RLock()
	defer rs.mu.RUnlock()
	return rs.all[string(head)]
}

func (rs *repeats) add(head string, r *repeat) {
	rs.mu.Lock()
	defer rs.mu.Unlock()
	for known := range rs.all { // any: to forget one costs one long way
		if len(rs.all) < maxRepeats {
			break
		}
		rs.dropLocked(known)
	}
	rs.dropLocked(head)
	rs.all[head] = r
}

func (rs *repeats) forget(head []byte) {
	rs.mu.Lock()
	defer rs.mu.Unlock()
	rs.dropLocked(string(head))
}

func (rs *repeats) dropLocked(head string) {
	if r := rs.all[head]; r != nil {
		r.loan.end(rs)
		delete(rs.all, head)
	}
}

// close forgets all.
func (rs *repeats) close() {
	rs.mu.Lock()
	defer rs.mu.Unlock()
	for head := range rs.all {
		rs.dropLocked(head)
	}
}

// repeat is one answer that can be given again.
type repeat struct {
	again *fetch.Again
	local string // the listener's address, by which some names are its own
	loan  loan

	mu       sync.Mutex // guards following
	header   http.Header
	age, ttl time.Duration // in whole seconds, that block says
	block    []byte
}

// appendHead appends status line and fields to b.
func (r *repeat) appendHead(b []byte, s fetch.Served) []byte {
	age, ttl := s.Age.Truncate(time.Second), s.TTL.Truncate(time.Second)
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.block == nil || age != r.age || ttl != r.ttl {
		r.age, r.ttl = age, ttl
		lines := r.header["Cache-Status"]
		lines[len(lines)-1] = cacheStatus(s)
		r.header.Set("Age", strconv.FormatInt(max(0, int64(age/time.Second)), 10))
		var block bytes.Buffer
		block.WriteString("HTTP/1.1 200 OK\r\n")
		_ = r.header.Write(&block) // which takes all
		block.WriteString("\r\n")
		r.block = block.Bytes()
	}
	return append(b, r.block...)
}

// noteRepeat lets the connection know resp, which went out whole, as the answer
// to the head that it came by.
func (v *visit) noteRepeat(resp *fetch.Response) {
	if resp.Again == nil || !v.repeatable() {
		return
	}
	c, _ := v.r.Context().Value(strictKey{}).(*strictConn)
	h := v.w.Header().Clone()
	if n := len(h["Cache-Status"]); n == 0 || len(h["Date"]) != 1 {
		return
	}
	c.repeats.add(v.head, &repeat{again: resp.Again, header: h, local: c.LocalAddr().String()})
}

// repeatable reports whether nothing but the octets of the head, and what
// fetch.Again looks at, has led to the answer.
func (v *visit) repeatable() bool {
	r := v.r
	for _, name := range []string{"Connection", "Range", "If-Match", "If-None-Match", "If-Modified-Since", "If-Unmodified-Since", "If-Range", "Expect", "Upgrade"} {
		if _, given := r.Header[name]; given {
			return false
		}
	}
	remote, err := netip.ParseAddrPort(r.RemoteAddr)
	return err == nil && remote.Addr().Unmap().IsLoopback() && v.p.cfg.Login == nil &&
		r.Method == http.MethodGet && r.ProtoMajor == 1 && r.ProtoMinor == 1 && !r.Close && v.body == nil &&
		v.head != "" && v.w.status == http.StatusOK && v.w.complete() && interceptedIn(r.Context()) == nil &&
		!v.p.log.Enabled(context.Background(), slog.LevelDebug) // which hears of each request
}

// quick is what a strictConn has to answer heads again.
type quick struct {
	repeats *repeats // nil answers none
	// idle: the server waits for the next request, all of the last answer is
	// out, and nothing of another head was handed on. bodied: the head that was
	// read last has a body, behind which net/http may begin to read once more
	// while it says that it waits.
	idle, bodied atomic.Bool

	// heads are those that the server has and no handler yet, unless lost.
	heads chan string
	lost  atomic.Bool

	answering sync.Mutex // held while an answer goes out
	batch     []byte
	takings   []taking
}

// taking is one answer on its way out.
type taking struct {
	again *fetch.Again
	began time.Time
	sent  int64
}

// rest notes that the server waits for the next request.
func (q *quick) rest() {
	if !q.bodied.Load() {
		q.idle.Store(true)
	}
}

// hand notes the head that the server gets now, empty where nothing may be known
// of it: the server has at most one behind that of which a handler has begun.
func (q *quick) hand(head []byte, bodied bool) {
	if q.repeats == nil {
		return
	}
	q.bodied.Store(bodied)
	if len(head) > maxRepeatHead || bodied {
		head = nil
	}
	select {
	case q.heads <- string(head):
	default: // the server has refused some by itself: which is whose is lost
		q.lost.Store(true)
	}
}

// taken returns the head of the request of which a handler begins: one handler
// begins for each head, in turn.
func (q *quick) taken() string {
	select {
	case head := <-q.heads:
		if !q.lost.Load() {
			return head
		}
	default:
	}
	return ""
}

var headEnd = []byte("\r\n\r\n")

// repeat answers the heads at the front of raw that are known, and takes them
// out. An error is of the connection.
func (c *strictConn) repeat() error {
	n := 0
	var err error
	c.answering.Lock()
	for err == nil {
		end := bytes.Index(c.raw[n:], headEnd)
		if end < 0 {
			break
		}
		head := c.raw[n : n+end+len(headEnd)]
		r := c.repeats.find(head)
		if r == nil || r.local != c.local() || c.repeats.p.paused() {
			break
		}
		var ok bool
		if ok, err = c.answer(r); !ok {
			c.repeats.forget(head)
			break
		}
		n += len(head)
	}
	if err == nil {
		err = c.flush(nil, nil)
	}
	c.answering.Unlock()
	if n > 0 {
		c.raw = c.raw[n:]
		c.scanned, c.lines = 0, c.lines[:0]
		c.tidy()
		c.renew()
	}
	return err
}

// answer gives r's answer once more, or reports that it is none any more.
func (c *strictConn) answer(r *repeat) (ok bool, err error) {
	now := time.Now()
	served, body, ok := r.again.Look(now)
	if !ok {
		return false, nil
	}
	c.batch = r.appendHead(c.batch, served)
	c.takings = append(c.takings, taking{r.again, now, int64(len(body))})
	if len(body) > gathered {
		return true, c.flush(body, c.repeats.lent(r, body))
	}
	c.batch = append(c.batch, body...)
	if len(c.batch) > gathered {
		return true, c.flush(nil, nil)
	}
	return true, nil
}

// flush sends what was gathered, and then tail, and counts it. lent, if not nil,
// is a file that holds tail.
func (c *strictConn) flush(tail []byte, lent *os.File) error {
	if len(c.batch) == 0 {
		return nil
	}
	first := time.Now()
	err := c.sendBoth(tail, lent)
	c.book(first, err)
	c.batch = c.batch[:0]
	if cap(c.batch) > 2*gathered {
		c.batch = nil
	}
	return err
}

func (c *strictConn) sendBoth(tail []byte, lent *os.File) error {
	if len(tail) == 0 {
		_, err := c.Conn.Write(c.batch)
		return err
	}
	if lent != nil {
		if done, err := sendLent(c.Conn, c.batch, lent, len(tail)); done {
			return err
		}
	}
	both := net.Buffers{c.batch, tail}
	_, err := both.WriteTo(c.Conn)
	return err
}

// book counts the answers that went out from first on, unless err came between:
// then nobody knows how much of them came.
func (c *strictConn) book(first time.Time, err error) {
	hits, firstByte := c.repeats.count()
	st, end := c.repeats.p.stats, time.Now()
	for _, t := range c.takings {
		st.duration.Observe(end.Sub(t.began).Seconds())
		if err != nil {
			st.requests.WithLabelValues("aborted").Inc()
			t.again.Done(t.began, first, end, 0)
			continue
		}
		hits.Inc()
		firstByte.Observe(first.Sub(t.began).Seconds())
		t.again.Done(t.began, first, end, t.sent)
	}
	clear(c.takings)
	c.takings = c.takings[:0]
}

// local is the address that the client has reached.
func (c *strictConn) local() string {
	if c.at == "" {
		c.at = c.LocalAddr().String()
	}
	return c.at
}

// renew gives a connection that is used its time to wait for the next request.
func (c *strictConn) renew() {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.deadline.IsZero() || time.Until(c.deadline) > keepTimeout-headerTimeout {
		return
	}
	c.deadline = time.Now().Add(keepTimeout)
	c.Conn.SetReadDeadline(c.dueLocked())
}

// idles lets a connection know that the server waits for its next request.
func idles(conn net.Conn, state http.ConnState) {
	if c, ok := conn.(*strictConn); ok && state == http.StateIdle {
		c.rest()
	}
}
