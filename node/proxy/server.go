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
	// maxHeader is for the request line and all fields. net/http reads up to
	// 4 KiB more than it is told to.
	maxHeader = 64<<10 - 4<<10
)

// Server returns a server for h, which is one of p's handlers, with the limits
// of a node. Responses have no deadline: a download takes as long as it does,
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
		ErrorLog:          slog.NewLogLogger(p.log.Handler(), slog.LevelWarn),
	}
}
