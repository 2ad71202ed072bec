package main

import (
	"strconv"
	"strings"
)

// importing makes a Go file that imports the named packages of ours.
func importing(pkg string, paths ...string) string {
	text := "package " + pkg + "\n"
	for _, p := range paths {
		text += "import _ " + strconv.Quote(module+"/"+p) + "\n"
	}
	return text
}

var parseExamples = []example{
	{"good", tree{"verify/a.go": "package verify\n"}, nil},
	{"testdata is not ours", tree{"verify/testdata/a.go": "pack age"}, nil},
	{"bad", tree{"verify/a.go": "package verify\nfunc {"}, []string{"verify/a.go:0: expected 'IDENT'"}},
}

var importExamples = []example{
	{"arrows of the table", tree{
		"verify/a.go":          "package verify\nimport _ \"crypto/sha256\"\n",
		"fetch/a.go":           importing("fetch", "verify", "dht"),
		"dht/kad/a.go":         importing("kad", "dht"),
		"fetch/swarm/a.go":     importing("swarm", "fetch", "verify", "dht"),
		"node/proxy/a.go":      importing("proxy", "fetch", "verify"),
		"node/a.go":            importing("node", "verify", "dht", "dht/lan", "fetch", "fetch/cache", "node/admin"),
		"testnet/a.go":         importing("testnet", "node", "fetch/fetchtest", "testnet/link"),
		"cmd/flashcrowd/a.go":  importing("main", "node", "testnet", "dht"),
		"fetch/fetchtest/a.go": importing("fetchtest", "fetch", "verify", "dht"),
		"dht/dhttest/a.go":     importing("dhttest", "dht"),
	}, nil},
	{"rank 0 imports nothing of ours", tree{"verify/a.go": importing("verify", "dht")},
		[]string{"verify/a.go:2: verify must not import dht: importTable has no such arrow"}},
	{"the contract does not see its implementations", tree{"fetch/a.go": importing("fetch", "verify", "fetch/cache")},
		[]string{"fetch/a.go:3: fetch must not import fetch/cache"}},
	{"siblings", tree{"fetch/swarm/a.go": importing("swarm", "fetch/origin"), "node/proxy/a.go": importing("proxy", "node/admin")},
		[]string{"fetch/swarm/a.go:2: siblings", "node/proxy/a.go:2: siblings"}},
	{"the table is narrower than the ranks", tree{"node/proxy/a.go": importing("proxy", "dht"), "fetch/cache/a.go": importing("cache", "dht/kad")},
		[]string{"fetch/cache/a.go:2: no such arrow", "node/proxy/a.go:2: no such arrow"}},
	{"upwards", tree{"node/a.go": importing("node", "testnet"), "fetch/swarm/a.go": importing("swarm", "node")},
		[]string{"fetch/swarm/a.go:2: no such arrow", "node/a.go:2: no such arrow"}},
	{"commands are siblings", tree{"cmd/flashcrowd/a.go": importing("main", "cmd/repocheck")},
		[]string{"cmd/flashcrowd/a.go:2: siblings"}},
	{"newcomer: ancestors and lower ranks", tree{
		"fetch/swarm/wire/a.go": importing("wire", "fetch/swarm", "fetch", "verify"),
		"verify/merkle/a.go":    importing("merkle", "verify"),
		"testnet/link/a.go":     importing("link", "testnet", "node"),
	}, nil},
	{"newcomer: no sibling, no equal rank", tree{"fetch/extra/a.go": importing("extra", "fetch/cache", "node/admin")},
		[]string{"fetch/extra/a.go:2: siblings", "fetch/extra/a.go:3: no such arrow"}},
	{"a new child needs a new arrow", tree{"fetch/swarm/a.go": importing("swarm", "fetch/swarm/wire")},
		[]string{"fetch/swarm/a.go:2: no such arrow"}},
	{"tests: own rank, lower, conformance", tree{
		"fetch/swarm/a_test.go":   importing("swarm_test", "fetch/swarm", "fetch/cache", "fetch/fetchtest", "dht/dhttest"),
		"testnet/a_test.go":       importing("testnet_test", "node", "fetch/fetchtest", "cmd/flashcrowd"),
		"dht/dhttest/a_test.go":   importing("dhttest", "dht", "dht/dhttest"),
		"cmd/flashcrowd/_/a.go":   importing("main", "nowhere"),
		"dht/kad/testdata/a.go":   importing("kad", "node"),
		"dht/kad/tool.go":         "//go:build ignore\n\n" + importing("main", "node"),
		"node/proxy/a_test.go":    importing("proxy", "fetch/origin"),
		"fetch/other_test.go":     "package fetch\nimport _ \"" + module + "x/y\"\n",
		"cmd/repocheck/a_test.go": importing("main", "testnet"),
	}, nil},
	{"tests: nothing above", tree{"fetch/a_test.go": importing("fetch_test", "fetch/cache", "node")},
		[]string{"fetch/a_test.go:2: own rank or lower", "fetch/a_test.go:3: own rank or lower"}},
	{"test support stays in tests", tree{"node/a.go": importing("node", "fetch/fetchtest"), "cmd/flashcrowd/a.go": importing("main", "dht/dhttest")},
		[]string{"cmd/flashcrowd/a.go:2: only tests and testnet", "node/a.go:2: only tests and testnet"}},
	{"test support sees its parent only", tree{"fetch/fetchtest/a.go": importing("fetchtest", "fetch/cache"), "dht/dhttest/a.go": importing("dhttest", "fetch")},
		[]string{"dht/dhttest/a.go:2: no such arrow", "fetch/fetchtest/a.go:2: siblings"}},
	{"no seventh folder", tree{"util/a.go": "package util\n", "a.go": "package flashcrowd\n", "node/a.go": importing("node", "util")},
		[]string{"a.go:1: packages live in", "node/a.go:2: no such folder", "util/a.go:1: packages live in"}},
}

var docExamples = []example{
	{"in doc.go", tree{
		"dht/doc.go":           "// Package dht is it.\npackage dht\n",
		"dht/key.go":           "// Some heading.\n\npackage dht\n",
		"dht/a_test.go":        "// Tests say what they like.\npackage dht_test\n",
		"cmd/tool/doc.go":      "// Tool prints.\npackage main\n",
		"testnet/only_test.go": "package testnet\n",
	}, nil},
	{"none", tree{"dht/key.go": "package dht\n", "dht/kad/doc.go": "package kad\n"},
		[]string{"dht/kad/doc.go:1: no package comment", "dht/doc.go:0: missing"}},
	{"in another file", tree{"dht/key.go": "// Package dht is it.\npackage dht\n"},
		[]string{"dht/key.go:1: belongs in doc.go", "dht/doc.go:0: missing"}},
	{"twice", tree{"dht/doc.go": "// Package dht is it.\npackage dht\n", "dht/key.go": "// Package dht is more.\npackage dht\n"},
		[]string{"dht/key.go:1: belongs in doc.go"}},
	{"of another name", tree{"dht/doc.go": "// This package is it.\npackage dht\n"},
		[]string{"dht/doc.go:1: starts with"}},
	{"command", tree{"cmd/tool/main.go": "package main\n"},
		[]string{"cmd/tool/doc.go:0: missing: package main"}},
}

// lines makes a Go file of n lines; function a function of n lines.
func lines(n int) string { return "package x\n" + strings.Repeat("\n", n-1) }

func function(head string, n int) string { return head + " {" + strings.Repeat("\n", n-1) + "}\n" }

var sizeExamples = []example{
	{"at the stop", tree{
		"node/a.go":      lines(maxFile),
		"node/a_test.go": lines(maxTestFile),
		"node/b.go":      "package node\n" + function("// F does.\nfunc F()", maxFunc),
		"node/b_test.go": "package node\n" + function("func TestF()", maxFunc+1),
		"node/gen.go":    "// Code generated by x. DO NOT EDIT.\n\n" + lines(2*maxFile) + function("func F()", 2*maxFunc),
	}, nil},
	{"file", tree{"node/a.go": lines(maxFile + 1)}, []string{"node/a.go:0: 401 lines"}},
	{"last line without newline", tree{"node/a.go": lines(maxFile) + "//"}, []string{"node/a.go:0: 401 lines"}},
	{"test file", tree{"node/a_test.go": lines(maxTestFile + 1)}, []string{"node/a_test.go:0: 801 lines"}},
	{"function", tree{"node/a.go": "package node\n" + function("func F()", maxFunc+1)}, []string{"node/a.go:2: F has 101 lines"}},
	{"literal", tree{"node/a.go": "package node\nvar f = " + function("func()", maxFunc+1)}, []string{"node/a.go:2: function literal"}},
}
