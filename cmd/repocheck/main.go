package main

import (
	"fmt"
	"io"
	"os"
)

func main() {
	os.Exit(run(os.Args[1:], os.Stdout, os.Stderr))
}

// run checks the repository whose root is the only argument, by default the
// working directory, and returns the exit code: 0 nothing to say, 1 at least
// one violation on stdout, 2 called wrongly or the tree cannot be read.
func run(args []string, stdout, stderr io.Writer) int {
	root := "."
	switch {
	case len(args) > 1 || len(args) == 1 && args[0] != "" && args[0][0] == '-':
		fmt.Fprintln(stderr, "usage: repocheck [ROOT]")
		return 2
	case len(args) == 1:
		root = args[0]
	}
	found, err := checkAll(os.DirFS(root))
	if err != nil {
		fmt.Fprintln(stderr, "repocheck:", err)
		return 2
	}
	for _, v := range found {
		fmt.Fprintln(stdout, v)
	}
	if len(found) > 0 {
		return 1
	}
	return 0
}
