package node

import (
	"errors"
	"fmt"
	"math/big"
	"strconv"
	"strings"
)

// ErrUnit: a size or a rate is not written as it has to be.
var ErrUnit = errors.New("node: not a quantity")

// Size is a number of octets. Its text form is a number and a unit, "64MiB",
// "1.5GiB" or "500MB"; a number alone is octets. The zero Size means "not set"
// wherever a field has a default.
type Size int64

// Rate is a number of bits a second. Its text form is a number and a unit,
// "20Mbit" or "1.5Gbit", in powers of ten; only "0" may stand without a unit.
type Rate int64

// unit is a name and how many of the smallest unit it is worth.
type unit struct {
	name  string
	worth int64
}

// sizeUnits stand with the binary ones first, largest first, which is the order
// in which String looks for one that divides a size.
var sizeUnits = []unit{
	{"TiB", 1 << 40}, {"GiB", 1 << 30}, {"MiB", 1 << 20}, {"KiB", 1 << 10},
	{"TB", 1e12}, {"GB", 1e9}, {"MB", 1e6}, {"kB", 1e3}, {"KB", 1e3}, {"B", 1},
}

var rateUnits = []unit{
	{"Tbit", 1e12}, {"Gbit", 1e9}, {"Mbit", 1e6}, {"kbit", 1e3}, {"bit", 1},
}

// ParseSize reads a Size. It fails with ErrUnit.
func ParseSize(s string) (Size, error) {
	n, err := parseQuantity(s, sizeUnits, 1)
	if err != nil {
		return 0, fmt.Errorf("%w: %q is no size: write octets or a unit such as 64MiB, 1GiB or 500MB", ErrUnit, clip(s))
	}
	return Size(n), nil
}

// ParseRate reads a Rate. It fails with ErrUnit.
func ParseRate(s string) (Rate, error) {
	n, err := parseQuantity(s, rateUnits, 0)
	if err != nil {
		return 0, fmt.Errorf("%w: %q is no rate: write bits a second with a unit, such as 20Mbit or 1Gbit", ErrUnit, clip(s))
	}
	return Rate(n), nil
}

// String returns the shortest exact form, which ParseSize reads.
func (s Size) String() string {
	octets := len(sizeUnits) - 1
	return exactly(int64(s), sizeUnits[:octets])
}

// String returns the shortest exact form, which ParseRate reads.
func (r Rate) String() string {
	return exactly(int64(r), rateUnits)
}

// OctetsPerSecond returns r in octets a second, rounded down.
func (r Rate) OctetsPerSecond() int64 { return int64(r) / 8 }

// MarshalText returns s.String().
func (s Size) MarshalText() ([]byte, error) { return []byte(s.String()), nil }

// MarshalText returns r.String().
func (r Rate) MarshalText() ([]byte, error) { return []byte(r.String()), nil }

// UnmarshalText is ParseSize. After an error s is as it was.
func (s *Size) UnmarshalText(text []byte) error {
	v, err := ParseSize(string(text))
	if err == nil {
		*s = v
	}
	return err
}

// UnmarshalText is ParseRate. After an error r is as it was.
func (r *Rate) UnmarshalText(text []byte) error {
	v, err := ParseRate(string(text))
	if err == nil {
		*r = v
	}
	return err
}

// maxDigits bounds a number in a quantity: 19 before the point hold every
// int64, and no fraction worth writing needs the rest.
const maxDigits = 32

// parseQuantity reads a decimal number and the name of a unit; bare is what a
// number alone is counted in, 0 when it may not stand alone. The result is
// exact: a fraction of the smallest unit is an error and not rounded.
func parseQuantity(s string, units []unit, bare int64) (int64, error) {
	s = strings.TrimSpace(s)
	end := strings.LastIndexAny(s, "0123456789") + 1
	number, name := s[:end], strings.TrimLeft(s[end:], " ")
	worth, ok := worthOf(name, units, bare)
	if !ok || number == "" || len(number) > maxDigits || strings.Trim(number, "0123456789.") != "" {
		return 0, ErrUnit
	}
	value, ok := new(big.Rat).SetString(number)
	if !ok {
		return 0, ErrUnit
	}
	if worth == 0 && value.Sign() != 0 {
		return 0, ErrUnit
	}
	value.Mul(value, new(big.Rat).SetInt64(worth))
	if !value.IsInt() || !value.Num().IsInt64() {
		return 0, ErrUnit
	}
	return value.Num().Int64(), nil
}

// worthOf returns what the unit name is worth, bare for no name.
func worthOf(name string, units []unit, bare int64) (int64, bool) {
	if name == "" {
		return bare, true
	}
	for _, u := range units {
		if u.name == name {
			return u.worth, true
		}
	}
	return 0, false
}

// exactly writes n in the first unit that divides it, else as a bare number.
func exactly(n int64, units []unit) string {
	if n == 0 {
		return "0"
	}
	for _, u := range units {
		if n%u.worth == 0 {
			return strconv.FormatInt(n/u.worth, 10) + u.name
		}
	}
	return strconv.FormatInt(n, 10)
}

// clip keeps an error line short whatever was typed.
func clip(s string) string {
	const most = 64
	if len(s) > most {
		return s[:most] + "…"
	}
	return s
}
