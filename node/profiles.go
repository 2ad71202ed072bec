package node

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/flashcrowd/flashcrowd/verify"
)

// profilesName is the file of what was learned of entity tags.
const profilesName = "profiles.json"

// maxProfiles is more than verify ever writes: some thousand short lines.
const maxProfiles = 4 << 20

// loadProfiles reads what saveProfiles wrote; nothing is no error.
func (d *DataDir) loadProfiles(p *verify.Profiles) error {
	path := filepath.Join(d.path, profilesName)
	info, err := os.Stat(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil || info.Size() > maxProfiles {
		return fmt.Errorf("node: read profiles of entity tags: %w", errors.Join(err, errors.ErrUnsupported))
	}
	raw, err := os.ReadFile(path)
	if err != nil {
		return fmt.Errorf("node: read profiles of entity tags: %w", err)
	}
	return json.Unmarshal(raw, p)
}

// saveProfiles writes p for the next run.
func (d *DataDir) saveProfiles(p *verify.Profiles) error {
	raw, err := json.Marshal(p)
	if err != nil {
		return fmt.Errorf("node: write profiles of entity tags: %w", err)
	}
	return writeFile(filepath.Join(d.path, profilesName), append(raw, '\n'))
}
