package htpasswd

import (
	"errors"
	"fmt"
	"strings"
	"unicode/utf8"

	"golang.org/x/crypto/bcrypt"
)

// maxCost is what a guess may cost: 2^14 rounds take about a second.
const maxCost = 14

// parse reads lines of "name:hash". Empty ones and those that begin with "#"
// are passed over. cost is the highest of all hashes.
func parse(raw []byte) (hashes map[string][]byte, cost int, err error) {
	if !utf8.Valid(raw) {
		return nil, 0, errors.New("not UTF-8")
	}
	hashes = make(map[string][]byte)
	number := 0
	for line := range strings.Lines(string(raw)) {
		number++
		line = strings.TrimSpace(line)
		if line == "" || line[0] == '#' {
			continue
		}
		name, hash, _ := strings.Cut(line, ":")
		c, err := bcrypt.Cost([]byte(hash))
		switch {
		case name == "":
			return nil, 0, fmt.Errorf("line %d has no name", number)
		case err != nil || len(hash) != 60 || hash[1] != '2':
			return nil, 0, fmt.Errorf("line %d has no bcrypt hash: make it with `htpasswd -B`", number)
		case c > maxCost:
			return nil, 0, fmt.Errorf("line %d: a cost of %d takes too long, at most %d", number, c, maxCost)
		case hashes[name] != nil:
			return nil, 0, fmt.Errorf("line %d: the name stands twice", number)
		}
		hashes[name], cost = []byte(hash), max(cost, c)
	}
	if len(hashes) == 0 {
		return nil, 0, errors.New("it names no user")
	}
	return hashes, cost, nil
}
