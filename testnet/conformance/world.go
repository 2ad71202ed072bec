package conformance

import (
	"context"
	"fmt"
	"net/http"
	"strconv"
	"sync"
	"sync/atomic"
	"time"
)

// World is a scripted origin on loopback. Its methods may be called at once
// from many goroutines.
type World struct {
	server *server
	run    atomic.Int64
}

// New starts a world. The caller closes it, after the cache under test.
func New() (*World, error) {
	s, err := startServer()
	if err != nil {
		return nil, err
	}
	return &World{server: s}, nil
}

// Close ends the origin.
func (w *World) Close() { w.server.close() }

// Origin is the base URL of the origin, for a mirror.
func (w *World) Origin() string { return "http://" + w.server.host() }

// Run runs c through the cache at t and returns what was wrong, one sentence
// an element. The URLs of a run are its own. It stops at the first step where
// something is.
func (w *World) Run(ctx context.Context, t Target, c Case) []string {
	key := "run/" + strconv.FormatInt(w.run.Add(1), 10)
	var l line
	defer l.close()
	for i, s := range c.Steps {
		if wrong := w.step(ctx, t, key, s, &l); len(wrong) > 0 {
			for k := range wrong {
				wrong[k] = fmt.Sprintf("step %d: %s", i+1, wrong[k])
			}
			return wrong
		}
	}
	return nil
}

// step makes one exchange, or repeats it until nothing is wrong with it.
func (w *World) step(ctx context.Context, t Target, key string, s Step, l *line) []string {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for {
		wrong := w.once(ctx, t, key, s, l)
		if len(wrong) == 0 || !s.Again {
			return wrong
		}
		select {
		case <-ctx.Done():
			return wrong
		case <-tick.C:
		}
	}
}

func (w *World) once(ctx context.Context, t Target, key string, s Step, l *line) []string {
	x := expander{now: time.Now(), base: w.Origin() + "/" + key, host: w.server.host(), name: t.Name}
	sc := &script{expand: x, answers: s.Origin, method: s.method(), heard: make(chan struct{})}
	if s.Clients > 1 {
		sc.part = make(chan struct{})
	}
	w.server.play(key, sc)
	wrong := ask(ctx, t, s, sc, l)
	return append(wrong, sc.verdict(ctx)...)
}

// ask makes the requests of a step and holds the responses against it. The
// connection of the last one becomes that of l.
func ask(ctx context.Context, t Target, s Step, sc *script, l *line) (wrong []string) {
	var open []*exchange
	defer func() {
		for _, e := range open {
			if e.conn != l.conn {
				e.conn.Close()
			}
		}
	}()
	heard := sync.OnceFunc(func() { close(sc.heard) })
	for range max(s.Clients, 1) {
		e, err := begin(ctx, t, s, sc.expand, *l, heard)
		if err != nil {
			return append(wrong, err.Error())
		}
		open = append(open, e)
		if sc.part != nil {
			if err := e.some(1); err != nil {
				return append(wrong, fmt.Sprintf("first part of the body: %v", err))
			}
		}
	}
	if sc.part != nil {
		close(sc.part)
	}
	for _, e := range open {
		err := e.rest()
		wrong = append(wrong, s.judge(t, e, err, sc.expand)...)
	}
	if e := open[len(open)-1]; e.conn != l.conn {
		l.close()
		*l = line{e.conn, e.in}
	}
	return wrong
}

// judge holds one response against what the step wants.
func (s Step) judge(t Target, e *exchange, err error, x expander) (wrong []string) {
	status := s.Status
	if status == 0 {
		status = http.StatusOK
	}
	if e.resp.StatusCode != status {
		wrong = append(wrong, fmt.Sprintf("status %d, want %d (Cache-Status %q, Proxy-Status %q)",
			e.resp.StatusCode, status, e.resp.Header["Cache-Status"], e.resp.Header["Proxy-Status"]))
	}
	if err != nil && !s.Broken {
		wrong = append(wrong, fmt.Sprintf("read body: %v", err))
	}
	if err == nil && s.Broken {
		wrong = append(wrong, "the body ended as if it were whole")
	}
	h := e.resp.Header.Clone()
	for name, values := range e.resp.Trailer {
		h["Trailer-"+name] = values
	}
	for _, interim := range e.interim {
		h.Add("Interim", strconv.Itoa(interim.StatusCode))
		for name, values := range interim.Header {
			h["Interim-"+name] = append(h["Interim-"+name], values...)
		}
	}
	wrong = append(wrong, unmet("response", h, x.texts(t.expects(s)))...)
	want := x.text(s.WantBody)
	if want == None && len(e.body) > 0 || want != "" && want != None && string(e.body) != want {
		wrong = append(wrong, fmt.Sprintf("body %.120q, want %.120q", e.body, want))
	}
	return wrong
}

// lateness is how long after a response the origin may still be asked because
// of it.
const lateness = 2 * time.Second

// verdict waits until the origin was asked as often as it should be, and
// returns what it saw wrong.
func (s *script) verdict(ctx context.Context) []string {
	ctx, cancel := context.WithTimeout(ctx, lateness)
	defer cancel()
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for {
		s.mu.Lock()
		missing, wrong := len(s.answers)-s.asked, s.wrong
		s.mu.Unlock()
		if missing <= 0 || len(wrong) > 0 {
			return wrong
		}
		select {
		case <-ctx.Done():
			return []string{fmt.Sprintf("origin was asked %d times less than it should be", missing)}
		case <-tick.C:
		}
	}
}
