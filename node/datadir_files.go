package node

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
)

// Endpoint is how commands on this machine reach a running node: the file
// admin.json.
type Endpoint struct {
	// URL of the admin listener, without a path.
	URL string `json:"url"`
	// PID of the node's process.
	PID int `json:"pid"`
	// Proxy is the URL of the forward proxy and gateway, without a path.
	Proxy string `json:"proxy"`
}

// ErrNoNode: no node runs on the data folder, as far as the folder tells.
var ErrNoNode = errors.New("node: no node is running")

// maxEndpoint is more than three short values ever take.
const maxEndpoint = 4 << 10

// Publish tells commands where the node is, until Close.
func (d *DataDir) Publish(e Endpoint) error {
	raw, err := json.Marshal(e)
	if err != nil {
		return fmt.Errorf("node: write endpoint: %w", err)
	}
	return writeFile(filepath.Join(d.path, endpointName), append(raw, '\n'))
}

// FindEndpoint returns where the node on the data folder dir is; DefaultData()
// if dir is empty. It fails with ErrNoNode when there is none. A node that was
// killed may leave an endpoint at which nobody answers.
func FindEndpoint(dir string) (Endpoint, error) {
	var e Endpoint
	if dir == "" {
		var err error
		if dir, err = DefaultData(); err != nil {
			return e, err
		}
	}
	path := filepath.Join(dir, endpointName)
	f, err := os.Open(path)
	if errors.Is(err, fs.ErrNotExist) {
		return e, ErrNoNode
	}
	if err != nil {
		return e, fmt.Errorf("node: find endpoint: %w", err)
	}
	defer f.Close()
	raw, err := io.ReadAll(io.LimitReader(f, maxEndpoint))
	if err != nil {
		return e, fmt.Errorf("node: find endpoint: %w", err)
	}
	if err := json.Unmarshal(raw, &e); err != nil || e.URL == "" {
		return Endpoint{}, &DamagedError{path, errors.New("not an endpoint; start the node again to write it anew")}
	}
	return e, nil
}

// tempPrefix begins the name of a file that is being written. OpenDataDir takes
// away the ones that a killed process left.
const tempPrefix = ".tmp-"

// writeFile writes a file for its owner alone: path holds what it held before,
// or all of data, whatever happens.
func writeFile(path string, data []byte) (err error) {
	dir := filepath.Dir(path)
	f, err := os.CreateTemp(dir, tempPrefix+"*") // mode 0600
	if err != nil {
		return fmt.Errorf("node: write %s: %w", filepath.Base(path), err)
	}
	defer func() {
		if err != nil {
			f.Close()
			os.Remove(f.Name())
			err = fmt.Errorf("node: write %s: %w", filepath.Base(path), err)
		}
	}()
	if _, err = f.Write(data); err != nil {
		return err
	}
	if err = f.Sync(); err != nil {
		return err
	}
	if err = f.Close(); err != nil {
		return err
	}
	if err = os.Rename(f.Name(), path); err != nil {
		return err
	}
	return syncDir(dir)
}
