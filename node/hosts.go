package node

import (
	"fmt"
	"net/netip"
	"path"
	"strings"
)

// Hosts is a set of host names by pattern: a name or address, in which "*"
// stands for any characters and "?" for one. "*.example.org" is every name
// below example.org, and not example.org itself.
type Hosts []string

// maxHosts bounds what every request walks through.
const maxHosts = 1024

// hostChars are what a pattern is made of, beside letters and digits.
const hostChars = "-_.:*?"

// ParseHosts reads patterns, one an element, and returns them in lower case.
func ParseHosts(list []string) (Hosts, error) {
	var hosts Hosts
	for _, text := range list {
		glob := strings.ToLower(strings.TrimSuffix(strings.TrimSpace(text), "."))
		glob = strings.TrimSuffix(strings.TrimPrefix(glob, "["), "]")
		if err := checkGlob(glob); err != nil {
			return nil, fmt.Errorf("%q %w, such as www.example.org or *.example.org", clip(text), err)
		}
		if hosts = append(hosts, glob); len(hosts) > maxHosts {
			return nil, fmt.Errorf("more than %d patterns", maxHosts)
		}
	}
	return hosts, nil
}

func checkGlob(glob string) error {
	foreign := func(c rune) bool {
		return (c < 'a' || c > 'z') && (c < '0' || c > '9') && !strings.ContainsRune(hostChars, c)
	}
	_, err := netip.ParseAddr(glob)
	switch {
	case glob == "" || len(glob) > 253 || strings.ContainsFunc(glob, foreign):
		return fmt.Errorf("is no pattern of a host name")
	case err != nil && strings.Contains(glob, ":"):
		return fmt.Errorf("has a port or a scheme: write the host alone")
	}
	return nil
}

// Has reports whether a pattern matches host, which may be in any case.
func (h Hosts) Has(host string) bool {
	if len(h) == 0 {
		return false
	}
	host = strings.ToLower(strings.TrimSuffix(host, "."))
	for _, glob := range h {
		if ok, err := path.Match(glob, host); ok && err == nil {
			return true
		}
	}
	return false
}
