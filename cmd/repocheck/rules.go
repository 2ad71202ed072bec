package main

import (
	"cmp"
	"fmt"
	"io/fs"
	"slices"
)

// rules is every promise that repocheck holds the repository to.
var rules = []rule{
	{"parse", "every Go file parses", parses},
	{"imports", "imports run one way, as importTable says", imports},
	{"doc", "every package has one package comment, in doc.go", packageDoc},
	{"size", "files and functions stay short enough to be read in one go", sizes},
	{"public", "no test, script, image or CI file joins the public network", public},
	{"skip", "a system test runs or fails; it never skips itself", noSkip},
	{"sleep", "no test waits for wall-clock time to pass", noSleep},
	{"mock", "no generated mocks: fakes are written by hand and pass conformance", noMock},
	{"status", "only the HTTP faces turn an error into a status", httpStatus},
	{"sabotage", "only verify, and the syncs of the cache, have a sabotaged twin", sabotage},
	{"marker", "no comment leaves work behind in the source", noMarker},
}

// A rule is one promise and the function that finds where it is broken.
type rule struct {
	name    string
	promise string
	check   func(*repo) []violation
}

// A violation is one place where a rule is broken. Line 0 means the file as a
// whole.
type violation struct {
	path    string
	line    int
	rule    string
	message string
}

// String gives the form that editors jump to: path:line: message (rule).
func (v violation) String() string {
	if v.line == 0 {
		return fmt.Sprintf("%s: %s (%s)", v.path, v.message, v.rule)
	}
	return fmt.Sprintf("%s:%d: %s (%s)", v.path, v.line, v.message, v.rule)
}

// checkAll loads the repository at the root of fsys and returns what all rules
// find in it, in the order of the files.
func checkAll(fsys fs.FS) ([]violation, error) {
	r, err := load(fsys)
	if err != nil {
		return nil, err
	}
	var found []violation
	for _, rule := range rules {
		found = append(found, rule.run(r)...)
	}
	slices.SortStableFunc(found, func(a, b violation) int {
		return cmp.Or(cmp.Compare(a.path, b.path), cmp.Compare(a.line, b.line))
	})
	return found, nil
}

// run returns what the rule finds, each signed with the name of the rule.
func (r rule) run(in *repo) []violation {
	found := r.check(in)
	for i := range found {
		found[i].rule = r.name
	}
	return found
}
