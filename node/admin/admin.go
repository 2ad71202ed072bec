package admin

import (
	"context"
	"io"
	"iter"
	"log/slog"
	"net/http"
	"net/netip"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"
)

// Config is what the admin face shows and where it stands. The functions are
// called for each request, at once from many goroutines, and should not wait.
type Config struct {
	// Addr is the real address of the listener, with the port that it got.
	// Requests that name any other in Host are refused, so with the zero Addr
	// all are.
	Addr netip.AddrPort
	// Status returns what the node does now. If nil, the zero Status.
	Status func() Status
	// Peers returns the nodes that this one knows. If nil, none.
	Peers func() []Peer
	// Faces returns where clients reach the node. If nil, nowhere.
	Faces func() Faces
	// Why returns the receipt of the last response for url, to be written as
	// JSON, or false when there is none. If nil, there is never one.
	Why func(url string) (any, bool)
	// Certificate is that of the interception authority, as PEM, shown at
	// /ca.pem. If nil, there is none.
	Certificate []byte
	// Token is what a client shows before it changes anything; if empty,
	// nobody may. Pause makes the node a plain proxy, or what it was before;
	// if nil, it does nothing.
	Token string
	Pause func(paused bool)
	// Objects yields what is stored, the last used first. If nil, nothing.
	Objects iter.Seq[Object]
	// Remove removes all that is known of url, and returns how many responses
	// that were. If nil, there are none.
	Remove func(url string) (int, error)
	// Pin keeps url from being evicted, and returns how many responses are
	// stored for it; Unpin undoes it, and reports whether it was pinned. If
	// nil, nothing is.
	Pin   func(url string) (int, error)
	Unpin func(url string) (bool, error)
	// Verify reads all that is stored and removes what is damaged. If nil,
	// nothing is stored.
	Verify func(ctx context.Context) (Verified, error)
	// Export writes an archive of what is stored for urls, or with none of
	// everything, as far as it is for everybody. Import takes one in; it returns
	// what it took also with an error. If nil, nothing is stored.
	Export func(ctx context.Context, w io.Writer, urls []string) (Exported, error)
	Import func(ctx context.Context, r io.Reader) (Imported, error)
	// Settings are what can be set while the node runs, by the names of their
	// flags.
	Settings map[string]Setting
	// Metrics are shown at /metrics. If nil, none.
	Metrics prometheus.Gatherer
	// Logger takes what fails. If nil, it is silent.
	Logger *slog.Logger
}

// Deadlines and limits of the listener: local clients are quick, and nobody
// sends a body.
const (
	headerTimeout = 10 * time.Second
	answerTimeout = 30 * time.Second
	idleTimeout   = 2 * time.Minute
	maxHeader     = 64 << 10 // design.md section 12
)

// NewServer returns a server for the listener at c.Addr. The caller serves,
// shuts down and waits.
func NewServer(c Config) *http.Server {
	c = c.withDefaults()
	return &http.Server{
		Handler:           NewHandler(c),
		ReadHeaderTimeout: headerTimeout,
		ReadTimeout:       answerTimeout,
		WriteTimeout:      answerTimeout,
		IdleTimeout:       idleTimeout,
		MaxHeaderBytes:    maxHeader,
		ErrorLog:          slog.NewLogLogger(c.Logger.Handler(), slog.LevelDebug),
		// Else `OPTIONS *` would be answered before Host is looked at.
		DisableGeneralOptionsHandler: true,
	}
}

// NewHandler returns what NewServer serves.
func NewHandler(c Config) http.Handler {
	c = c.withDefaults()
	a := &api{c}
	routes := map[string]http.Handler{
		"/":              http.HandlerFunc(a.page),
		"/healthz":       http.HandlerFunc(healthz),
		"/metrics":       promhttp.HandlerFor(c.Metrics, promhttp.HandlerOpts{ErrorHandling: promhttp.ContinueOnError}),
		"/api/v1/status": http.HandlerFunc(a.status),
		"/api/v1/peers":  http.HandlerFunc(a.peers),
		"/api/v1/faces":  http.HandlerFunc(a.faces),
		"/api/v1/why":    http.HandlerFunc(a.why),
		"/api/v1/cache":  http.HandlerFunc(a.cache),
		"/ca.pem":        http.HandlerFunc(a.certificate),
	}
	changes := map[string]http.Handler{
		"/api/v1/pause":    a.change(func() { c.Pause(true) }),
		"/api/v1/resume":   a.change(func() { c.Pause(false) }),
		"/api/v1/rm":       a.changing(a.remove),
		"/api/v1/pin":      a.changing(a.pin),
		"/api/v1/unpin":    a.changing(a.unpin),
		"/api/v1/verify":   a.changing(a.verify),
		"/api/v1/export":   a.changing(a.export),
		"/api/v1/import":   a.changing(a.takeIn),
		"/api/v1/settings": a.changing(a.set),
	}
	return guard(hostsOf(c.Addr), route(changes, readOnly(routes)))
}

func (c Config) withDefaults() Config {
	if c.Status == nil {
		c.Status = func() Status { return Status{} }
	}
	if c.Peers == nil {
		c.Peers = func() []Peer { return nil }
	}
	if c.Faces == nil {
		c.Faces = func() Faces { return Faces{} }
	}
	if c.Why == nil {
		c.Why = func(string) (any, bool) { return nil, false }
	}
	if c.Pause == nil {
		c.Pause = func(bool) {}
	}
	if c.Objects == nil {
		c.Objects = func(func(Object) bool) {}
	}
	if c.Remove == nil {
		c.Remove = func(string) (int, error) { return 0, nil }
	}
	if c.Pin == nil {
		c.Pin = func(string) (int, error) { return 0, nil }
	}
	if c.Unpin == nil {
		c.Unpin = func(string) (bool, error) { return false, nil }
	}
	if c.Verify == nil {
		c.Verify = func(context.Context) (Verified, error) { return Verified{}, nil }
	}
	if c.Export == nil {
		c.Export = func(context.Context, io.Writer, []string) (Exported, error) { return Exported{}, nil }
	}
	if c.Import == nil {
		c.Import = func(context.Context, io.Reader) (Imported, error) { return Imported{}, nil }
	}
	if c.Metrics == nil {
		c.Metrics = prometheus.NewRegistry()
	}
	if c.Logger == nil {
		c.Logger = slog.New(slog.DiscardHandler)
	}
	return c
}

// route gives a request to the handler of its exact path, and others to rest.
func route(routes map[string]http.Handler, rest http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if handler, ok := routes[r.URL.Path]; ok {
			handler.ServeHTTP(w, r)
			return
		}
		rest.ServeHTTP(w, r)
	})
}

// readOnly routes by the exact path and answers GET and HEAD alone.
func readOnly(routes map[string]http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		handler, ok := routes[r.URL.Path]
		switch {
		case !ok:
			writeError(w, http.StatusNotFound, "no such page", "the API lies under /api/v1/: status, peers, faces, cache, why")
		case r.Method != http.MethodGet && r.Method != http.MethodHead:
			w.Header().Set("Allow", "GET, HEAD")
			writeError(w, http.StatusMethodNotAllowed, "this can only be read", "use GET")
		default:
			handler.ServeHTTP(w, r)
		}
	})
}
