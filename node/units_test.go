package node

import (
	"errors"
	"strings"
	"testing"
)

func TestParseSize(t *testing.T) {
	for text, want := range map[string]Size{
		"0": 0, "1": 1, "1048576": 1 << 20, "64MiB": 64 << 20, "1GiB": 1 << 30, "1.5GiB": 3 << 29,
		"500MB": 500e6, "2TB": 2e12, "1TiB": 1 << 40, "3kB": 3000, "3KB": 3000, "3KiB": 3072, "12B": 12,
		" 10 GiB ": 10 << 30, "0.5KiB": 512, "9223372036854775807": 1<<63 - 1, "0MiB": 0, ".5KiB": 512,
	} {
		got, err := ParseSize(text)
		if err != nil || got != want {
			t.Errorf("ParseSize(%q) = %d, %v; want %d", text, got, err, want)
		}
	}
}

func TestParseSizeRefuses(t *testing.T) {
	for _, text := range []string{
		"", " ", "MiB", "-1", "-1MiB", "+1MiB", "1e3", "1/2GiB", "0x10", "1_000", "64M", "64Mb", "64mib", "1.2.3MiB", ".", ".MiB",
		"0.5", "1.5B", "9223372036854775808", "9000000TiB", "1MiB 1", "1MiBMiB", "20Mbit", "١MiB", strings.Repeat("0", 40) + "1MiB",
	} {
		if got, err := ParseSize(text); !errors.Is(err, ErrUnit) {
			t.Errorf("ParseSize(%q) = %d, %v; want ErrUnit", text, got, err)
		}
	}
}

func TestParseRate(t *testing.T) {
	for text, want := range map[string]Rate{
		"0": 0, "20Mbit": 20e6, "1Gbit": 1e9, "1.5Gbit": 15e8, "64kbit": 64e3, "7bit": 7, "1Tbit": 1e12, "0.25Mbit": 25e4,
	} {
		got, err := ParseRate(text)
		if err != nil || got != want {
			t.Errorf("ParseRate(%q) = %d, %v; want %d", text, got, err, want)
		}
	}
	for _, text := range []string{"", "20", "20MB", "20Mbits", "20mbit", "20Mib", "-1Mbit", "0.5bit", "10000000Tbit"} {
		if got, err := ParseRate(text); !errors.Is(err, ErrUnit) {
			t.Errorf("ParseRate(%q) = %d, %v; want ErrUnit", text, got, err)
		}
	}
	if got := Rate(20e6).OctetsPerSecond(); got != 25e5 {
		t.Errorf("20Mbit = %d octets a second, want 2500000", got)
	}
}

func TestQuantityString(t *testing.T) {
	for size, want := range map[Size]string{
		0: "0", 1: "1", 1023: "1023", 1024: "1KiB", 64 << 20: "64MiB", 10 << 30: "10GiB", 500e6: "500MB", 3 << 29: "1536MiB", 1001: "1001",
	} {
		if got := size.String(); got != want {
			t.Errorf("Size(%d) = %q, want %q", int64(size), got, want)
		}
	}
	for rate, want := range map[Rate]string{0: "0", 7: "7bit", 20e6: "20Mbit", 15e8: "1500Mbit"} {
		if got := rate.String(); got != want {
			t.Errorf("Rate(%d) = %q, want %q", int64(rate), got, want)
		}
	}
}

func TestUnmarshalKeepsValueOnError(t *testing.T) {
	size, rate := Size(5), Rate(6)
	if err := size.UnmarshalText([]byte("x")); err == nil || size != 5 {
		t.Errorf("size = %d, %v; want 5 and an error", size, err)
	}
	if err := rate.UnmarshalText([]byte("x")); err == nil || rate != 6 {
		t.Errorf("rate = %d, %v; want 6 and an error", rate, err)
	}
}

func TestQuantityErrorIsShort(t *testing.T) {
	_, err := ParseSize(strings.Repeat("x", 1<<16))
	if len(err.Error()) > 300 {
		t.Errorf("error of %d octets", len(err.Error()))
	}
}

// FuzzQuantity: what parses is not negative, and comes back from its text form.
func FuzzQuantity(f *testing.F) {
	for _, seed := range []string{"64MiB", "1.5GiB", "20Mbit", "0", "9223372036854775807", "1e9", "1/3GiB", "..", "5 B"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		if size, err := ParseSize(text); err == nil {
			again, err := ParseSize(size.String())
			if err != nil || again != size || size < 0 {
				t.Errorf("ParseSize(%q) = %d, but its text %q is %d, %v", text, size, size, again, err)
			}
		}
		if rate, err := ParseRate(text); err == nil {
			again, err := ParseRate(rate.String())
			if err != nil || again != rate || rate < 0 {
				t.Errorf("ParseRate(%q) = %d, but its text %q is %d, %v", text, rate, rate, again, err)
			}
		}
	})
}
