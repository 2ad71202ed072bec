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

// known makes the proxy know the head for name: the first answer comes from the
// origin, the second from the cache.
func (r *repeater) known(w *wire, name string, body []byte) (head string) {
	r.Helper()
	for range 2 {
		w.send(headFor(name))
		head = w.answer(body)
	}
	if !strings.Contains(head, "flashcrowd;hit") {
		r.Fatalf("no hit:\n%s", head)
	}
	return head
}

// again asks until there is no look-up for it: a client that is quicker than
// the end of the answer before goes the long way. It returns how often it asked.
func (r *repeater) again(w *wire, head string, body []byte) (answer string, n int) {
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
			hits := 1.0
			for range 3 {
				before := time.Now()
				again, n := r.again(w, headFor("a"), body)
				if hits += float64(n) + 2; again != first && strings.Contains(again, "ttl=3600") {
					t.Errorf("answered\n%s\nand again\n%s", first, again)
				}
				w.send(headFor("a"), headFor("a"))
				w.answer(body)
				w.answer(body)
				if x, ok := r.fetcher.Receipt("http://h.example/a"); !ok || x.Time.Before(before) || x.Outcome != "hit" {
					t.Errorf("receipt %+v", x)
				}
			}
			if n := counted(t, r.metrics, "hit"); n != hits {
				t.Errorf("%v hits counted, want %v", n, hits)
			}
			if got := r.fetcher.Totals(); got.Requests != int64(hits)+1 || got.Hits != int64(hits) || got.ToClients != got.Requests*int64(size) {
				t.Errorf("%+v", got)
			}
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
