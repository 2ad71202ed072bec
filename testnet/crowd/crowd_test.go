package crowd

import (
	"math"
	"strings"
	"testing"
	"time"
)

func TestBound(t *testing.T) {
	const mbit = 1e6 / 8
	size := 8e6
	for _, tt := range []struct {
		name string
		up   float64
		line []Line
		want float64
	}{
		{"the origin's line", 1 * mbit, []Line{{Up: 100 * mbit, Down: 100 * mbit}}, 64},
		{"a visitor's line", 100 * mbit, []Line{{Up: 1, Down: 2 * mbit}}, 32},
		{"the last to come", 100 * mbit, []Line{{Up: mbit, Down: 64 * mbit}, {At: time.Minute, Up: mbit, Down: 64 * mbit}}, 61},
		{"all lines together", 8 * mbit, []Line{{Up: 8 * mbit, Down: 1e9}, {Up: 8 * mbit, Down: 1e9}, {Up: 8 * mbit, Down: 1e9}, {Up: 8 * mbit, Down: 1e9}}, 8},
	} {
		if got := Bound(size, tt.up, tt.line).Seconds(); math.Abs(got-tt.want) > 1e-6 {
			t.Errorf("%s: %v s, want %v", tt.name, got, tt.want)
		}
	}
}

func TestMeanBound(t *testing.T) {
	come := func(n int, gap time.Duration, up, down float64) (lines []Line) {
		for i := range n {
			lines = append(lines, Line{At: time.Duration(i) * gap, Up: up, Down: down})
		}
		return lines
	}
	for _, tt := range []struct {
		name     string
		size, up float64
		lines    []Line
		want     float64
	}{
		{"one waits for the origin", 5e6, 2.5e6, come(1, 0, 2.5e6, 5e6), 2},
		{"a crowd that can share waits for the origin", 5e6, 2.5e6, come(8, 0, 2.5e6, 5e6), 2},
		{"each copy in turn", 5e6, 2.5e6, come(3, 0, 1, 5e6), 4},
		{"who comes late needs its own line", 5e6, 2.5e6, come(2, 10*time.Second, 2.5e6, 5e6), 1.5},
		// 8 Mbit from 1 Mbit/s. The second comes at 4 s; until 8 s the two took 4+3*4
		// of the 16, and waited 8+4 s.
		{"two lines that carry all by the time of the first copy", 8, 1, come(2, 4*time.Second, 1, 2), 6},
		// Of 24 the first took 4, two 4*2, so 12 are left, which cost 6 s of somebody's
		// waiting at 2 a second; until then they waited 8+4, and the third comes then.
		{"what is left when the first copy is out", 8, 1, append(come(2, 4*time.Second, .5, 2), Line{At: 8 * time.Second, Up: .5, Down: 2}), 6},
		{"eight 2 s apart", 32 << 20, 2.5e6, come(8, 2*time.Second, 2.5e6, 5e6), 9.245},
	} {
		if got := MeanBound(tt.size, tt.up, tt.lines).Seconds(); math.Abs(got-tt.want) > 1e-3 {
			t.Errorf("%s: %.4f s, want %v", tt.name, got, tt.want)
		}
	}
}

func TestArrivals(t *testing.T) {
	for _, text := range []string{"all", "every:2s", "poisson:0.5", "slashdot:5m0s"} {
		var a Arrival
		if err := a.UnmarshalText([]byte(text)); err != nil || a.String() != text {
			t.Errorf("%s: %v (%v)", text, a, err)
		}
	}
	for _, text := range []string{"", "all:1", "every", "every:-1s", "poisson:0", "poisson:NaN", "slashdot:0s", "sometimes"} {
		if err := new(Arrival).UnmarshalText([]byte(text)); err == nil {
			t.Errorf("%q is taken", text)
		}
	}
}

func TestAssertions(t *testing.T) {
	r := Result{OriginCopies: 1.2, Makespan: Never, Direct: Direct{Makespan: 5}}
	for text, want := range map[Assertion]bool{
		"origin_copies<1.5": true, "origin_copies>=1.5": false, "makespan_s<direct.makespan_s": false,
		"wrong_bytes==0": true, "makespan_s > 1e9": true, "wrong_bytes!=0": false,
	} {
		if got, err := text.Holds(r); err != nil || got != want {
			t.Errorf("%s: %v (%v)", text, got, err)
		}
	}
	for _, text := range []Assertion{"", "origin_copies", "copies<1", "origin_copies<many", "scenario==1", "origin_copies=<1"} {
		if _, err := text.Holds(r); err == nil {
			t.Errorf("%q is taken", text)
		}
	}
}

func TestParseRefuses(t *testing.T) {
	for _, text := range []string{
		"nods: 5", "nodes: -1", "nodes: 100001", "{object: {size: 1}, site: {files: 2}}", "object: {size: 0x}",
		"peers: {nat: 2}", "peers: {liars: {share: 1}}", "origin: {digest: crc}", "origin: {refuse_after: soon}", "assert: ['x<1']",
		"peers: {liars: {kind: fib}}",
	} {
		if _, err := Parse([]byte(text)); err == nil {
			t.Errorf("%q is taken", text)
		}
	}
}

func FuzzParse(f *testing.F) {
	for _, name := range Names() {
		text, err := library.ReadFile("library/" + name + ".yaml")
		if err != nil {
			f.Fatal(err)
		}
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		if s, err := Parse(text); err == nil && s.WithDefaults().Validate() != nil {
			t.Errorf("parsed and not valid: %+v", s)
		}
	})
}

// TestTableOfACrowdThatNeverIsDone says so in words.
func TestTableOfACrowdThatNeverIsDone(t *testing.T) {
	var b strings.Builder
	if err := (Result{Makespan: Never, BoundRatio: Never}).WriteTable(&b); err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(b.String(), "makespan never\n") || strings.Contains(b.String(), "Inf") {
		t.Error(b.String())
	}
}
