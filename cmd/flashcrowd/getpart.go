package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/url"
	"os"
	"runtime"

	"github.com/flashcrowd/flashcrowd/node"
	"github.com/flashcrowd/flashcrowd/verify"
)

// partState is what FILE.part.json says of FILE.part: enough to ask for the
// rest of the very same representation, and of no other.
type partState struct {
	// URL that was asked, and At, where redirects led, without its query.
	URL string `json:"url"`
	At  string `json:"at"`
	// ETag is a strong entity tag, "" when there is none.
	ETag string `json:"etag"`
	// Length of the whole in octets, -1 when unknown.
	Length int64 `json:"length"`
}

// maxPartState bounds what is read of FILE.part.json.
const maxPartState = 64 << 10

// part is a file that is being downloaded: FILE.part, of which no other process
// has hold. Whoever opens it closes it.
type part struct {
	final  string
	file   *os.File
	state  partState
	offset int64
	record *verify.Recorder // has seen all octets up to offset
}

// openPart opens FILE.part for final and takes up what an earlier download of u
// left there, if that can be continued.
func openPart(final string, u *url.URL) (*part, error) {
	p := &part{final: final}
	if info, err := os.Lstat(p.path()); err == nil && !info.Mode().IsRegular() {
		return nil, fmt.Errorf("%s is in the way: not a plain file", p.path())
	}
	f, err := os.OpenFile(p.path(), os.O_RDWR|os.O_CREATE, 0o666)
	if err != nil {
		return nil, fmt.Errorf("open part: %w", err)
	}
	p.file = f
	if err := node.TryLock(f); err != nil {
		f.Close()
		if errors.Is(err, node.ErrLocked) {
			return nil, fmt.Errorf("%s is being written by another download", p.path())
		}
		return nil, fmt.Errorf("lock part: %w", err)
	}
	if err := p.takeUp(u); err != nil {
		f.Close()
		return nil, err
	}
	return p, nil
}

func (p *part) path() string      { return p.final + ".part" }
func (p *part) statePath() string { return p.final + ".part.json" }

// resumable reports whether the rest can be asked for by range.
func (p *part) resumable() bool { return p.offset > 0 && p.state.ETag != "" }

// takeUp hashes what is there. What cannot be continued is dropped. Of a whole
// file the last octet is asked for again, since no range is empty.
func (p *part) takeUp(u *url.URL) error {
	p.record = verify.NewRecorder(verify.SHA256, -1)
	state, err := readPartState(p.statePath())
	info, statErr := p.file.Stat()
	if err != nil || statErr != nil || state.URL != u.String() || state.ETag == "" {
		return p.restart(partState{})
	}
	have := info.Size()
	if state.Length >= 0 {
		if have > state.Length {
			return p.restart(partState{})
		}
		have = min(have, max(state.Length-1, 0))
	}
	n, err := io.Copy(p.record, io.NewSectionReader(p.file, 0, have))
	if err == nil && n == have {
		err = p.file.Truncate(have)
	}
	if err != nil || n != have {
		return p.restart(partState{})
	}
	p.state, p.offset = *state, have
	return nil
}

func readPartState(path string) (*partState, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	raw, err := io.ReadAll(io.LimitReader(f, maxPartState))
	if err != nil {
		return nil, err
	}
	var s partState
	if err := json.Unmarshal(raw, &s); err != nil {
		return nil, err
	}
	return &s, nil
}

// restart empties the part and notes what comes into it. The note is taken away
// first and written last, so that it never speaks of other octets.
func (p *part) restart(s partState) error {
	p.state, p.offset, p.record = s, 0, verify.NewRecorder(verify.SHA256, -1)
	if err := os.Remove(p.statePath()); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("restart part: %w", err)
	}
	if err := p.file.Truncate(0); err != nil {
		return fmt.Errorf("restart part: %w", err)
	}
	if s.ETag == "" {
		return nil
	}
	raw, err := json.Marshal(s)
	if err == nil {
		err = os.WriteFile(p.statePath(), raw, 0o666)
	}
	if err != nil {
		return fmt.Errorf("restart part: %w", err)
	}
	return nil
}

// Write adds the next octets.
func (p *part) Write(b []byte) (int, error) {
	n, err := p.file.WriteAt(b, p.offset)
	p.record.Write(b[:n])
	p.offset += int64(n)
	if err != nil {
		return n, fmt.Errorf("write part: %w", err)
	}
	return n, nil
}

// finish makes the part the final file. Unless force, it replaces nothing. The
// lock is held until it has moved, so that nobody takes up a file that is done;
// Windows does not move open files.
func (p *part) finish(force bool) error {
	err := p.file.Sync()
	if runtime.GOOS == "windows" {
		err = errors.Join(err, p.file.Close())
	}
	if err != nil {
		return fmt.Errorf("finish part: %w", err)
	}
	if err := p.move(force); err != nil {
		return err
	}
	p.file.Close()
	os.Remove(p.statePath())
	return nil
}

// move links, since a link never replaces; where the file system has no links
// it looks and renames.
func (p *part) move(force bool) error {
	if !force {
		err := os.Link(p.path(), p.final)
		if err == nil {
			return os.Remove(p.path())
		}
		if err := mustNotExist(p.final); err != nil {
			return err
		}
	}
	if err := os.Rename(p.path(), p.final); err != nil {
		return fmt.Errorf("finish part: %w", err)
	}
	return nil
}

func mustNotExist(path string) error {
	_, err := os.Lstat(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("look for %s: %w", path, err)
	}
	return &hintError{fmt.Errorf("%s exists", path), "name another file with -o, or overwrite it with --force"}
}

// close gives up the part, after finish too. What can be continued is kept.
func (p *part) close() {
	keep := p.resumable()
	if p.file.Close() != nil { // finished
		return
	}
	if !keep {
		os.Remove(p.path())
		os.Remove(p.statePath())
	}
}
