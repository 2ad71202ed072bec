package crowd

import (
	"embed"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"strings"
)

//go:embed library/*.yaml
var library embed.FS

// Names returns the scenarios that come with the program.
func Names() []string {
	files, err := fs.Glob(library, "library/*.yaml")
	if err != nil {
		panic("crowd: internal error: " + err.Error())
	}
	for i, f := range files {
		files[i] = strings.TrimSuffix(path.Base(f), ".yaml")
	}
	return files
}

// Load returns the scenario of that name, or the one in the file of that name.
func Load(name string) (Scenario, error) {
	text, err := library.ReadFile("library/" + name + ".yaml")
	if err != nil {
		text, err = os.ReadFile(name)
	}
	if errors.Is(err, fs.ErrNotExist) {
		return Scenario{}, fmt.Errorf("%w: %q is neither a file nor one of %s", ErrScenario, name, strings.Join(Names(), ", "))
	}
	if err != nil {
		return Scenario{}, err
	}
	return Parse(text)
}
