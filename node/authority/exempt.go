package authority

import (
	"encoding/json"
	"errors"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"time"
)

const (
	exemptName = "tunnelled.json"
	// maxExempt is how many hosts are remembered; the oldest go first.
	maxExempt = 1024
	// exemptFor is how long a host that cannot be intercepted is left alone
	// before it is tried again.
	exemptFor = 7 * 24 * time.Hour
)

// Exemption is a host that is tunnelled though the user listed it.
type Exemption struct {
	Host  string    `json:"host"`
	Why   string    `json:"why"`
	Until time.Time `json:"until"`
}

// Exempt remembers the hosts that could not be intercepted, over restarts, in
// a file in the folder of an authority. Whoever removes the file, as
// Clear and `flashcrowd ca install` do, makes a running node forget
// them. Its methods may be called at once from many goroutines.
type Exempt struct {
	path string

	mu     sync.Mutex // guards following
	hosts  map[string]Exemption
	onDisk bool // the file was there, so that its absence says something
}

// OpenExempt returns what is remembered in dir. A file that cannot be read is
// an empty one: all that it can cost is one more try a host.
func OpenExempt(dir string) *Exempt {
	e := &Exempt{path: filepath.Join(dir, exemptName), hosts: make(map[string]Exemption)}
	var list []Exemption
	if raw, err := readFile(e.path); err == nil && json.Unmarshal(raw, &list) == nil {
		for _, x := range list[:min(len(list), maxExempt)] {
			e.hosts[x.Host] = x
		}
		e.onDisk = true
	}
	return e
}

// Has reports whether host is to be tunnelled.
func (e *Exempt) Has(host string) bool {
	e.mu.Lock()
	defer e.mu.Unlock()
	if len(e.hosts) == 0 {
		return false
	}
	e.recallLocked()
	x, ok := e.hosts[host]
	return ok && time.Now().Before(x.Until)
}

// recallLocked forgets all when the file is gone.
func (e *Exempt) recallLocked() {
	if _, err := os.Stat(e.path); e.onDisk && errors.Is(err, fs.ErrNotExist) {
		clear(e.hosts)
		e.onDisk = false
	}
}

// Add remembers host. That the file cannot be written is returned, and costs
// only what happens after a restart.
func (e *Exempt) Add(host, why string) error {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.recallLocked()
	e.hosts[host] = Exemption{host, why, time.Now().Add(exemptFor).UTC().Truncate(time.Second)}
	list := e.listLocked()
	for _, x := range list[:max(0, len(list)-maxExempt)] {
		delete(e.hosts, x.Host)
	}
	raw, err := json.MarshalIndent(e.listLocked(), "", "  ")
	if err != nil {
		return err
	}
	err = writeFile(e.path, append(raw, '\n'))
	e.onDisk = err == nil
	return err
}

// List returns what is remembered, the oldest first.
func (e *Exempt) List() []Exemption {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.listLocked()
}

func (e *Exempt) listLocked() []Exemption {
	return slices.SortedFunc(maps.Values(e.hosts), func(a, b Exemption) int { return a.Until.Compare(b.Until) })
}

// Clear forgets all of them.
func (e *Exempt) Clear() error {
	e.mu.Lock()
	defer e.mu.Unlock()
	clear(e.hosts)
	if err := os.Remove(e.path); !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return nil
}
