package cache

import (
	"net/http"
	"testing"
	"time"

	"github.com/flashcrowd/flashcrowd/fetch"
	"github.com/flashcrowd/flashcrowd/fetch/fetchtest"
)

// t0 is when responses come in these tests.
var t0 = time.Date(2026, 5, 4, 12, 0, 0, 0, time.UTC)

func httpDate(d time.Duration) string { return t0.Add(d).Format(http.TimeFormat) }

const sec = time.Second

// response returns a response that came at t0 with the given fields.
func response(fields ...string) *fetch.Meta {
	return fetchtest.Meta(fetchtest.Request("http://example.com/"), t0, 1, fields...)
}

// RFC 9111 section 4.2.1.
func TestLifetime(t *testing.T) {
	for _, tt := range []struct {
		name string
		m    *fetch.Meta
		want time.Duration
	}{
		{"s-maxage wins", response("Cache-Control", "s-maxage=1, max-age=2", "Expires", httpDate(3*sec)), 1 * sec},
		{"max-age before Expires", response("Cache-Control", "max-age=2", "Expires", httpDate(3*sec)), 2 * sec},
		{"max-age=0 before Expires", response("Cache-Control", "max-age=0", "Expires", httpDate(3*sec)), 0},
		{"bad max-age before Expires", response("Cache-Control", "max-age=x", "Expires", httpDate(3*sec)), 0},
		{"Expires", response("Expires", httpDate(3*sec)), 3 * sec},
		{"Expires counts from Date", response("Date", httpDate(-10*sec), "Expires", httpDate(3*sec)), 13 * sec},
		{"Expires without Date", noDate(response("Expires", httpDate(3*sec))), 3 * sec},
		{"Expires: bad Date", response("Date", "yesterday", "Expires", httpDate(3*sec)), 3 * sec},
		{"Expires in the past", response("Expires", httpDate(-3*sec)), 0},
		{"Expires: 0", response("Expires", "0"), 0},
		{"Expires: -1 and a Last-Modified", response("Expires", "-1", "Last-Modified", httpDate(-1000*sec)), 0},
		{"two Expires: the earlier", response("Expires", httpDate(9*sec), "Expires", httpDate(3*sec)), 3 * sec},
		{"two Expires, one bad", response("Expires", httpDate(9*sec), "Expires", "x"), 0},
		{"Expires far away", response("Expires", "Fri, 31 Dec 9999 23:59:59 GMT"), maxDelta},
		{"heuristic", response("Last-Modified", httpDate(-1000*sec)), 100 * sec},
		{"heuristic is a day at most", response("Last-Modified", httpDate(-1000*24*time.Hour)), 24 * time.Hour},
		{"heuristic with other directives", response("Last-Modified", httpDate(-1000*sec), "Cache-Control", "public"), 100 * sec},
		{"heuristic: modified in the future", response("Last-Modified", httpDate(1000*sec)), 0},
		{"heuristic: origin ahead of us", response("Date", httpDate(1e6*sec), "Last-Modified", httpDate(-1000*sec)), 100 * sec},
		{"heuristic: bad date", response("Last-Modified", "long ago"), 0},
		{"heuristic: two dates", response("Last-Modified", httpDate(-1000*sec), "Last-Modified", httpDate(-1000*sec)), 0},
		{"heuristic: 404", status(404, response("Last-Modified", httpDate(-1000*sec))), 100 * sec},
		{"heuristic: 302", status(302, response("Last-Modified", httpDate(-1000*sec))), 0},
		{"heuristic: 302 that is public", status(302, response("Last-Modified", httpDate(-1000*sec), "Cache-Control", "public")), 100 * sec},
		{"nothing", response(), 0},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if got := lifetime(tt.m, controlOf(tt.m.Header)); got != tt.want {
				t.Errorf("lifetime %v, want %v", got, tt.want)
			}
		})
	}
}

func noDate(m *fetch.Meta) *fetch.Meta        { m.Header.Del("Date"); return m }
func status(n int, m *fetch.Meta) *fetch.Meta { m.Status = n; return m }

// RFC 9111 section 4.2.3.
func TestAge(t *testing.T) {
	slow := func(m *fetch.Meta) *fetch.Meta { m.RequestTime = t0.Add(-5 * sec); return m }
	back := func(m *fetch.Meta) *fetch.Meta { m.RequestTime = t0.Add(5 * sec); return m }
	for _, tt := range []struct {
		name string
		m    *fetch.Meta
		now  time.Duration // since t0
		want time.Duration
	}{
		{"at once", response(), 0, 0},
		{"resident", response(), 7 * sec, 7 * sec},
		{"Age", response("Age", "10"), 7 * sec, 17 * sec},
		{"Age and delay", slow(response("Age", "10")), 7 * sec, 22 * sec},
		{"delay", slow(response()), 7 * sec, 12 * sec},
		{"apparent age", response("Date", httpDate(-30*sec)), 7 * sec, 37 * sec},
		{"apparent age below Age", response("Date", httpDate(-3*sec), "Age", "10"), 0, 10 * sec},
		{"Date in the future", response("Date", httpDate(30*sec)), 7 * sec, 7 * sec},
		{"no Date", noDate(response()), 7 * sec, 7 * sec},
		{"clock went back in between", back(response()), 7 * sec, 7 * sec},
		{"clock went back since", response("Age", "10"), -7 * sec, 10 * sec},
		{"Age list: the first", response("Age", "10, 20"), 0, 10 * sec},
		{"Age lines: the first", response("Age", "10", "Age", "20"), 0, 10 * sec},
		{"Age negative", response("Age", "-10"), 0, 0},
		{"Age no number", response("Age", "1.5"), 0, 0},
		{"Age too large", slow(response("Age", "99999999999999999999")), 5 * sec, maxDelta + 10*sec},
		{"Date of 1970", response("Date", "Thu, 01 Jan 1970 00:00:00 GMT"), 0, t0.Sub(time.Unix(0, 0))},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if got := currentAge(tt.m, t0.Add(tt.now)); got != tt.want {
				t.Errorf("age %v, want %v", got, tt.want)
			}
		})
	}
}

// RFC 9111 sections 4.2, 4.2.4 and 5.2.1; RFC 5861 section 4.
func TestJudge(t *testing.T) {
	const (
		fresh = 30 * sec // of max-age=60
		stale = 90 * sec
	)
	for _, tt := range []struct {
		name           string
		asked          string // Cache-Control of the request
		response       string // Cache-Control of the response
		now            time.Duration
		fresh, staleOK bool
	}{
		{"fresh", "", "max-age=60", fresh, true, true},
		{"at the end of its lifetime", "", "max-age=60", 60 * sec, false, true},
		{"stale", "", "max-age=60", stale, false, true},
		{"no-cache in the response", "", "max-age=60, no-cache", fresh, false, false},
		{"qualified no-cache", "", `max-age=60, no-cache="x"`, fresh, false, false},
		{"no-cache in the request", "no-cache", "max-age=60", fresh, false, false},
		{"no-store in the request", "no-store", "max-age=60", fresh, true, true},
		{"must-revalidate, fresh", "", "max-age=60, must-revalidate", fresh, true, true},
		{"must-revalidate, stale", "", "max-age=60, must-revalidate", stale, false, false},
		{"proxy-revalidate, stale", "", "max-age=60, proxy-revalidate", stale, false, false},
		{"s-maxage, stale", "", "s-maxage=60", stale, false, false},
		{"immutable, stale", "", "max-age=60, immutable", stale, false, true},
		{"max-age of the request, met", "max-age=30", "max-age=60", fresh, true, true},
		{"max-age of the request, not met", "max-age=29", "max-age=60", fresh, false, true},
		{"max-age=0", "max-age=0", "max-age=60", fresh, false, true},
		{"bad max-age of the request", "max-age=x", "max-age=60", fresh, false, true},
		{"min-fresh met", "min-fresh=30", "max-age=60", fresh, true, true},
		{"min-fresh not met", "min-fresh=31", "max-age=60", fresh, false, true},
		{"max-stale", "max-stale", "max-age=60", stale, true, true},
		{"max-stale met", "max-stale=30", "max-age=60", stale, true, true},
		{"max-stale not met", "max-stale=29", "max-age=60", stale, false, true},
		{"max-stale and must-revalidate", "max-stale", "max-age=60, must-revalidate", stale, false, false},
		{"max-stale and no-cache", "max-stale", "max-age=60, no-cache", stale, false, false},
		{"max-stale and max-age", "max-stale, max-age=60", "max-age=60", stale, false, true},
		{"stale-if-error met", "", "max-age=60, stale-if-error=30", stale, false, true},
		{"stale-if-error not met", "", "max-age=60, stale-if-error=29", stale, false, false},
		{"stale-if-error of the request", "stale-if-error=30", "max-age=60, stale-if-error=0", stale, false, true},
		{"stale-if-error and must-revalidate", "stale-if-error=99", "max-age=60, must-revalidate", stale, false, false},
		{"never fresh", "", "public", 0, false, true},
	} {
		t.Run(tt.name, func(t *testing.T) {
			asked := requestControl(lines("Cache-Control", tt.asked))
			m := response("Cache-Control", tt.response)
			v := judge(asked, fetch.Forward, m, false, t0.Add(tt.now))
			if v.fresh != tt.fresh || v.staleOK != tt.staleOK {
				t.Errorf("fresh %v, stale ok %v, want %v, %v", v.fresh, v.staleOK, tt.fresh, tt.staleOK)
			}
			if v := judge(asked, fetch.Forward, m, true, t0.Add(tt.now)); v.fresh || v.staleOK {
				t.Errorf("used although invalidated: %+v", v)
			}
		})
	}
}

// A clock that was set back gives nothing eternal life.
func TestClockSetBack(t *testing.T) {
	m := response("Cache-Control", "max-age=60")
	if v := judge(control{}, fetch.Forward, m, false, t0.Add(-30*sec)); !v.fresh || v.age != 0 {
		t.Errorf("half a minute back: %+v", v)
	}
	if v := judge(control{}, fetch.Forward, m, false, t0.AddDate(-1, 0, 0)); v.fresh || !v.staleOK {
		t.Errorf("a year back: %+v", v)
	}
	if v := judge(control{}, fetch.Forward, m, false, t0.AddDate(1, 0, 0)); v.fresh {
		t.Errorf("a year ahead: %+v", v)
	}
	if v := judge(control{}, fetch.Forward, m, false, time.Unix(1<<60, 0)); v.fresh || v.age < 0 {
		t.Errorf("at the end of time: %+v", v)
	}
}
