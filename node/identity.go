package node

import (
	"bytes"
	"crypto/ed25519"
	"crypto/rand"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/libp2p/go-libp2p/core/crypto"
)

// Identity returns the key that makes this node the same peer at every start,
// always Ed25519. It is made at the first start. A file that does not hold
// exactly such a key is a *DamagedError and stays as it is: a new key would
// make the node a stranger to all who trust it.
func (d *DataDir) Identity() (crypto.PrivKey, error) {
	path := filepath.Join(d.path, identityName)
	raw, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return newIdentity(path)
	}
	if err != nil {
		return nil, fmt.Errorf("node: read identity: %w", err)
	}
	key, err := parseIdentity(raw)
	if err != nil {
		return nil, &DamagedError{path, err}
	}
	return key, nil
}

func newIdentity(path string) (crypto.PrivKey, error) {
	key, _, err := crypto.GenerateEd25519Key(rand.Reader)
	if err != nil {
		return nil, fmt.Errorf("node: make identity: %w", err)
	}
	raw, err := crypto.MarshalPrivateKey(key)
	if err != nil {
		return nil, fmt.Errorf("node: make identity: %w", err)
	}
	if err := writeFile(path, raw); err != nil {
		return nil, err
	}
	return key, nil
}

// parseIdentity reads a private key as libp2p writes it. It accepts one form
// only, and checks that the public half belongs to the private one, so that no
// flipped bit makes another peer of this node.
func parseIdentity(raw []byte) (crypto.PrivKey, error) {
	key, err := crypto.UnmarshalPrivateKey(raw)
	if err != nil {
		return nil, errors.New("not a private key")
	}
	if key.Type() != crypto.Ed25519 {
		return nil, errors.New("not an Ed25519 key")
	}
	halves, err := key.Raw()
	if err != nil || len(halves) != ed25519.PrivateKeySize ||
		!bytes.Equal(halves, ed25519.NewKeyFromSeed(halves[:ed25519.SeedSize])) {
		return nil, errors.New("the halves of the key do not belong together")
	}
	if again, err := crypto.MarshalPrivateKey(key); err != nil || !bytes.Equal(again, raw) {
		return nil, errors.New("more in it than a private key")
	}
	return key, nil
}
