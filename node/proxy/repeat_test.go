package proxy

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/flashcrowd/flashcrowd/fetch"
	"github.com/flashcrowd/flashcrowd/fetch/fetchtest"
)

// lively is a cache in memory whose hits are to be had again until it changes.
type lively struct {
	*fetchtest.Store
	lookups atomic.Int64
	hits    atomic.Int64 // of those
	changes atomic.Int64
}

type livelyBody struct {
	*bytes.Reader
	all []byte
}

func (b *livelyBody) Bytes() []byte { return b.all }
func (*livelyBody) Close() error    { return nil }

func (l *lively) Lookup(req *fetch.Request, now time.Time) (*fetch.Stored, error) {
	l.lookups.Add(1)
	st, err := l.Store.Lookup(req, now)
	if err != nil {
		return nil, err
	}
	all, err := io.ReadAll(st.Body)
	if err != nil {
		return nil, err
	}
	st.Body = &livelyBody{bytes.NewReader(all), all}
	was := l.changes.Load()
	l.hits.Add(1)
	st.Again = func(at time.Time) (age, ttl time.Duration, body []byte, ok bool) {
		passed := at.Sub(now)
		return st.Age + passed, st.TTL - passed, all, l.changes.Load() == was
	}
	return st, nil
}

// repeater is a proxy over a real Fetcher and a lively cache.
type repeater struct {
	*testing.T
	web     *fetchtest.Web
	cache   *lively
	fetcher *fetch.Fetcher
	metrics *prometheus.Registry
	addr    string
	paused  atomic.Bool
	sent    int64 // requests
}

func newRepeater(t *testing.T) *repeater {
	r := &repeater{T: t, web: &fetchtest.Web{}, cache: &lively{Store: &fetchtest.Store{}}, metrics: prometheus.NewRegistry()}
	r.fetcher = fetch.New(fetch.Config{Cache: r.cache, Origin: r.web, Judge: r.cache.Judge})
	t.Cleanup(r.fetcher.Close)
	p := New(Config{Fetcher: r.fetcher, Metrics: r.metrics, Name: "fc-test", Paused: r.paused.Load})
	t.Cleanup(p.Close)
	r.addr = listen(t, p, p.Handler())
	return r
}

func (r *repeater) put(name string, size int) []byte {
	body := fetchtest.Body(uint64(len(name)), size)
	r.web.Put("http://h.example/"+name, fetchtest.Object{Body: body, Header: http.Header{
		"Cache-Control": {"max-age=3600"}, "Content-Type": {"text/plain"}, "X-Name": {name}, "X-Two": {"b", "a"},
	}})
	return body
}

func headFor(name string, fields ...string) string {
	return "GET http://h.example/" + name + " HTTP/1.1\r\nHost: h.example\r\n" + strings.Join(append(fields, ""), "\r\n") + "\r\n"
}

// wire is one connection of a client.
type wire struct {
	*testing.T
	net.Conn
	in *bufio.Reader
}

func (r *repeater) dial() *wire {
	r.Helper()
	conn, err := net.Dial("tcp", r.addr)
	if err != nil {
		r.Fatal(err)
	}
	r.Cleanup(func() { conn.Close() })
	conn.SetDeadline(time.Now().Add(patience))
	return &wire{r.T, conn, bufio.NewReader(conn)}
}

func (w *wire) send(heads ...string) {
	w.Helper()
	if _, err := io.WriteString(w, strings.Join(heads, "")); err != nil {
		w.Fatal(err)
	}
}

// head reads the head of an answer as it is written.
func (w *wire) answer(body []byte) (head string) {
	w.Helper()
	for !strings.HasSuffix(head, "\r\n\r\n") {
		line, err := w.in.ReadString('\n')
		if head += line; err != nil {
			w.Fatalf("%v after %q", err, head)
		}
	}
	got := make([]byte, len(body))
	if _, err := io.ReadFull(w.in, got); err != nil || !bytes.Equal(got, body) {
		w.Fatalf("wrong body, %v, of %d octets after\n%s", err, len(body), head)
	}
	return head
}

// known makes the proxy know the head for name: what has come from the origin is
// in the cache a moment later, and was looked up there once then.
func (r *repeater) known(w *wire, name string, body []byte) (head string) {
	r.Helper()
	for range 1000 {
		before := r.cache.hits.Load()
		w.send(headFor(name))
		r.sent++
		if head = w.answer(body); r.cache.hits.Load() == before+1 {
			return head
		}
	}
	r.Fatalf("no hit:\n%s", head)
	return ""
}

// again asks until there is no look-up for it: a client that is quicker than
// the end of the answer before goes the long way. It returns how often it asked.
func (r *repeater) again(w *wire, head string, body []byte) (answer string, n int64) {
	r.Helper()
	for n = 1; n <= 100; n++ {
		before := r.cache.lookups.Load()
		w.send(head)
		if answer = w.answer(body); r.cache.lookups.Load() == before {
			return answer, n
		}
	}
	r.Fatal("looked up each time")
	return "", 0
}

// TestRepeat: the same octets get the same answer without a look-up, with the
// same fields, counted and in the receipt as ever.
func TestRepeat(t *testing.T) {
	for _, size := range []int{0, 1000, 100_000} {
		t.Run(fmt.Sprint(size), func(t *testing.T) {
			r := newRepeater(t)
			body := r.put("a", size)
			w := r.dial()
			first := r.known(w, "a", body)
			for range 3 {
				before := time.Now()
				again, n := r.again(w, headFor("a"), body)
				if r.sent += n + 2; again != first && strings.Contains(again, "ttl=3600") {
					t.Errorf("answered\n%s\nand again\n%s", first, again)
				}
				w.send(headFor("a"), headFor("a"))
				w.answer(body)
				w.answer(body)
				eventually(t, func() bool {
					x, ok := r.fetcher.Receipt("http://h.example/a")
					return ok && !x.Time.Before(before) && x.Outcome == "hit"
				})
			}
			eventually(t, func() bool {
				got := r.fetcher.Totals()
				return got.Requests == r.sent && got.ToClients == r.sent*int64(size) && counted(t, r.metrics, "hit") == float64(got.Hits)
			})
		})
	}
}

// TestRepeatEnds: what changed is looked up, and so is what was asked otherwise.
func TestRepeatEnds(t *testing.T) {
	r := newRepeater(t)
	body := r.put("a", 1000)
	w := r.dial()
	looks := func(what string, head string) {
		t.Helper()
		before := r.cache.lookups.Load()
		w.send(head)
		w.answer(body)
		if n := r.cache.lookups.Load() - before; n != 1 {
			t.Errorf("%s: looked up %d times, want once", what, n)
		}
	}
	r.known(w, "a", body)
	r.again(w, headFor("a"), body)
	looks("with another field", headFor("a", "X-Other: 1"))
	r.again(w, headFor("a"), body)
	r.cache.changes.Add(1)
	looks("after a change", headFor("a"))
	r.again(w, headFor("a"), body)
	r.paused.Store(true)
	w.send(headFor("a"))
	w.answer(body)
	if n := len(r.web.Requests("http://h.example/a")); n != 2 {
		t.Errorf("the origin was asked %d times, want 2", n)
	}
	r.paused.Store(false)
	w.send(strings.Replace(headFor("a"), "GET", "HEAD", 1))
	w.answer(nil)
	r.again(w, headFor("a"), body)
	w.send(headFor("a", "Connection: close"))
	w.answer(body)
	if _, err := w.in.ReadByte(); err != io.EOF {
		t.Errorf("not closed: %v", err)
	}
}

// TestRepeatKeepsOrder: answers come in the order of the requests, whichever way
// each goes, and however the heads are cut into packets.
func TestRepeatKeepsOrder(t *testing.T) {
	r := newRepeater(t)
	rng := rand.New(rand.NewPCG(1, 2))
	bodies := map[string][]byte{}
	var names []string
	for i, size := range []int{10, 3000, 40_000, 100_000} {
		name := strings.Repeat("n", i+1)
		bodies[name] = r.put(name, size)
		names = append(names, name)
	}
	w := r.dial()
	for _, name := range names {
		r.known(w, name, bodies[name])
	}
	for round := range 40 {
		var all strings.Builder
		var want []string
		for range 1 + rng.IntN(12) {
			name := names[rng.IntN(len(names))]
			want = append(want, name)
			switch rng.IntN(4) {
			case 0:
				all.WriteString(headFor(name, fmt.Sprintf("X-Round: %d-%d", round, len(want)))) // never seen
			case 1:
				all.WriteString("\r\n" + headFor(name)) // RFC 9112 section 2.2
			default:
				all.WriteString(headFor(name))
			}
		}
		done := make(chan struct{})
		go func() {
			defer close(done)
			for text := all.String(); text != ""; {
				n := 1 + rng.IntN(len(text))
				io.WriteString(w, text[:n])
				text = text[n:]
			}
		}()
		for _, name := range want {
			if head := w.answer(bodies[name]); !strings.Contains(head, "X-Name: "+name+"\r\n") {
				t.Fatalf("round %d: want %s, got\n%s", round, name, head)
			}
		}
		<-done
	}
}

// TestRepeatsAreBounded: no more heads are known than there may be, and long
// ones not at all.
func TestRepeatsAreBounded(t *testing.T) {
	rs := newRepeats(nil)
	for i := range maxRepeats + 100 {
		rs.add(fmt.Sprint(i), &repeat{})
	}
	if len(rs.all) != maxRepeats {
		t.Errorf("%d heads", len(rs.all))
	}
	q := quick{repeats: rs, heads: make(chan string, 1)}
	q.hand(make([]byte, maxRepeatHead+1), false)
	if q.taken() != "" {
		t.Error("a long head was noted")
	}
}

// counted returns how many requests had an outcome.
func counted(t *testing.T, m *prometheus.Registry, outcome string) float64 {
	t.Helper()
	families, err := m.Gather()
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range families {
		for _, x := range f.GetMetric() {
			if f.GetName() == "flashcrowd_requests_total" && x.GetLabel()[0].GetValue() == outcome {
				return x.GetCounter().GetValue()
			}
		}
	}
	return 0
}

// TestLoansAreBounded: no more bodies are lent to the kernel than may be, one
// that is used more takes the place of another, and all come back.
func TestLoansAreBounded(t *testing.T) {
	rs := newRepeats(nil)
	rs.maxLoans = 2
	var all []*repeat
	body := fetchtest.Body(1, 50_000)
	for i := range 5 {
		r := &repeat{}
		rs.add(fmt.Sprint(i), r)
		all = append(all, r)
		for range 3 * lentAfter {
			rs.lent(r, body[i:])
		}
		if rs.loans.Load() > 2 {
			t.Fatalf("%d bodies are lent", rs.loans.Load())
		}
	}
	f := rs.lent(all[4], body[4:])
	if rs.maxLoans = loansAllowed(); rs.maxLoans == 0 {
		return // this system has no files in memory
	}
	if got, err := io.ReadAll(io.NewSectionReader(f, 0, 1<<20)); err != nil || !bytes.Equal(got, body[4:]) {
		t.Errorf("lent %d octets, %v", len(got), err)
	}
	rs.close()
	if rs.lent(all[4], body[4:]) != nil || rs.loans.Load() != 0 {
		t.Errorf("%d bodies are lent after the end", rs.loans.Load())
	}
}
