package node

import (
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"
)

// Names in a data folder (design.md section 13).
const (
	identityName = "identity.key"
	tokenName    = "token"
	endpointName = "admin.json"
	lockName     = "lock"
	indexName    = "index"
	bodiesName   = "bodies"
	caName       = "ca"
)

const (
	privateDir  fs.FileMode = 0o700
	privateFile fs.FileMode = 0o600
	othersBits  fs.FileMode = 0o077
)

// DataInUseError is a data folder that another node holds.
type DataInUseError struct {
	Dir string
	// PID of the holder, 0 when it did not say.
	PID int
}

func (e *DataInUseError) Error() string {
	return fmt.Sprintf("data folder %s is in use by pid %d", e.Dir, e.PID)
}

// DamagedError is a file in the data folder that is not what it must be. It is
// never repaired or overwritten: it may be all that is left of an identity.
type DamagedError struct {
	File string
	Err  error
}

func (e *DamagedError) Error() string { return fmt.Sprintf("node: %s is damaged: %v", e.File, e.Err) }

// Unwrap returns what lies beneath.
func (e *DamagedError) Unwrap() error { return e.Err }

// DefaultData returns $XDG_DATA_HOME/flashcrowd, or ~/.local/share/flashcrowd
// where that is not set to an absolute path.
func DefaultData() (string, error) {
	if base := os.Getenv("XDG_DATA_HOME"); filepath.IsAbs(base) {
		return filepath.Join(base, "flashcrowd"), nil
	}
	home, err := os.UserHomeDir()
	if err != nil {
		return "", fmt.Errorf("node: find the data folder: %w", err)
	}
	return filepath.Join(home, ".local", "share", "flashcrowd"), nil
}

// ErrLocked: another open file holds the lock.
var ErrLocked = errors.New("node: locked")

// DataDir is a data folder that belongs to this process until Close, readable
// by its owner alone.
type DataDir struct {
	path string
	lock *os.File
}

// OpenDataDir takes the folder at path, or DefaultData() if path is empty, and
// makes it if need be. It fails with a *DataInUseError while another process
// has it. A process that was killed leaves nothing that hinders the next.
func OpenDataDir(path string) (*DataDir, error) {
	if path == "" {
		var err error
		if path, err = DefaultData(); err != nil {
			return nil, err
		}
	}
	if err := os.MkdirAll(path, privateDir); err != nil {
		return nil, fmt.Errorf("node: make data folder: %w", err)
	}
	if err := closeToOthers(path); err != nil {
		return nil, err
	}
	d := &DataDir{path: path}
	if err := d.takeLock(); err != nil {
		return nil, err
	}
	if err := d.prepare(); err != nil {
		return nil, errors.Join(err, d.Close())
	}
	return d, nil
}

// Path returns the folder as it was given.
func (d *DataDir) Path() string { return d.path }

// Index returns the folder of the index, which exists.
func (d *DataDir) Index() string { return filepath.Join(d.path, indexName) }

// Bodies returns the folder of the bodies, which exists.
func (d *DataDir) Bodies() string { return filepath.Join(d.path, bodiesName) }

// Close takes the endpoint away and lets the next process have the folder. It
// comes after everything that writes there, and may be called twice.
func (d *DataDir) Close() error {
	if d.lock == nil {
		return nil
	}
	err := os.Remove(filepath.Join(d.path, endpointName))
	if errors.Is(err, fs.ErrNotExist) {
		err = nil
	}
	// The file stays: a lock on a file that is gone excludes nobody.
	err = errors.Join(err, d.lock.Truncate(0), d.lock.Close())
	d.lock = nil
	return err
}

// Token returns what a client has to show before it may change anything: 32
// random octets in hexadecimal, made once.
func (d *DataDir) Token() (string, error) {
	path := filepath.Join(d.path, tokenName)
	raw, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		token := make([]byte, 32)
		rand.Read(token)
		text := hex.EncodeToString(token)
		if err := writeFile(path, []byte(text+"\n")); err != nil {
			return "", err
		}
		return text, nil
	}
	if err != nil {
		return "", fmt.Errorf("node: read token: %w", err)
	}
	text := strings.TrimSpace(string(raw))
	if token, err := hex.DecodeString(text); err != nil || len(token) != 32 {
		return "", &DamagedError{path, errors.New("not 64 hexadecimal digits; a new one is made once it is gone")}
	}
	return text, nil
}

// closeToOthers takes from others what rights they have to the folder. It does
// so only where the folder is empty or a node's own: --data /tmp is a slip, and
// must not lock everybody out of /tmp.
func closeToOthers(path string) error {
	info, err := os.Stat(path)
	if err != nil {
		return fmt.Errorf("node: open data folder: %w", err)
	}
	if !hasModes || info.Mode().Perm()&othersBits == 0 {
		return nil
	}
	if !ours(path) {
		return fmt.Errorf("node: data folder %s is open to others (mode %04o) and holds other files: choose another, or chmod 700 it",
			path, info.Mode().Perm())
	}
	if err := os.Chmod(path, privateDir); err != nil {
		return fmt.Errorf("node: close data folder to others: %w", err)
	}
	return nil
}

func ours(path string) bool {
	if _, err := os.Lstat(filepath.Join(path, identityName)); err == nil {
		return true
	}
	entries, err := os.ReadDir(path)
	return err == nil && len(entries) == 0
}

// prepare runs under the lock: it makes what is missing, closes to others what
// is open to them, and takes away what a killed process left.
func (d *DataDir) prepare() error {
	for _, dir := range []string{d.Index(), d.Bodies()} {
		if err := os.MkdirAll(dir, privateDir); err != nil {
			return fmt.Errorf("node: make data folder: %w", err)
		}
	}
	for _, name := range []string{identityName, tokenName} {
		path := filepath.Join(d.path, name)
		info, err := os.Lstat(path)
		if err != nil || !hasModes || info.Mode().Perm()&othersBits == 0 {
			continue
		}
		if err := os.Chmod(path, privateFile); err != nil {
			return fmt.Errorf("node: close %s to others: %w", name, err)
		}
	}
	return d.sweep()
}

// sweep takes away the endpoint and the half-written files of a node that had
// no time to do so.
func (d *DataDir) sweep() error {
	entries, err := os.ReadDir(d.path)
	if err != nil {
		return fmt.Errorf("node: sweep data folder: %w", err)
	}
	for _, e := range entries {
		if e.Name() != endpointName && !strings.HasPrefix(e.Name(), tempPrefix) {
			continue
		}
		if err := os.Remove(filepath.Join(d.path, e.Name())); err != nil {
			return fmt.Errorf("node: sweep data folder: %w", err)
		}
	}
	return nil
}

// pidWait is how long a holder may take from the lock to writing its pid.
const pidWait = time.Second

// takeLock locks the lock file and writes this process' pid into it.
func (d *DataDir) takeLock() error {
	f, err := os.OpenFile(filepath.Join(d.path, lockName), os.O_RDWR|os.O_CREATE, privateFile)
	if err != nil {
		return fmt.Errorf("node: lock data folder: %w", err)
	}
	if err := TryLock(f); err != nil {
		defer f.Close()
		if errors.Is(err, ErrLocked) {
			return &DataInUseError{d.path, holder(f)}
		}
		return fmt.Errorf("node: lock data folder: %w", err)
	}
	d.lock = f
	err = f.Truncate(0)
	if err == nil {
		_, err = f.WriteAt([]byte(strconv.Itoa(os.Getpid())+"\n"), 0)
	}
	if err != nil {
		return errors.Join(fmt.Errorf("node: lock data folder: %w", err), d.Close())
	}
	return nil
}

// holder returns the pid in the lock file, waiting for one that has only just
// taken it.
func holder(f *os.File) int {
	for deadline := time.Now().Add(pidWait); ; time.Sleep(pidWait / 20) {
		buf := make([]byte, 20)
		n, _ := f.ReadAt(buf, 0)
		if pid, err := strconv.Atoi(strings.TrimSpace(string(buf[:n]))); err == nil {
			return pid
		}
		if time.Now().After(deadline) {
			return 0
		}
	}
}
