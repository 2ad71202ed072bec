//go:build linux

package trial

import (
	_ "embed" // the script
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
)

// libtorrent is the library of that name by its Python binding, of Debian, which
// the system's own Python alone can load.
type libtorrent struct{ script string }

//go:embed peer.py
var libtorrentScript []byte

const systemPython = "/usr/bin/python3"

func (*libtorrent) String() string { return "libtorrent" }

func (l *libtorrent) ready(dir string) error {
	if out, err := exec.Command(systemPython, "-c", "import libtorrent").CombinedOutput(); err != nil {
		return fmt.Errorf("trial: there is no libtorrent: install it (apt-get install python3-libtorrent): %w: %s", err, out)
	}
	l.script = filepath.Join(dir, "peer.py")
	if err := os.WriteFile(l.script, libtorrentScript, 0o644); err != nil {
		return fmt.Errorf("trial: write script: %w", err)
	}
	return nil
}

func (l *libtorrent) command(torrent, dir string) (string, []string) {
	return systemPython, []string{l.script, torrent, dir}
}
