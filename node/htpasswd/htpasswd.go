package htpasswd

import (
	"context"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"fmt"
	"io"
	"log/slog"
	"os"
	"sync"
	"time"

	"golang.org/x/crypto/bcrypt"
)

const (
	// maxFile holds ten thousand users.
	maxFile = 1 << 20
	// maxKnown is how many right answers are remembered.
	maxKnown = 4096
	// lookAgain is how long the file is trusted not to have changed.
	lookAgain = 2 * time.Second
)

// Users are the users of one file. Its methods may be called at once from many
// goroutines.
type Users struct {
	path string
	log  *slog.Logger
	key  [32]byte      // of known
	slot chan struct{} // held while a hash is computed

	mu     sync.Mutex // guards following
	hashes map[string][]byte
	dummy  []byte // what an unknown name is held against, as dear as the dearest of hashes
	seen   state
	looked time.Time
	known  map[[32]byte]struct{}
}

// state tells one version of a file from another.
type state struct {
	size     int64
	modified time.Time
}

// Open reads the file at path, which must name at least one user. log takes
// what happens to it later; nil is silent.
func Open(path string, log *slog.Logger) (*Users, error) {
	if log == nil {
		log = slog.New(slog.DiscardHandler)
	}
	u := &Users{path: path, log: log, slot: make(chan struct{}, 1)}
	rand.Read(u.key[:])
	if err := u.load(time.Now()); err != nil {
		return nil, err
	}
	return u, nil
}

// Verify reports whether password is that of user. It ends early, with false,
// when ctx does.
func (u *Users) Verify(ctx context.Context, user, password string) bool {
	u.refresh()
	proof := u.proof(user, password)
	u.mu.Lock()
	_, right := u.known[proof]
	hash, found := u.hashes[user]
	if !found {
		hash = u.dummy
	}
	u.mu.Unlock()
	if right {
		return true
	}
	select {
	case u.slot <- struct{}{}:
		defer func() { <-u.slot }()
	case <-ctx.Done():
		return false
	}
	if bcrypt.CompareHashAndPassword(hash, []byte(password)) != nil || !found {
		return false
	}
	u.remember(user, hash, proof)
	return true
}

// proof is what a right answer is remembered by: it is worth nothing to who
// does not have the key.
func (u *Users) proof(user, password string) (sum [32]byte) {
	mac := hmac.New(sha256.New, u.key[:])
	fmt.Fprintf(mac, "%d:%s%s", len(user), user, password)
	mac.Sum(sum[:0])
	return sum
}

// remember keeps proof, unless the file has changed meanwhile.
func (u *Users) remember(user string, hash []byte, proof [32]byte) {
	u.mu.Lock()
	defer u.mu.Unlock()
	if string(u.hashes[user]) != string(hash) {
		return
	}
	if len(u.known) >= maxKnown {
		clear(u.known)
	}
	u.known[proof] = struct{}{}
}

// refresh reads the file again if it has changed.
func (u *Users) refresh() {
	now := time.Now()
	u.mu.Lock()
	due := now.Sub(u.looked) >= lookAgain
	if due {
		u.looked = now
	}
	seen := u.seen
	u.mu.Unlock()
	if !due {
		return
	}
	if info, err := os.Stat(u.path); err == nil && (state{info.Size(), info.ModTime()}) == seen {
		return
	}
	if err := u.load(now); err != nil {
		u.log.Warn("users unchanged", "err", err)
		return
	}
	u.log.Info("users read again", "file", u.path)
}

// load reads the file. Nothing changes if that fails.
func (u *Users) load(now time.Time) error {
	f, err := os.Open(u.path)
	if err != nil {
		return fmt.Errorf("htpasswd: read users: %w", err)
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return fmt.Errorf("htpasswd: read users: %w", err)
	}
	raw, err := io.ReadAll(io.LimitReader(f, maxFile+1))
	switch {
	case err != nil:
		return fmt.Errorf("htpasswd: read users: %w", err)
	case len(raw) > maxFile:
		return fmt.Errorf("htpasswd: %s is longer than %d octets", u.path, maxFile)
	}
	hashes, cost, err := parse(raw)
	if err != nil {
		return fmt.Errorf("htpasswd: %s: %w", u.path, err)
	}
	dummy, err := bcrypt.GenerateFromPassword(u.key[:], cost)
	if err != nil {
		return fmt.Errorf("htpasswd: %w", err)
	}
	u.mu.Lock()
	defer u.mu.Unlock()
	u.hashes, u.dummy, u.looked = hashes, dummy, now
	u.seen = state{info.Size(), info.ModTime()}
	u.known = make(map[[32]byte]struct{})
	return nil
}
