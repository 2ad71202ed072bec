package stack

import (
	"bytes"
	"crypto/md5"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"math/rand/v2"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"sync"
	"sync/atomic"
	"time"

	"github.com/flashcrowd/flashcrowd/dht"
	"github.com/flashcrowd/flashcrowd/testnet/crowd"
	"github.com/flashcrowd/flashcrowd/verify"
)

// object is one file of the origin.
type object struct {
	body  []byte
	url   string
	sum   [sha256.Size]byte
	whole func() verify.Whole // for liars
}

// id is what peers ask each other for.
func (f *object) id() (dht.ID, error) {
	u, err := url.Parse(f.url)
	if err != nil {
		return dht.ID{}, err
	}
	return dht.URLID(u)
}

// origin is the web server.
type origin struct {
	cfg     crowd.Origin
	host    *host
	begun   time.Time
	objects map[string]*object
	server  *http.Server
	done    sync.WaitGroup

	requests atomic.Int64
	sent     atomic.Int64 // octets of bodies

	mu   sync.Mutex // guards following
	open int
	busy time.Time // until when it works on earlier requests
}

const (
	originPort = 80
	// idleConn is how long a connection without a request is kept.
	idleConn = time.Minute
	// retryAfter is what a refusal asks for, in seconds.
	retryAfter = "5"
)

// startOrigin serves files of the given sizes; close ends it.
func startOrigin(h *host, cfg crowd.Origin, sizes []int64, seed uint64) (*origin, []*object, error) {
	o := &origin{cfg: cfg, host: h, objects: map[string]*object{}}
	var all []*object
	for i, size := range sizes {
		path := fmt.Sprintf("/%d", i)
		f := newObject(size, seed+uint64(i), "http://"+net.JoinHostPort(h.addr.String(), "80")+path)
		o.objects[path] = f
		all = append(all, f)
	}
	l, err := h.listen(originPort)
	if err != nil {
		return nil, nil, err
	}
	o.server = &http.Server{Handler: o, IdleTimeout: idleConn, ReadHeaderTimeout: idleConn}
	o.done.Go(func() { _ = o.server.Serve(l) }) // ends with the server
	return o, all, nil
}

func newObject(size int64, seed uint64, at string) *object {
	body := make([]byte, size)
	_, _ = rand.NewChaCha8([32]byte{byte(seed), byte(seed >> 8), byte(seed >> 16), byte(seed >> 24)}).Read(body) // never fails
	return &object{body: body, url: at, sum: sha256.Sum256(body), whole: sync.OnceValue(func() verify.Whole {
		r := verify.NewRecorder(verify.SHA256, size)
		if _, err := r.Write(body); err != nil {
			panic("stack: internal error: record: " + err.Error())
		}
		return r.Whole()
	})}
}

// begin lets the crowd's time begin: limits that are times count from here.
func (o *origin) begin() {
	o.begun = time.Now()
	if o.cfg.DiesAt > 0 {
		o.done.Go(func() {
			time.Sleep(o.cfg.DiesAt)
			o.host.unplug()
		})
	}
}

// close ends the server and waits for it.
func (o *origin) close() {
	_ = o.server.Close() // its listener cannot fail
	o.done.Wait()
}

// ServeHTTP answers a request for a file, as the scenario says.
func (o *origin) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	o.requests.Add(1)
	f := o.objects[r.URL.Path]
	if f == nil {
		http.NotFound(w, r)
		return
	}
	wait := o.enter()
	defer o.leave()
	if wait < 0 {
		w.Header().Set("Retry-After", retryAfter)
		status := http.StatusServiceUnavailable
		if o.over() {
			status = http.StatusTooManyRequests
		}
		http.Error(w, "come again later", status)
		return
	}
	time.Sleep(wait)
	h := w.Header()
	h.Set("Cache-Control", "max-age=3600")
	h.Set("Content-Type", "application/octet-stream")
	h.Set("Etag", `"version-1"`)
	switch o.cfg.Digest {
	case crowd.ReprDigest:
		h.Set("Repr-Digest", "sha-256=:"+base64.StdEncoding.EncodeToString(f.sum[:])+":")
	case crowd.ETagMD5:
		sum := md5.Sum(f.body)
		h.Set("Etag", `"`+hex.EncodeToString(sum[:])+`"`)
	}
	http.ServeContent(&counting{w, &o.sent}, r, "", time.Time{}, bytes.NewReader(f.body))
}

// enter counts a request in; a negative wait refuses it.
func (o *origin) enter() (wait time.Duration) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.open++
	if o.over() || o.cfg.MaxConnections > 0 && o.open > o.cfg.MaxConnections {
		return -1
	}
	now := time.Now()
	if o.busy.Before(now) {
		o.busy = now
	}
	o.busy = o.busy.Add(o.cfg.PerRequest)
	return o.busy.Sub(now)
}

func (o *origin) leave() {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.open--
}

// over reports whether the origin refuses bodies by now.
func (o *origin) over() bool {
	a := o.cfg.RefuseAfter
	return a.Time > 0 && time.Since(o.begun) >= a.Time || a.Octets > 0 && o.sent.Load() >= int64(a.Octets)
}

// counting counts octets of bodies as they leave.
type counting struct {
	http.ResponseWriter
	sent *atomic.Int64
}

func (c *counting) Write(p []byte) (int, error) {
	n, err := c.ResponseWriter.Write(p)
	c.sent.Add(int64(n))
	return n, err
}

// addressOf returns an address of a /16 of its own: a DHT and a crowd take few
// of one group.
func addressOf(i int) netip.Addr {
	return netip.AddrFrom4([4]byte{byte(20 + i/200), byte(1 + i%200), 1, 1})
}
