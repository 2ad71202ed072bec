package swarm

import (
	"bytes"
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/libp2p/go-libp2p/core/host"
	"github.com/libp2p/go-libp2p/core/peer"
)

func TestParseKey(t *testing.T) {
	text := NewKey()
	key, err := ParseKey(text)
	if err != nil || len(key) != 32 {
		t.Fatal(key, err)
	}
	if again, err := ParseKey(bytes.ReplaceAll(text, []byte("\n"), []byte("\r\n"))); err != nil || again.Fingerprint() != key.Fingerprint() {
		t.Errorf("a file from Windows: %v", err)
	}
	other, err := ParseKey(NewKey())
	if err != nil || other.Fingerprint() == key.Fingerprint() {
		t.Errorf("two keys are the same: %v", err)
	}
	if strings.Contains(string(text), key.Fingerprint()) {
		t.Error("the fingerprint is a part of the key")
	}
	for _, bad := range []string{"", "secret", string(text[:60]), "/key/swarm/psk/1.0.0/\n/base16/\nxyz\n", strings.Repeat("a", 1<<20)} {
		if _, err := ParseKey([]byte(bad)); !errors.Is(err, ErrKey) {
			t.Errorf("%.20q: %v", bad, err)
		}
	}
}

func FuzzParseKey(f *testing.F) {
	f.Add(NewKey())
	f.Add([]byte("/key/swarm/psk/1.0.0/\n/base64/\nAAAA\n"))
	f.Fuzz(func(t *testing.T, text []byte) {
		if k, err := ParseKey(text); err == nil && len(k) != 32 {
			t.Errorf("a key of %d octets", len(k))
		}
	})
}

func closedHost(t *testing.T, k Key) host.Host {
	t.Helper()
	h, err := NewHost(HostConfig{Listen: []string{"/ip4/127.0.0.1/tcp/0"}, Key: k})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { h.Close() })
	return h
}

// Who has the key exchanges; who has another or none gets no connection, in
// either direction.
func TestPrivateSwarm(t *testing.T) {
	newKey := func() Key {
		k, err := ParseKey(NewKey())
		if err != nil {
			t.Fatal(err)
		}
		return k
	}
	key := newKey()
	o := newObject(t, "closed", 3*dataSize)
	s := newSwarm(t, Config{Host: closedHost(t, key), Shelf: newShelf(o)})
	member := newSwarm(t, Config{Host: closedHost(t, key)})
	got, err := readSpan(t, newPeer(t, member, s.host, o.want()), 0, int64(len(o.body)))
	if err != nil || !bytes.Equal(got, o.body) {
		t.Errorf("a member got %d octets, %v", len(got), err)
	}
	for name, outsider := range map[string]host.Host{"another key": closedHost(t, newKey()), "no key": closedHost(t, nil)} {
		for _, way := range [][2]host.Host{{outsider, s.host}, {s.host, outsider}} {
			ctx, cancel := context.WithTimeout(t.Context(), time.Second)
			err := way[0].Connect(ctx, peer.AddrInfo{ID: way[1].ID(), Addrs: way[1].Addrs()})
			cancel()
			if err == nil {
				t.Errorf("%s: connected", name)
			}
		}
	}
	if h, err := NewHost(HostConfig{Listen: []string{"/ip4/127.0.0.1/udp/0/quic-v1"}, Key: key}); err == nil {
		h.Close()
		t.Error("a private swarm listens at QUIC, which no key closes")
	}
	for _, a := range key.Listen() {
		if strings.Contains(a, "quic") {
			t.Errorf("listens at %s by default", a)
		}
	}
}
