package main

import (
	"path"
	"slices"
	"strconv"
	"strings"
)

// importTable is who may import whom. A new arrow is an edit here, so that it
// shows in the diff and somebody asks why.
//
// "rank<N" means every package of a lower rank, "all" every package but the
// siblings. A package that is not named here has the rank of newcomer and may
// import its ancestors and lower ranks, never a sibling.
var importTable = []row{
	// rank, package, may import
	{0, "verify", ""},
	{0, "dht", ""},

	{1, "fetch", "verify dht"},
	{1, "dht/kad", "dht"},
	{1, "dht/lan", "dht"},

	{2, "fetch/cache", "fetch verify dht"},
	{2, "fetch/origin", "fetch verify dht"},
	{2, "fetch/swarm", "fetch verify dht"},
	{2, "node/proxy", "fetch verify"},
	{2, "node/admin", "fetch verify"},

	{3, "node", "rank<3"},

	{4, "testnet", "all"},
	{4, "testnet/netns/trial", "rank<4 testnet/netns testnet/crowd"}, // it holds real lines to the bounds of the model
	{4, "cmd/flashcrowd", "all"},
	{4, "cmd/repocheck", "all"},

	// Test support: see supports.
	{1, "dht/dhttest", "dht verify"},
	{2, "fetch/fetchtest", "fetch verify dht"},
}

// newcomer is the rank of a package that importTable does not name, by its
// top folder. There are no other top folders.
var newcomer = map[string]int{"verify": 1, "dht": 1, "fetch": 2, "node": 2, "testnet": 4, "cmd": 4}

// supports are the conformance packages. Only tests and testnet import them.
var supports = []string{"fetch/fetchtest", "dht/dhttest"}

// A row says what one package may import in its non-test files.
type row struct {
	rank int
	pkg  string
	may  string
}

// imports holds that no file imports a package of ours that its row does not
// allow. A _test.go file may also import anything of its own rank or lower and
// the conformance packages; under testnet and cmd, where the system tests are,
// it may import everything.
func imports(r *repo) []violation {
	var found []violation
	for _, f := range r.goFiles() {
		if _, ok := rowOf(f.pkg()); !ok {
			found = append(found, r.at(f, f.syntax.Package, "packages live in cmd, node, dht, fetch, verify and testnet"))
			continue
		}
		for _, spec := range f.syntax.Imports {
			importPath, _ := strconv.Unquote(spec.Path.Value)
			to, ours := strings.CutPrefix(importPath, module)
			if !ours || to != "" && to[0] != '/' {
				continue
			}
			to = strings.TrimPrefix(to, "/")
			if why := forbidden(f, to); why != "" {
				found = append(found, r.at(f, spec.Pos(), "%s must not import %s: %s", f.pkg(), to, why))
			}
		}
	}
	return found
}

// forbidden says why f may not import our package to, or nothing.
func forbidden(f *file, to string) string {
	from, _ := rowOf(f.pkg())
	target, ok := rowOf(to)
	switch {
	case !ok:
		return "there is no such folder in the house"
	case f.isTest() && (f.under("testnet", "cmd") || slices.Contains(supports, to)):
		return ""
	case f.isTest() && target.rank > from.rank:
		return "a test imports its own rank or lower"
	case f.isTest():
		return ""
	case slices.Contains(supports, to):
		if f.under("testnet") {
			return ""
		}
		return "only tests and testnet import test support"
	case siblings(from.pkg, to):
		return "siblings never import each other"
	case !from.allows(target):
		return "importTable has no such arrow"
	}
	return ""
}

// allows reports whether the row has an arrow to the other.
func (from row) allows(to row) bool {
	for _, pattern := range strings.Fields(from.may) {
		if pattern == "all" || pattern == to.pkg {
			return true
		}
		if limit, ok := strings.CutPrefix(pattern, "rank<"); ok {
			if n, err := strconv.Atoi(limit); err == nil && to.rank < n {
				return true
			}
		}
	}
	return false
}

// rowOf returns the row of a package, made up for a newcomer; ok is false for
// a package outside the six folders.
func rowOf(pkg string) (from row, ok bool) {
	if i := slices.IndexFunc(importTable, func(r row) bool { return r.pkg == pkg }); i >= 0 {
		return importTable[i], true
	}
	top, _, below := strings.Cut(pkg, "/")
	rank, ok := newcomer[top]
	if !ok || !below {
		return row{}, false
	}
	may := []string{"rank<" + strconv.Itoa(rank)}
	for up := path.Dir(pkg); up != "."; up = path.Dir(up) {
		may = append(may, up)
	}
	return row{rank, pkg, strings.Join(may, " ")}, true
}

// siblings reports whether two packages lie in the same folder below the top.
func siblings(a, b string) bool {
	return a != b && path.Dir(a) != "." && path.Dir(a) == path.Dir(b)
}
