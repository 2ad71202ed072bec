package main

import (
	"go/ast"
	"go/token"
	"slices"
	"strconv"
	"strings"
)

// goLaunches reads a Go file of tests or of testnet. Calls and composite
// literals are written out as command lines and settings and then judged like
// those of a script; so are the environment and the fields that a function
// sets, and the scripts in its string literals.
func goLaunches(r *repo, f *file) []launch {
	named := f.isTest() && r.testMainNames(f)
	var all []launch
	for _, decl := range f.syntax.Decls {
		set := settings(decl)
		settled := named || len(values(netEnv, set)) > 0
		assigned := len(values(netKey, set)) > 0
		all = append(all, launch{line: r.line(decl.Pos()), text: set, named: true})
		ast.Inspect(decl, func(n ast.Node) bool {
			l := launch{named: settled}
			switch n := n.(type) {
			case *ast.CallExpr:
				l.line, l.text = r.line(n.Pos()), asProgram(n, words(n.Args))
			case *ast.CompositeLit:
				l.line, l.text = r.line(n.Pos()), asCommand(words(n.Elts))
				if f.isNodeConfig(n) && !assigned && len(values(netKey, l.text)) == 0 {
					l.text, l.named = "flashcrowd up", false
				}
			case *ast.BasicLit:
				if !f.under("cmd/repocheck") { // whose tests are full of counter-examples
					all = append(all, embedded(r, n)...)
				}
				return true
			default:
				return true
			}
			all = append(all, l)
			return true
		})
	}
	return all
}

// testMainNames reports whether TestMain of the file's package sets the
// network for all its tests.
func (r *repo) testMainNames(f *file) bool {
	for _, g := range r.goFiles() {
		if !g.isTest() || g.pkg() != f.pkg() {
			continue
		}
		for _, decl := range g.syntax.Decls {
			if fn, ok := decl.(*ast.FuncDecl); ok && fn.Name.Name == "TestMain" && len(values(netEnv, settings(fn))) > 0 {
				return true
			}
		}
	}
	return false
}

// settings returns, as one row, the environment that a declaration sets with
// Setenv and what it assigns to fields called Network and Bootstrap.
func settings(decl ast.Decl) string {
	var set strings.Builder
	ast.Inspect(decl, func(n ast.Node) bool {
		switch n := n.(type) {
		case *ast.CallExpr:
			if sel, ok := n.Fun.(*ast.SelectorExpr); ok && sel.Sel.Name == "Setenv" && len(n.Args) == 2 {
				set.WriteString(" " + word(n.Args[0]) + "=" + word(n.Args[1]))
			}
		case *ast.AssignStmt:
			for i, to := range n.Lhs {
				if sel, ok := to.(*ast.SelectorExpr); ok && i < len(n.Rhs) && isSetting(sel.Sel.Name) {
					set.WriteString(" " + strings.ToLower(sel.Sel.Name) + ": " + word(n.Rhs[i]))
				}
			}
		}
		return true
	})
	return set.String()
}

func isSetting(field string) bool { return field == "Network" || field == "Bootstrap" }

// asProgram writes out a call. The arguments that package exec takes before
// the first literal end in the program, which is ours unless it says otherwise.
func asProgram(call *ast.CallExpr, args []string) string {
	if sel, ok := call.Fun.(*ast.SelectorExpr); ok {
		if x, ok := sel.X.(*ast.Ident); ok && x.Name == "exec" {
			i := slices.IndexFunc(args, func(a string) bool { return !strings.HasPrefix(a, "$") })
			if i > 0 && args[i] == "up" {
				args[i-1] = "flashcrowd"
			}
		}
	}
	return asCommand(args)
}

// asCommand writes out a list as a command line. "up" with flags behind it is
// ours at the beginning and after a variable, but not after another word:
// "testnet up" makes its own network.
func asCommand(words []string) string {
	for i, w := range words {
		flagsFollow := i+1 < len(words) && strings.HasPrefix(words[i+1], "--")
		if w == "up" && flagsFollow && (i == 0 || strings.HasPrefix(words[i-1], "$")) {
			return strings.Join(slices.Insert(slices.Clone(words), i, "flashcrowd"), " ")
		}
	}
	return strings.Join(words, " ")
}

func words(list []ast.Expr) []string {
	var all []string
	for _, x := range list {
		all = append(all, word(x))
	}
	return all
}

// word writes out one argument or element: a literal as it is if it can be
// part of a command line, a key as a setting, and anything else as a variable.
// Only a bootstrap list shows its elements; other lists are judged alone.
func word(x ast.Expr) string {
	switch x := x.(type) {
	case *ast.BasicLit:
		s, err := strconv.Unquote(x.Value)
		if x.Kind != token.STRING || err != nil || strings.ContainsRune(s, '\n') || strings.Contains(s, " ") && !isCommand(s) {
			return "$literal"
		}
		return bare.Replace(s)
	case *ast.KeyValueExpr:
		if key, ok := x.Key.(*ast.Ident); ok {
			if list, ok := x.Value.(*ast.CompositeLit); ok && isSetting(key.Name) && len(list.Elts) > 0 {
				return strings.ToLower(key.Name) + ": " + strings.Join(words(list.Elts), " ")
			}
			return strings.ToLower(key.Name) + ": " + word(x.Value)
		}
		return word(x.Key) + "=" + word(x.Value)
	case *ast.CompositeLit:
		if len(x.Elts) == 0 {
			return "nil"
		}
		return "$list"
	case *ast.Ident:
		if x.Name == "nil" {
			return "nil"
		}
		return "$" + x.Name
	case *ast.SelectorExpr:
		return "$" + x.Sel.Name
	case *ast.CallExpr:
		return word(x.Fun)
	}
	return "$expression"
}

// isCommand tells command lines from prose, which seldom begins like one.
func isCommand(s string) bool {
	return strings.HasPrefix(s, "up --") || strings.HasPrefix(s, "flashcrowd up --")
}

// isNodeConfig reports whether a literal with at least one field configures a
// node, as packages other than node write it.
func (f *file) isNodeConfig(lit *ast.CompositeLit) bool {
	sel, ok := lit.Type.(*ast.SelectorExpr)
	if !ok || sel.Sel.Name != "Config" || len(lit.Elts) == 0 {
		return false
	}
	pkg, _ := sel.X.(*ast.Ident)
	node, imported := f.imported(module + "/node")
	return imported && pkg != nil && pkg.Name == node
}

// embedded reads a string literal of several lines as the script, testscript
// or YAML that it may be. Only the public network is looked for: prose may
// say "up".
func embedded(r *repo, lit *ast.BasicLit) []launch {
	s, err := strconv.Unquote(lit.Value)
	if lit.Kind != token.STRING || err != nil || !strings.Contains(s, "\n") {
		return nil
	}
	all := archiveLaunches(s)
	for i := range all {
		if lit.Value[0] != '`' {
			all[i].line = 1 // a line of the string is not one of the file
		}
		all[i].line += r.line(lit.Pos()) - 1
		all[i].named = true
	}
	return all
}
