package cache

import (
	"net/http"
	"strings"
	"time"
)

// parseDate reads an HTTP-date in one of its three forms (RFC 9110 section
// 5.6.7), and nothing that is merely similar: names are case-sensitive, every
// number has its two or four digits, the zone is GMT. The name of the day is
// not held against the date. now decides the century of the form with two
// digits: a date more than 50 years ahead is in the past.
func parseDate(s string, now time.Time) (time.Time, bool) {
	switch {
	case len(s) == len(http.TimeFormat) && s[3] == ',':
		return parseIMF(s)
	case len(s) == len("Mon Jan _2 15:04:05 2006") && s[3] == ' ':
		return parseAsctime(s)
	}
	return parse850(s, now)
}

const (
	shortDays = "SunMonTueWedThuFriSat"
	months    = "JanFebMarAprMayJunJulAugSepOctNovDec"
)

var longDays = []string{"Sunday", "Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday"}

// parseIMF reads "Sun, 06 Nov 1994 08:49:37 GMT".
func parseIMF(s string) (time.Time, bool) {
	p := dateParser{s: s}
	p.name(shortDays)
	p.literal(", ")
	day := p.number(2)
	p.literal(" ")
	month := p.name(months)
	p.literal(" ")
	year := p.number(4)
	p.literal(" ")
	return p.finish(year, month, day, " GMT")
}

// parseAsctime reads "Sun Nov  6 08:49:37 1994".
func parseAsctime(s string) (time.Time, bool) {
	p := dateParser{s: s}
	p.name(shortDays)
	p.literal(" ")
	month := p.name(months)
	p.literal(" ")
	digits := 2
	if strings.HasPrefix(p.s, " ") {
		p.literal(" ")
		digits = 1
	}
	day := p.number(digits)
	p.literal(" ")
	tail := dateParser{s: p.s[max(len(p.s)-4, 0):]}
	year := tail.number(4)
	if tail.failed {
		return time.Time{}, false
	}
	return p.finish(year, month, day, " "+s[len(s)-4:])
}

// parse850 reads "Sunday, 06-Nov-94 08:49:37 GMT".
func parse850(s string, now time.Time) (time.Time, bool) {
	name, rest, found := strings.Cut(s, ", ")
	known := false
	for _, d := range longDays {
		known = known || d == name
	}
	if !found || !known {
		return time.Time{}, false
	}
	p := dateParser{s: rest}
	day := p.number(2)
	p.literal("-")
	month := p.name(months)
	p.literal("-")
	year := p.number(2) + now.UTC().Year()/100*100
	p.literal(" ")
	t, ok := p.finish(year, month, day, " GMT")
	if ok && t.After(now.AddDate(50, 0, 0)) {
		t = t.AddDate(-100, 0, 0)
	}
	return t, ok
}

// dateParser eats a date from the front; once something does not fit, failed
// stays true.
type dateParser struct {
	s      string
	failed bool
}

func (p *dateParser) take(n int) string {
	if len(p.s) < n {
		p.failed, p.s = true, ""
		return ""
	}
	t := p.s[:n]
	p.s = p.s[n:]
	return t
}

func (p *dateParser) literal(want string) {
	if p.take(len(want)) != want {
		p.failed = true
	}
}

// name returns the index, from 1, of the next three letters in names.
func (p *dateParser) name(names string) int {
	t := p.take(3)
	i := strings.Index(names, t)
	if t == "" || i < 0 || i%3 != 0 {
		p.failed = true
		return 1
	}
	return i/3 + 1
}

func (p *dateParser) number(digits int) int {
	n := 0
	for _, c := range []byte(p.take(digits)) {
		if c < '0' || c > '9' {
			p.failed = true
			return 0
		}
		n = n*10 + int(c-'0')
	}
	return n
}

// finish reads the time of day and what must follow it. A leap second is
// the first of the next minute.
func (p *dateParser) finish(year, month, day int, rest string) (time.Time, bool) {
	h := p.number(2)
	p.literal(":")
	m := p.number(2)
	p.literal(":")
	s := p.number(2)
	if p.s != rest {
		p.failed = true
	}
	date := time.Date(year, time.Month(month), day, 0, 0, 0, 0, time.UTC)
	if p.failed || date.Day() != day || h > 23 || m > 59 || s > 60 {
		return time.Time{}, false
	}
	return time.Date(year, time.Month(month), day, h, m, s, 0, time.UTC), true
}
