package main

import (
	"errors"
	"fmt"
	"go/ast"
	"go/build/constraint"
	"go/parser"
	"go/token"
	"io/fs"
	"path"
	"slices"
	"strconv"
	"strings"
)

// module is the import path of the repository root.
const module = "github.com/flashcrowd/flashcrowd"

// maxText is the size over which a file is data, not source: nobody writes or
// reads a script of 1 MiB.
const maxText = 1 << 20

// A repo is the source of one repository, read and parsed once for all rules.
type repo struct {
	fset  *token.FileSet
	files []*file // in the order of their paths
}

// A file is one source file. syntax is nil unless it is Go that belongs to a
// package of ours: Go under testdata and under _ or . folders is not.
type file struct {
	path   string // slash-separated, from the root
	text   string
	syntax *ast.File
	broken error // why syntax is missing or incomplete
}

// load reads every file of fsys but the history and what other people wrote.
// A Go file that does not parse is kept and says so in broken.
func load(fsys fs.FS) (*repo, error) {
	r := &repo{fset: token.NewFileSet()}
	err := fs.WalkDir(fsys, ".", func(name string, d fs.DirEntry, err error) error {
		if err == nil && d.IsDir() && slices.Contains([]string{".git", "vendor", "node_modules"}, d.Name()) {
			return fs.SkipDir
		}
		if err == nil && !d.IsDir() {
			err = r.add(fsys, name, d)
		}
		if name != "." && errors.Is(err, fs.ErrNotExist) {
			return nil // gone since its folder was listed: another test's temporary file
		}
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("read the repository: %w", err)
	}
	return r, nil
}

// add reads one file unless it is too big, or no plain file.
func (r *repo) add(fsys fs.FS, name string, d fs.DirEntry) error {
	info, err := d.Info()
	if err != nil || !info.Mode().IsRegular() || info.Size() > maxText {
		return err
	}
	text, err := fs.ReadFile(fsys, name)
	if err != nil {
		return err
	}
	r.files = append(r.files, r.parse(name, string(text)))
	return nil
}

func (r *repo) parse(name, text string) *file {
	f := &file{path: name, text: text}
	if !strings.HasSuffix(name, ".go") || !inPackage(path.Dir(name)) {
		return f
	}
	f.syntax, f.broken = parser.ParseFile(r.fset, name, text, parser.ParseComments|parser.SkipObjectResolution)
	if f.broken != nil {
		f.syntax = nil
	} else if f.requires("ignore") {
		f.syntax = nil // a program beside the package, not part of it
	}
	return f
}

// inPackage reports whether the go command would look for packages in dir.
func inPackage(dir string) bool {
	for elem := range strings.SplitSeq(dir, "/") {
		if elem == "testdata" || elem[0] == '_' || elem[0] == '.' && elem != "." {
			return false
		}
	}
	return true
}

// goFiles returns the files that parsed.
func (r *repo) goFiles() []*file {
	return slices.DeleteFunc(slices.Clone(r.files), func(f *file) bool { return f.syntax == nil })
}

// at makes a violation at a position in a Go file.
func (r *repo) at(f *file, pos token.Pos, format string, args ...any) violation {
	return violation{path: f.path, line: r.line(pos), message: fmt.Sprintf(format, args...)}
}

func (r *repo) line(pos token.Pos) int { return r.fset.Position(pos).Line }

// pkg is the folder of the file: the import path below the module.
func (f *file) pkg() string { return path.Dir(f.path) }

func (f *file) isTest() bool { return strings.HasSuffix(f.path, "_test.go") }

// under reports whether the file lies in one of the folders or below.
func (f *file) under(dirs ...string) bool {
	return slices.ContainsFunc(dirs, func(dir string) bool { return strings.HasPrefix(f.path, dir+"/") })
}

// constraints returns the build constraints of a Go file.
func (f *file) constraints() []constraint.Expr {
	var all []constraint.Expr
	for _, group := range f.syntax.Comments {
		if group.Pos() > f.syntax.Package {
			break
		}
		for _, c := range group.List {
			if expr, err := constraint.Parse(c.Text); err == nil {
				all = append(all, expr)
			}
		}
	}
	return all
}

// requires reports whether the file is built only with the tag.
func (f *file) requires(tag string) bool {
	return slices.ContainsFunc(f.constraints(), func(x constraint.Expr) bool { return needs(x, tag) })
}

// needs reports whether x is false without the tag, whatever the other tags.
func needs(x constraint.Expr, tag string) bool {
	switch x := x.(type) {
	case *constraint.AndExpr:
		return needs(x.X, tag) || needs(x.Y, tag)
	case *constraint.OrExpr:
		return needs(x.X, tag) && needs(x.Y, tag)
	case *constraint.TagExpr:
		return x.Tag == tag
	}
	return false
}

// imported returns the name under which the file imports the package at
// importPath, and whether it does.
func (f *file) imported(importPath string) (name string, ok bool) {
	for _, spec := range f.syntax.Imports {
		if p, _ := strconv.Unquote(spec.Path.Value); p != importPath {
			continue
		}
		if spec.Name != nil {
			return spec.Name.Name, true
		}
		return path.Base(importPath), true
	}
	return "", false
}

// uses returns every mention of the named functions of the package at
// importPath, called or not.
func (f *file) uses(importPath string, names ...string) []ast.Expr {
	local, ok := f.imported(importPath)
	if !ok {
		return nil
	}
	var found []ast.Expr
	ast.Inspect(f.syntax, func(n ast.Node) bool {
		switch n := n.(type) {
		case *ast.SelectorExpr:
			if x, ok := n.X.(*ast.Ident); ok && x.Name == local && slices.Contains(names, n.Sel.Name) {
				found = append(found, n)
			}
		case *ast.Ident:
			if local == "." && slices.Contains(names, n.Name) {
				found = append(found, n)
			}
		}
		return true
	})
	return found
}

// parses holds that every Go file parses, so that no rule passes for want of
// something to look at.
func parses(r *repo) []violation {
	var found []violation
	for _, f := range r.files {
		if f.broken != nil {
			found = append(found, violation{path: f.path, message: f.broken.Error()})
		}
	}
	return found
}
