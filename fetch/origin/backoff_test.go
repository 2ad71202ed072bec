package origin

import (
	"bytes"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

func TestRetryAfter(t *testing.T) {
	now := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	for _, tt := range []struct {
		field string
		want  time.Duration
	}{
		{"0", 0},
		{"1", time.Second},
		{" 120 ", 2 * time.Minute},
		{"3600", time.Hour},
		{"3601", time.Hour},
		{"99999999999999999999999999", time.Hour},
		{"Sun, 01 Mar 2026 12:00:30 GMT", 30 * time.Second},
		{"Sunday, 01-Mar-26 12:00:30 GMT", 30 * time.Second},
		{"Sun, 01 Mar 2026 11:00:00 GMT", 0},
		{"Sun, 01 Mar 2099 12:00:00 GMT", time.Hour},
		{"", defaultBackoff},
		{"-5", defaultBackoff},
		{"1.5", defaultBackoff},
		{"soon", defaultBackoff},
	} {
		if got := retryAfter(http.Header{"Retry-After": {tt.field}}, now); got != tt.want {
			t.Errorf("%q: got %v, want %v", tt.field, got, tt.want)
		}
	}
}

func FuzzRetryAfter(f *testing.F) {
	f.Add("120")
	f.Add("Sun, 01 Mar 2026 12:00:30 GMT")
	f.Fuzz(func(t *testing.T, field string) {
		got := retryAfter(http.Header{"Retry-After": {field}}, time.Unix(1772366400, 0))
		if got < 0 || got > maxBackoff {
			t.Errorf("%q: %v", field, got)
		}
	})
}

func TestBackoffPasses(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var out bytes.Buffer
		b := backoff{log: slog.New(slog.NewTextHandler(&out, nil))}
		after := func(s string) http.Header { return http.Header{"Retry-After": {s}} }
		start := time.Now()
		b.note("a.example:80", 200, after("60"), start)
		b.note("a.example:80", 500, after("60"), start)
		b.note("a.example:80", 503, after("0"), start)
		if err := b.check("a.example:80", start); err != nil {
			t.Fatalf("nobody asked for patience, yet %v", err)
		}
		b.note("A.example:80", 503, after("60"), start)
		b.note("a.example:80", 429, after("1"), start) // shorter than what runs
		for _, tt := range []struct {
			at   time.Duration
			wait time.Duration
		}{{0, time.Minute}, {59 * time.Second, time.Second}, {60 * time.Second, 0}, {61 * time.Second, 0}} {
			<-time.After(time.Until(start.Add(tt.at)))
			err := b.check("a.example:80", time.Now())
			var be *BackoffError
			switch {
			case tt.wait == 0 && err != nil:
				t.Errorf("after %v: %v", tt.at, err)
			case tt.wait > 0 && (!errors.As(err, &be) || be.RetryAfter() != tt.wait || be.Status != 503):
				t.Errorf("after %v: %v, want %v more", tt.at, err, tt.wait)
			}
		}
		if err := b.check("b.example", time.Now()); err != nil {
			t.Errorf("another host: %v", err)
		}
		if got := out.String(); strings.Count(got, "origin_backoff") != 1 || !strings.Contains(got, "host=a.example:80") {
			t.Errorf("logged %q", got)
		}
	})
}

func TestBackoffIsBounded(t *testing.T) {
	b := backoff{log: slog.New(slog.DiscardHandler)}
	now := time.Now()
	for i := range 3 * maxBackoffHosts {
		b.note(fmt.Sprintf("h%d.example", i), 429, http.Header{"Retry-After": {fmt.Sprint(10 + i%100)}}, now)
	}
	if len(b.hosts) > maxBackoffHosts {
		t.Errorf("%d hosts are remembered", len(b.hosts))
	}
	later := now.Add(time.Hour)
	b.note("last.example", 429, nil, later)
	if len(b.hosts) != 1 {
		t.Errorf("%d hosts are remembered after their time", len(b.hosts))
	}
}
