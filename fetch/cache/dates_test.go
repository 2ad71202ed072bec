package cache

import (
	"net/http"
	"testing"
	"time"
)

// RFC 9110 section 5.6.7.
func TestParseDate(t *testing.T) {
	now := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	then := time.Date(1994, 11, 6, 8, 49, 37, 0, time.UTC)
	for s, want := range map[string]time.Time{
		"Sun, 06 Nov 1994 08:49:37 GMT":  then,
		"Sunday, 06-Nov-94 08:49:37 GMT": then,
		"Sun Nov  6 08:49:37 1994":       then,
		"Wed Nov 16 08:49:37 1994":       then.AddDate(0, 0, 10),
		// The name of the day is not held against the date.
		"Mon, 06 Nov 1994 08:49:37 GMT":     then,
		"Wednesday, 01-Jan-75 00:00:00 GMT": time.Date(2075, 1, 1, 0, 0, 0, 0, time.UTC),
		"Wednesday, 01-Jan-77 00:00:00 GMT": time.Date(1977, 1, 1, 0, 0, 0, 0, time.UTC),
		"Sat, 31 Dec 2016 23:59:60 GMT":     time.Date(2017, 1, 1, 0, 0, 0, 0, time.UTC),
		"Thu, 29 Feb 2024 00:00:00 GMT":     time.Date(2024, 2, 29, 0, 0, 0, 0, time.UTC),
	} {
		if got, ok := parseDate(s, now); !ok || !got.Equal(want) {
			t.Errorf("parseDate(%q) = %v, %v, want %v", s, got, ok, want)
		}
	}
	for _, s := range []string{
		"", "0", "-1", "never", "Sun, 06 Nov 1994 08:49:37", "Sun, 06 Nov 1994 08:49:37 UTC", "Sun, 06 Nov 1994 08:49:37 gmt",
		"sun, 06 Nov 1994 08:49:37 GMT", "Sun, 06 nov 1994 08:49:37 GMT", "Sun, 6 Nov 1994 08:49:37 GMT", "Sun, 06 Nov 94 08:49:37 GMT",
		"Sun 06 Nov 1994 08:49:37 GMT", "Sun,  06 Nov 1994 08:49:37 GM", "Sun, 06-Nov-1994 08:49:37 GMT", "Sun, 06 Nov 1994 8:49:37 GMT",
		"Sun, 06 Nov 1994 24:49:37 GMT", "Sun, 06 Nov 1994 08:60:37 GMT", "Sun, 06 Nov 1994 08:49:61 GMT", "Sun, 31 Nov 1994 08:49:37 GMT",
		"Thu, 29 Feb 2023 00:00:00 GMT", "Sun, 06 Nov 1994 08.49.37 GMT", "Sun, 00 Nov 1994 08:49:37 GMT", "Sun, 06 unN 1994 08:49:37 GMT",
		"Sun, 06 Nov 1994 08:49:37 GMT ", "Sunday, 06-Nov-1994 08:49:37 GMT", "Sunday, 06 Nov 94 08:49:37 GMT", "Sund, 06-Nov-94 08:49:37 GMT",
		"Sun Nov 6 08:49:37 1994 ", "Sun Nov 06 08:49:37 199x", "Sun Nov  6 08:49:37 1994 GMT", "Sun, 06 Nov 1994 08:49:37 +0000",
		"784111777", "1994-11-06T08:49:37Z", "Sun, 06 Nov 1994 08:49:37.5 GMT", "Sun, -6 Nov 1994 08:49:37 GMT",
	} {
		if got, ok := parseDate(s, now); ok {
			t.Errorf("parseDate(%q) = %v, want none", s, got)
		}
	}
}

func FuzzParseDate(f *testing.F) {
	f.Add("Sun, 06 Nov 1994 08:49:37 GMT")
	f.Add("Sunday, 06-Nov-94 08:49:37 GMT")
	f.Add("Sun Nov  6 08:49:37 1994")
	f.Fuzz(func(t *testing.T, s string) {
		got, ok := parseDate(s, time.Unix(1.7e9, 0))
		if !ok {
			return
		}
		// What is a date here is one to net/http also, but for leap seconds.
		if want, err := http.ParseTime(s); err == nil && !want.Equal(got) && want.AddDate(100, 0, 0).Equal(got) == want.AddDate(-100, 0, 0).Equal(got) {
			t.Errorf("parseDate(%q) = %v, net/http has %v", s, got, want)
		}
	})
}
