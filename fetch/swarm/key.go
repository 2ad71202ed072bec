package swarm

import (
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"strings"

	"github.com/libp2p/go-libp2p"
	"github.com/libp2p/go-libp2p/core/pnet"
	libp2pquic "github.com/libp2p/go-libp2p/p2p/transport/quic"
	"github.com/libp2p/go-libp2p/p2p/transport/tcp"
	ma "github.com/multiformats/go-multiaddr"
)

// ErrKey is returned for what is no key of a private swarm.
var ErrKey = errors.New("swarm: no key of a private swarm")

// maxKeyFile is more than any form of a key takes.
const maxKeyFile = 256

// Key closes a swarm: nodes without it cannot even shake hands with one that
// has it. It is secret. The nil Key is none.
type Key []byte

// NewKey returns the text of a new key, in the form that libp2p programs share.
func NewKey() []byte {
	var secret [32]byte
	_, _ = rand.Read(secret[:]) // never fails
	return fmt.Appendf(nil, "/key/swarm/psk/1.0.0/\n/base16/\n%s\n", hex.EncodeToString(secret[:]))
}

// ParseKey reads the text of a key. It fails with ErrKey.
func ParseKey(text []byte) (Key, error) {
	if len(text) > maxKeyFile {
		return nil, fmt.Errorf("%w: %d octets are too many", ErrKey, len(text))
	}
	psk, err := pnet.DecodeV1PSK(strings.NewReader(string(text)))
	if err != nil {
		return nil, fmt.Errorf("%w: want the lines /key/swarm/psk/1.0.0/, /base16/ and 64 hexadecimal digits", ErrKey)
	}
	return Key(psk), nil
}

// Fingerprint tells keys apart and gives none away.
func (k Key) Fingerprint() string {
	sum := sha256.Sum256(append([]byte("flashcrowd/swarm-key/1\x00"), k...))
	return hex.EncodeToString(sum[:8])
}

// Listen returns where a node listens that is told nothing: with a key at TCP
// alone, because none can close QUIC.
func (k Key) Listen() []string {
	if k == nil {
		return DefaultListen
	}
	var tcp []string
	for _, a := range DefaultListen {
		if !strings.Contains(a, "/quic") {
			tcp = append(tcp, a)
		}
	}
	return tcp
}

// admits fails for an address at which a host with k cannot listen.
func (k Key) admits(a ma.Multiaddr) error {
	if c := classOf(a); k != nil && (c == classQUIC4 || c == classQUIC6) {
		return fmt.Errorf("listen on %s: a private swarm is TCP only", a)
	}
	return nil
}

// transports returns how a host with k speaks to others.
func (k Key) transports() []libp2p.Option {
	overTCP := libp2p.Transport(tcp.NewTCPTransport)
	if k == nil {
		return []libp2p.Option{overTCP, libp2p.Transport(libp2pquic.NewTransport)}
	}
	return []libp2p.Option{overTCP, libp2p.PrivateNetwork(pnet.PSK(k))}
}
