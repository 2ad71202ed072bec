package main

import (
	"path"
	"slices"
	"strings"
)

// packageDoc holds that every package, commands too, has exactly one package
// comment, that it stands in doc.go, and that a library's starts with
// "Package name". Test files are not looked at: no reader of the
// documentation ever sees their comments.
func packageDoc(r *repo) []violation {
	var found []violation
	var done []string
	for _, f := range r.goFiles() {
		if f.isTest() {
			continue
		}
		name, doc := f.syntax.Name.Name, f.syntax.Doc.Text()
		if path.Base(f.path) != "doc.go" {
			if doc != "" {
				found = append(found, r.at(f, f.syntax.Doc.Pos(), "the package comment belongs in doc.go; put an empty line under any other"))
			}
			if dir := f.pkg(); !slices.Contains(done, dir) {
				done = append(done, dir)
				if !r.has(path.Join(dir, "doc.go")) {
					found = append(found, violation{path: path.Join(dir, "doc.go"), message: "missing: package " + name + " has no package comment"})
				}
			}
			continue
		}
		switch {
		case doc == "":
			found = append(found, r.at(f, f.syntax.Package, "package %s has no package comment", name))
		case name != "main" && !strings.HasPrefix(doc, "Package "+name+" "):
			found = append(found, r.at(f, f.syntax.Doc.Pos(), `the package comment starts with "Package %s "`, name))
		}
	}
	return found
}

// has reports whether there is a file at name, whether or not it parsed.
func (r *repo) has(name string) bool {
	return slices.ContainsFunc(r.files, func(f *file) bool { return f.path == name })
}
