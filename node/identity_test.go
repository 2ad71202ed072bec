package node

import (
	"bytes"
	"crypto/rand"
	"errors"
	"os"
	"path/filepath"
	"testing"

	"github.com/libp2p/go-libp2p/core/crypto"
	"github.com/libp2p/go-libp2p/core/peer"
)

func TestIdentityStays(t *testing.T) {
	dir := t.TempDir()
	var ids []peer.ID
	for range 2 {
		d := open(t, dir)
		key, err := d.Identity()
		if err != nil {
			t.Fatal(err)
		}
		if key.Type() != crypto.Ed25519 {
			t.Errorf("key of type %v", key.Type())
		}
		id, err := peer.IDFromPrivateKey(key)
		if err != nil {
			t.Fatal(err)
		}
		ids = append(ids, id)
		if err := d.Close(); err != nil {
			t.Fatal(err)
		}
	}
	if ids[0] != ids[1] {
		t.Errorf("peer %s became %s", ids[0], ids[1])
	}
}

// TestDamagedIdentityIsKept flips every bit of the key, and truncates and
// extends it: each start is refused, names the file, and leaves it alone.
func TestDamagedIdentityIsKept(t *testing.T) {
	d := open(t, t.TempDir())
	if _, err := d.Identity(); err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(d.Path(), "identity.key")
	good, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	// 0x18 0x01 is a field that protobuf would skip.
	damages := [][]byte{{}, good[:len(good)-1], append(bytes.Clone(good), 0), append(bytes.Clone(good), 0x18, 1), make([]byte, len(good)), foreignKey(t)}
	for i := range len(good) * 8 {
		flipped := bytes.Clone(good)
		flipped[i/8] ^= 1 << (i % 8)
		damages = append(damages, flipped)
	}
	for i, damage := range damages {
		if err := os.WriteFile(path, damage, 0o600); err != nil {
			t.Fatal(err)
		}
		_, err := d.Identity()
		var damaged *DamagedError
		if !errors.As(err, &damaged) || damaged.File != path {
			t.Errorf("damage %d: %v, want DamagedError of %s", i, err, path)
		}
		if kept, err := os.ReadFile(path); err != nil || !bytes.Equal(kept, damage) {
			t.Fatalf("damage %d: the file was overwritten", i)
		}
	}
}

func foreignKey(t *testing.T) []byte {
	t.Helper()
	key, _, err := crypto.GenerateSecp256k1Key(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	raw, err := crypto.MarshalPrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	return raw
}

// FuzzIdentity: no file makes parseIdentity panic, and what it accepts is the
// one form of an Ed25519 key.
func FuzzIdentity(f *testing.F) {
	key, _, err := crypto.GenerateEd25519Key(rand.Reader)
	if err != nil {
		f.Fatal(err)
	}
	raw, err := crypto.MarshalPrivateKey(key)
	if err != nil {
		f.Fatal(err)
	}
	f.Add(raw)
	f.Add(raw[:10])
	f.Fuzz(func(t *testing.T, raw []byte) {
		key, err := parseIdentity(raw)
		if err != nil {
			return
		}
		if again, err := crypto.MarshalPrivateKey(key); err != nil || !bytes.Equal(raw, again) {
			t.Errorf("%x is read as %x, %v", raw, again, err)
		}
	})
}
