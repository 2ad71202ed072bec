package origin

import (
	"fmt"
	"log/slog"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"time"
)

const (
	// defaultBackoff is for a 429 or 503 that names no time (design.md
	// section 4).
	defaultBackoff = 5 * time.Second
	// maxBackoff is the longest that an origin can keep this node from range
	// requests by one answer.
	maxBackoff = time.Hour
	// maxBackoffHosts is how many hosts are remembered; one of them is
	// forgotten for each beyond.
	maxBackoffHosts = 1024
)

// BackoffError says that an origin asked for patience. Other packages know it
// by its method RetryAfter.
type BackoffError struct {
	// Host with its port, if the URL had one.
	Host string
	// Status is 429 or 503.
	Status int
	// Until is when the origin may be asked again.
	Until time.Time
}

func (e *BackoffError) Error() string {
	return fmt.Sprintf("origin: %s answered %d, not to be asked before %s", e.Host, e.Status, e.Until.UTC().Format(time.RFC3339))
}

// RetryAfter returns how long to wait from now, never less than zero.
func (e *BackoffError) RetryAfter() time.Duration { return max(0, time.Until(e.Until)) }

// backoff remembers which hosts asked for patience.
type backoff struct {
	log *slog.Logger

	mu    sync.Mutex
	hosts map[string]BackoffError // by host in lower case
}

// note remembers an answer that asks for patience. A shorter time than the one
// that runs is not believed.
func (b *backoff) note(host string, status int, h http.Header, now time.Time) {
	if status != http.StatusTooManyRequests && status != http.StatusServiceUnavailable {
		return
	}
	wait := retryAfter(h, now)
	if wait <= 0 {
		return
	}
	host = strings.ToLower(host)
	b.mu.Lock()
	old, running := b.hosts[host]
	running = running && old.Until.After(now)
	if !running || old.Until.Before(now.Add(wait)) {
		b.keepLocked(BackoffError{Host: host, Status: status, Until: now.Add(wait)}, now)
	}
	b.mu.Unlock()
	if !running {
		b.log.Info("origin_backoff", "host", host, "status", status, "retry_after", wait.Round(time.Second))
	}
}

func (b *backoff) keepLocked(e BackoffError, now time.Time) {
	if b.hosts == nil {
		b.hosts = map[string]BackoffError{}
	}
	if _, known := b.hosts[e.Host]; !known && len(b.hosts) >= maxBackoffHosts {
		b.evictLocked(now)
	}
	b.hosts[e.Host] = e
}

// evictLocked forgets the hosts whose time is over, and if there are none, the
// one whose time is over next.
func (b *backoff) evictLocked(now time.Time) {
	var next *BackoffError
	for host, e := range b.hosts {
		if !e.Until.After(now) {
			delete(b.hosts, host)
		} else if next == nil || e.Until.Before(next.Until) {
			next = &e
		}
	}
	if next != nil && len(b.hosts) >= maxBackoffHosts {
		delete(b.hosts, next.Host)
	}
}

// check returns a *BackoffError while host is not to be asked.
func (b *backoff) check(host string, now time.Time) error {
	host = strings.ToLower(host)
	b.mu.Lock()
	defer b.mu.Unlock()
	e, ok := b.hosts[host]
	if !ok {
		return nil
	}
	if !e.Until.After(now) {
		delete(b.hosts, host)
		return nil
	}
	return &e
}

// retryAfter reads a Retry-After field (RFC 9110 section 10.2.3): seconds or a
// date, at most maxBackoff. One that is missing or malformed is as good as
// defaultBackoff; one that is over is zero.
func retryAfter(h http.Header, now time.Time) time.Duration {
	v := strings.TrimSpace(h.Get("Retry-After"))
	if isDigits(v) {
		seconds, err := strconv.ParseInt(v, 10, 64)
		if err != nil || seconds > int64(maxBackoff/time.Second) {
			return maxBackoff
		}
		return time.Duration(seconds) * time.Second
	}
	if at, err := http.ParseTime(v); err == nil {
		return min(max(0, at.Sub(now)), maxBackoff)
	}
	return defaultBackoff
}
