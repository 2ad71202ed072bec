package swarm

import (
	"fmt"
	"strings"
	"time"
)

// Window is a part of each day, in the time zone of this machine: from From on
// and until To, both counted from midnight. Where To is not after From it ends
// on the next day. Its text form is "22:00-07:00".
type Window struct{ From, To time.Duration }

// ParseWindow reads the text form of a Window.
func ParseWindow(s string) (Window, error) {
	from, to, _ := strings.Cut(s, "-")
	var w Window
	var err error
	if w.From, err = timeOfDay(from); err == nil {
		w.To, err = timeOfDay(to)
	}
	if err != nil || w.From == w.To {
		return Window{}, fmt.Errorf("swarm: %.40q is not two times of day such as 22:00-07:00", s)
	}
	return w, nil
}

// String returns the text form.
func (w Window) String() string { return clock(w.From) + "-" + clock(w.To) }

func clock(d time.Duration) string {
	return fmt.Sprintf("%02d:%02d", int(d.Hours()), int(d.Minutes())%60)
}

// timeOfDay reads HH:MM, up to 24:00.
func timeOfDay(s string) (time.Duration, error) {
	s = strings.TrimSpace(s)
	if s == "24:00" {
		return 24 * time.Hour, nil
	}
	t, err := time.Parse("15:04", s)
	return time.Duration(t.Hour())*time.Hour + time.Duration(t.Minute())*time.Minute, err
}

// open reports whether now lies in one of windows, or there is none.
func open(windows []Window, now time.Time) bool {
	for _, w := range windows {
		if w.has(now) {
			return true
		}
	}
	return len(windows) == 0
}

// has goes by what a clock on the wall shows, also on the days on which it is
// put forward or back.
func (w Window) has(now time.Time) bool {
	h, m, s := now.Clock()
	at := time.Duration(h)*time.Hour + time.Duration(m)*time.Minute + time.Duration(s)*time.Second
	if w.From < w.To {
		return w.From <= at && at < w.To
	}
	return w.From <= at || at < w.To
}
