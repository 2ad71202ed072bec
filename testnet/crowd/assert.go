package crowd

import (
	"encoding/json"
	"fmt"
	"math"
	"regexp"
	"strconv"
	"strings"
)

// Assertion compares one number of a Result, by its JSON name, with another:
// "origin_copies<1.5", "wrong_bytes==0", "makespan_s<direct.makespan_s". What
// never happened is infinite.
type Assertion string

var assertion = regexp.MustCompile(`^\s*([a-z0-9_.]+)\s*(<=|>=|==|!=|<|>)\s*([a-z0-9_.+-]+)\s*$`)

// UnmarshalText refuses what is no assertion, and unknown names.
func (a *Assertion) UnmarshalText(text []byte) error {
	if _, err := Assertion(text).Holds(Result{}); err != nil {
		return err
	}
	*a = Assertion(text)
	return nil
}

// Holds reports whether r is as a says.
func (a Assertion) Holds(r Result) (bool, error) {
	m := assertion.FindStringSubmatch(string(a))
	if m == nil {
		return false, fmt.Errorf("assertion %q is not like origin_copies<1.5", string(a))
	}
	names := r.numbers()
	left, ok := names[m[1]]
	if !ok {
		return false, fmt.Errorf("assertion %q: no number is called %s", string(a), m[1])
	}
	right, ok := names[m[3]]
	if !ok {
		var err error
		if right, err = strconv.ParseFloat(m[3], 64); err != nil {
			return false, fmt.Errorf("assertion %q: %s is neither a number nor the name of one", string(a), m[3])
		}
	}
	switch m[2] {
	case "<":
		return left < right, nil
	case "<=":
		return left <= right, nil
	case ">":
		return left > right, nil
	case ">=":
		return left >= right, nil
	case "!=":
		return left != right, nil
	}
	return left == right, nil
}

// Check sets AssertFailed to those of all that do not hold.
func (r *Result) Check(all []Assertion) error {
	r.AssertFailed = []string{}
	for _, a := range all {
		ok, err := a.Holds(*r)
		if err != nil {
			return err
		}
		if !ok {
			r.AssertFailed = append(r.AssertFailed, strings.TrimSpace(string(a)))
		}
	}
	return nil
}

// numbers returns all numbers of r by their JSON names.
func (r Result) numbers() map[string]float64 {
	text, err := json.Marshal(r)
	var tree map[string]any
	if err == nil {
		err = json.Unmarshal(text, &tree)
	}
	if err != nil {
		panic("crowd: internal error: result as JSON: " + err.Error())
	}
	out := map[string]float64{}
	collect(out, "", tree)
	return out
}

func collect(out map[string]float64, prefix string, tree map[string]any) {
	for name, v := range tree {
		switch v := v.(type) {
		case float64:
			out[prefix+name] = v
		case nil:
			out[prefix+name] = math.Inf(1)
		case map[string]any:
			collect(out, prefix+name+".", v)
		}
	}
}
