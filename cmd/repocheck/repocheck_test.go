package main

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/fstest"
)

// root is the repository that this package stands in.
const root = "../.."

// A tree is a small repository: file names and what the files hold.
type tree map[string]string

func (t tree) load(tb testing.TB) *repo {
	tb.Helper()
	fsys := fstest.MapFS{}
	for name, text := range t {
		fsys[name] = &fstest.MapFile{Data: []byte(text)}
	}
	r, err := load(fsys)
	if err != nil {
		tb.Fatal(err)
	}
	return r
}

// An example is a tree and what one rule says to it: for each violation, in
// order, its place and a part of its message, as "path:line: part". None means
// that the rule accepts the tree.
type example struct {
	name string
	tree tree
	want []string
}

// examples holds those of every rule, by its name.
var examples = map[string][]example{
	"parse":    parseExamples,
	"imports":  importExamples,
	"doc":      docExamples,
	"size":     sizeExamples,
	"public":   append(append(publicTextExamples, publicYAMLExamples...), publicGoExamples...),
	"skip":     skipExamples,
	"sleep":    sleepExamples,
	"mock":     mockExamples,
	"status":   statusExamples,
	"sabotage": sabotageExamples,
	"marker":   markerExamples,
}

func TestRules(t *testing.T) {
	for _, rule := range rules {
		t.Run(rule.name, func(t *testing.T) {
			accepts, refuses := 0, 0
			for _, ex := range examples[rule.name] {
				t.Run(ex.name, func(t *testing.T) { checkExample(t, rule, ex) })
				if len(ex.want) == 0 {
					accepts++
				} else {
					refuses++
				}
			}
			if accepts == 0 || refuses == 0 {
				t.Errorf("rule has %d examples that it accepts and %d that it refuses, want some of both", accepts, refuses)
			}
		})
	}
	if len(examples) != len(rules) {
		t.Errorf("got examples for %d rules, want %d", len(examples), len(rules))
	}
}

func checkExample(t *testing.T, rule rule, ex example) {
	t.Helper()
	got := rule.run(ex.tree.load(t))
	for i, v := range got {
		if i >= len(ex.want) {
			t.Errorf("unexpected: %v", v)
			continue
		}
		place, part, _ := strings.Cut(ex.want[i], ": ")
		if at := fmt.Sprintf("%s:%d", v.path, v.line); at != place || !strings.Contains(v.message, part) {
			t.Errorf("got  %v\nwant %s", v, ex.want[i])
		}
		if v.rule != rule.name {
			t.Errorf("violation is signed %q, want %q", v.rule, rule.name)
		}
	}
	for _, missing := range ex.want[min(len(got), len(ex.want)):] {
		t.Errorf("missing: %s", missing)
	}
}

// TestRepository holds this repository to all rules.
func TestRepository(t *testing.T) {
	gomod, err := os.ReadFile(filepath.Join(root, "go.mod"))
	if err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(string(gomod), "module "+module+"\n") {
		t.Fatalf("go.mod is not that of module %s", module)
	}
	found, err := checkAll(os.DirFS(root))
	if err != nil {
		t.Fatal(err)
	}
	for _, v := range found {
		t.Error(v)
	}
}

// TestRepositoryIsSeen guards TestRepository against passing because it found
// nothing to look at.
func TestRepositoryIsSeen(t *testing.T) {
	r, err := load(os.DirFS(root))
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"cmd/repocheck/rules.go", "cmd/repocheck/repocheck_test.go", ".ci/run"} {
		if !r.has(name) {
			t.Errorf("%s was not read", name)
		}
	}
	if n := len(textLaunches(".ci/run", r.text(".ci/run"))); n == 0 {
		t.Error(".ci/run was not taken for a script")
	}
}

// TestRulesBiteInTheRepository puts every refused example beside the real
// source and expects the rule to find it there too.
func TestRulesBiteInTheRepository(t *testing.T) {
	house, err := load(os.DirFS(root))
	if err != nil {
		t.Fatal(err)
	}
	for _, rule := range rules {
		before := len(rule.check(house))
		for _, ex := range examples[rule.name] {
			if len(ex.want) == 0 {
				continue
			}
			added := *house
			added.files = append([]*file(nil), house.files...)
			for name, text := range ex.tree {
				added.files = append(added.files, added.parse(name, text))
			}
			if after := len(rule.check(&added)); after <= before {
				t.Errorf("%s, %s: %d violations before the example was added and %d after", rule.name, ex.name, before, after)
			}
		}
	}
}

func TestRun(t *testing.T) {
	bad := t.TempDir()
	if err := os.WriteFile(filepath.Join(bad, "stray.go"), []byte("package stray\n"), 0o666); err != nil {
		t.Fatal(err)
	}
	tests := []struct {
		name   string
		args   []string
		code   int
		stdout string
		stderr string
	}{
		{"clean", []string{t.TempDir()}, 0, "", ""},
		{"violations", []string{bad}, 1, "stray.go:1: packages live in", ""},
		{"no such root", []string{filepath.Join(bad, "none")}, 2, "", "read the repository"},
		{"two roots", []string{"a", "b"}, 2, "", "usage"},
		{"flag", []string{"--help"}, 2, "", "usage"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			var stdout, stderr bytes.Buffer
			if got := run(tt.args, &stdout, &stderr); got != tt.code {
				t.Errorf("exit code %d, want %d", got, tt.code)
			}
			checkOutput(t, "stdout", stdout.String(), tt.stdout)
			checkOutput(t, "stderr", stderr.String(), tt.stderr)
		})
	}
}

func checkOutput(t *testing.T, stream, got, want string) {
	t.Helper()
	if want == "" && got != "" || !strings.Contains(got, want) {
		t.Errorf("%s = %q, want %q", stream, got, want)
	}
}

// text returns what the file holds, or nothing if it is not there.
func (r *repo) text(name string) string {
	for _, f := range r.files {
		if f.path == name {
			return f.text
		}
	}
	return ""
}
