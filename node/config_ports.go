package node

import (
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// PortRange is the ports from First up to and including Last.
type PortRange struct{ First, Last uint16 }

// Ports is a set of ports. Its text form is a comma list of ports and ranges,
// "80,443,1024-65535".
type Ports []PortRange

// maxPortRanges bounds what every CONNECT walks through.
const maxPortRanges = 256

var errPorts = errors.New("node: not a list of ports")

// DefaultConnectPorts returns 80, 443 and the ports that need no privilege:
// none where mail and the like are handed in.
func DefaultConnectPorts() Ports { return Ports{{80, 80}, {443, 443}, {1024, 65535}} }

// ParsePorts reads a set of at least one port.
func ParsePorts(s string) (Ports, error) {
	var set Ports
	for item := range strings.SplitSeq(s, ",") {
		from, to, ranged := strings.Cut(strings.TrimSpace(item), "-")
		if !ranged {
			to = from
		}
		first, err1 := strconv.ParseUint(from, 10, 16)
		last, err2 := strconv.ParseUint(to, 10, 16)
		if err1 != nil || err2 != nil || first == 0 || last < first || len(set) == maxPortRanges {
			return nil, fmt.Errorf("%w: %q: write ports and ranges, such as 80,443,1024-65535", errPorts, clip(s))
		}
		set = append(set, PortRange{uint16(first), uint16(last)})
	}
	return set, nil
}

// Has reports whether port is in p.
func (p Ports) Has(port uint16) bool {
	return slices.ContainsFunc(p, func(r PortRange) bool { return r.First <= port && port <= r.Last })
}

// String returns the text form, which ParsePorts reads.
func (p Ports) String() string {
	var items []string
	for _, r := range p {
		item := strconv.Itoa(int(r.First))
		if r.Last != r.First {
			item += "-" + strconv.Itoa(int(r.Last))
		}
		items = append(items, item)
	}
	return strings.Join(items, ",")
}

// MarshalText returns p.String().
func (p Ports) MarshalText() ([]byte, error) { return []byte(p.String()), nil }

// UnmarshalText is ParsePorts. After an error p is as it was.
func (p *Ports) UnmarshalText(text []byte) error {
	set, err := ParsePorts(string(text))
	if err == nil {
		*p = set
	}
	return err
}
