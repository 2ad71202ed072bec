package main

import (
	"encoding/json"
	"fmt"
	"runtime"
	"runtime/debug"
)

// release is set by the linker: -X main.release=v1.2.3.
var release string

// mainDependencies are those whose version says how a node behaves towards
// others.
var mainDependencies = []string{"github.com/libp2p/go-libp2p", "github.com/libp2p/go-libp2p-kad-dht"}

// versionCmd prints what this binary is made of.
type versionCmd struct {
	JSON bool `help:"Print one line of JSON."`
}

// Run prints the version.
func (c *versionCmd) Run(s *session) error {
	dependencies := dependencyVersions()
	if c.JSON {
		return json.NewEncoder(s.out).Encode(struct {
			Version      string            `json:"version"`
			Go           string            `json:"go"`
			Platform     string            `json:"platform"`
			Dependencies map[string]string `json:"dependencies"`
		}{version(), runtime.Version(), runtime.GOOS + "/" + runtime.GOARCH, dependencies})
	}
	fmt.Fprintf(s.out, "flashcrowd %s\n%s %s/%s\n", version(), runtime.Version(), runtime.GOOS, runtime.GOARCH)
	for _, path := range mainDependencies {
		if v, ok := dependencies[path]; ok {
			fmt.Fprintln(s.out, path, v)
		}
	}
	return nil
}

// version returns the release, else what the build knows of it.
func version() string {
	if release != "" {
		return release
	}
	if info, ok := debug.ReadBuildInfo(); ok && info.Main.Version != "" {
		return info.Main.Version
	}
	return "(devel)"
}

func dependencyVersions() map[string]string {
	found := make(map[string]string)
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return found
	}
	for _, path := range mainDependencies {
		for _, m := range info.Deps {
			if m.Path == path {
				found[path] = m.Version
			}
		}
	}
	return found
}
