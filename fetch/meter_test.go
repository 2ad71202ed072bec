package fetch

import (
	"testing"
	"testing/synctest"
	"time"
)

// near reports whether got is want, give or take a share.
func near(got, want, share float64) bool { return got >= want*(1-share) && got <= want*(1+share) }

func pause(d time.Duration) { <-time.After(d) }

func TestMeter(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var m meter
		if r := m.read(time.Now()); r.second != 0 || r.rate != 0 || !r.at.IsZero() || !r.first.IsZero() {
			t.Errorf("empty: %+v", r)
		}
		// 1000 octets each 7 ms, from a moment that is no border of a slot.
		pause(13 * time.Millisecond)
		begun := time.Now()
		for range 143 {
			m.add(1000, time.Now())
			pause(7 * time.Millisecond)
			if r := m.read(time.Now()); time.Since(begun) > 200*time.Millisecond && !near(r.rate, 142857, .1) {
				t.Fatalf("after %v: rate %.0f", time.Since(begun), r.rate)
			}
		}
		for range 1000 {
			m.add(1000, time.Now())
			pause(7 * time.Millisecond)
			if r := m.read(time.Now()); !near(float64(r.second), 142857, .02) || !near(float64(r.half), 71428, .05) || !r.first.Equal(begun) {
				t.Fatalf("after %v: %+v", time.Since(begun), r)
			}
		}
		last := time.Now().Add(-7 * time.Millisecond)
		pause(500 * time.Millisecond)
		if r := m.read(time.Now()); !near(float64(r.second), 71428, .05) || r.half > 3000 || !r.at.Equal(last) {
			t.Errorf("half a second later: %+v", r)
		}
		pause(550 * time.Millisecond)
		if r := m.read(time.Now()); r.second != 0 || r.rate != 0 {
			t.Errorf("a second later: %+v", r)
		}
		pause(time.Hour)
		m.add(5, time.Now())
		if r := m.read(time.Now()); r.second != 5 || r.half != 5 {
			t.Errorf("an hour later: %+v", r)
		}
	})
}

// TestMeterOfLumps: what is proven in lumps is read as it came.
func TestMeterOfLumps(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var m meter
		var from time.Time
		for i := range 40 { // a quarter of a second each
			from = time.Now()
			for range 5 {
				if r := m.readBefore(from, time.Now()); i >= 4 && !near(float64(r.second), 100_000, .02) {
					t.Fatalf("lump %d: %+v", i, r)
				}
				pause(50 * time.Millisecond)
			}
			m.addOver(25_000, from, time.Now())
		}
		from = time.Now()
		pause(900 * time.Millisecond)
		if r := m.readBefore(from, time.Now()); !near(float64(r.second), 100_000, .02) {
			t.Errorf("a late lump: %+v", r)
		}
		if r := m.readBefore(time.Now(), time.Now()); !near(float64(r.second), 10_000, .02) {
			t.Errorf("no lump to come: %+v", r)
		}
		pause(600 * time.Millisecond)
		if r := m.readBefore(from, time.Now()); !near(float64(r.second), 50_000, .1) {
			t.Errorf("half a second too late: %+v", r)
		}
		if r := m.readLatest(time.Now()); !near(float64(r.second), 100_000, .02) {
			t.Errorf("at its latest: %+v", r)
		}
		pause(time.Second)
		if r := m.readBefore(from, time.Now()); r.second != 0 {
			t.Errorf("gone: %+v", r)
		}
	})
}

// TestMeterOfSlowLumps: pieces of a slow peer are seconds apart, and no reason
// to take it for dead.
func TestMeterOfSlowLumps(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var m meter
		for i := range 10 {
			from := time.Now()
			for range 18 {
				if r := m.readBefore(from, time.Now()); i >= 2 && !near(float64(r.second), 10_000, .02) {
					t.Fatalf("lump %d: %+v", i, r)
				}
				pause(100 * time.Millisecond)
			}
			m.addOver(18_000, from, time.Now())
		}
	})
}

// TestMeterForgets what came before its memory, and takes what comes late.
func TestMeterForgets(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var m meter
		from := time.Now()
		pause(10 * time.Second)
		m.addOver(100_000, from, time.Now())
		if r := m.read(time.Now()); !near(float64(r.second), 10_000, .02) {
			t.Errorf("%+v", r)
		}
		m.add(7, time.Now().Add(-100*time.Millisecond))
		if r := m.read(time.Now()); !near(float64(r.second), 10_007, .02) || !r.at.Equal(time.Now()) {
			t.Errorf("%+v", r)
		}
	})
}

// steady is what a meter of a steady rate shows.
func steady(octets int64) reading { return reading{second: octets, half: octets / 2} }

func TestPace(t *testing.T) {
	const s = time.Second
	learn := func(p *pace, from, to time.Duration, origin int64, total float64) {
		for now := from; now < to; now += 100 * time.Millisecond {
			p.learn(now, steady(origin), total)
		}
	}
	var p pace
	if p.rate() >= 0 {
		t.Error("a rate out of nothing")
	}
	p.learn(s, reading{second: 1_000_000, half: 900_000}, 1e6)
	if p.rate() >= 0 {
		t.Error("a rate while the origin still gains speed")
	}
	learn(&p, s, 3*s, 1_000_000, 1e6)
	if p.rate() != 1e6 {
		t.Errorf("alone: %.0f", p.rate())
	}
	// Peers take half of a line that carries no more.
	learn(&p, 3*s, 60*s, 500_000, 1e6)
	if p.rate() != 1e6 {
		t.Errorf("a shared line: %.0f", p.rate())
	}
	// The origin is slow by itself: the line has room.
	learn(&p, 60*s, 64*s, 100_000, 600_000)
	if p.rate() != 1e6 {
		t.Errorf("a disturbance: %.0f", p.rate())
	}
	learn(&p, 64*s, 67*s, 100_000, 600_000)
	if p.rate() != 1e5 {
		t.Errorf("a slow origin: %.0f", p.rate())
	}
	learn(&p, 67*s, 68*s, 1_000_000, 1e6)
	if p.rate() != 1e6 {
		t.Errorf("recovered: %.0f", p.rate())
	}
	var silent pace
	learn(&silent, s, 2*s, 0, 0)
	if silent.rate() != 0 {
		t.Errorf("silent: %.0f", silent.rate())
	}
}
