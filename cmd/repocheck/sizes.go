package main

import (
	"fmt"
	"go/ast"
	"strings"
)

// The hard stops, in lines. The aim is 250 a file and 40 a function; these are
// where a reader gives up.
const (
	maxFile     = 400
	maxTestFile = 800
	maxFunc     = 100
)

// raised lists the files with a higher stop, each with the reason. It is empty
// and wants to stay so.
var raised = map[string]struct {
	lines  int
	reason string
}{}

// sizes holds that no file and no function outside tests passes its hard stop.
// Generated files are exempt: nobody reads them.
func sizes(r *repo) []violation {
	var found []violation
	for _, f := range r.goFiles() {
		if ast.IsGenerated(f.syntax) {
			continue
		}
		limit := maxFile
		if f.isTest() {
			limit = maxTestFile
		}
		if up, ok := raised[f.path]; ok {
			limit = up.lines
		}
		if n := countLines(f.text); n > limit {
			found = append(found, violation{path: f.path, message: fmt.Sprintf("%d lines, the stop is %d: split it by idea", n, limit)})
		}
		if !f.isTest() {
			found = append(found, longFuncs(r, f)...)
		}
	}
	return found
}

// longFuncs looks at declared functions and at function literals outside them;
// a literal inside a function counts for that function.
func longFuncs(r *repo, f *file) []violation {
	var found []violation
	ast.Inspect(f.syntax, func(n ast.Node) bool {
		name := "function literal"
		switch n := n.(type) {
		case *ast.FuncDecl:
			name = n.Name.Name
		case *ast.FuncLit:
		default:
			return true
		}
		if lines := r.line(n.End()) - r.line(n.Pos()) + 1; lines > maxFunc {
			found = append(found, r.at(f, n.Pos(), "%s has %d lines, the stop is %d: name its steps", name, lines, maxFunc))
		}
		return false
	})
	return found
}

func countLines(text string) int {
	n := strings.Count(text, "\n")
	if text != "" && !strings.HasSuffix(text, "\n") {
		n++
	}
	return n
}
