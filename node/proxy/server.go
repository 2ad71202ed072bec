package proxy

import (
	"log/slog"
	"net/http"
	"time"
)

// Limits towards clients (design.md section 12).
const (
	headerTimeout = 10 * time.Second
	// keepTimeout is how long a connection may wait for its next request.
	keepTimeout = 2 * time.Minute
	// maxHeader is what net/http takes: more than the strict reader before it
	// does, which has an answer with a name.
	maxHeader = 2 * maxHead
)

// Server returns a server for h, which is one of p's handlers, with the limits
// of a node. It is to serve a listener from Strict. Responses have no deadline: a download takes as long as it does,
// and may be paused. The caller serves, and shuts down.
func (p *Proxy) Server(h http.Handler) *http.Server {
	var protocols http.Protocols
	protocols.SetHTTP1(true) // HTTP/2 to the same machine costs more and brings nothing
	return &http.Server{
		Handler:           h,
		ReadHeaderTimeout: headerTimeout,
		IdleTimeout:       keepTimeout,
		MaxHeaderBytes:    maxHeader,
		Protocols:         &protocols,
		// Else "OPTIONS *" would be answered before anybody looked at it.
		DisableGeneralOptionsHandler: true,
		ConnContext:                  withStrict,
		ConnState:                    idles,
		ErrorLog:                     slog.NewLogLogger(p.log.Handler(), slog.LevelWarn),
	}
}
