package swarm

import (
	"errors"
	"fmt"
	"net"
	"strconv"
	"syscall"

	"github.com/libp2p/go-libp2p/core/host"
	ma "github.com/multiformats/go-multiaddr"
	manet "github.com/multiformats/go-multiaddr/net"
)

// listenable parses addresses and tries each: libp2p listens on TCP with
// SO_REUSEPORT, so it would not notice another process on the port, and it is
// content when only some of its addresses work. IPv6 addresses are left out
// when the machine has no IPv6, if that leaves any.
func listenable(texts []string, k Key) ([]ma.Multiaddr, error) {
	var out []ma.Multiaddr
	var without error
	for _, text := range texts {
		a, err := ma.NewMultiaddr(text)
		if err != nil {
			return nil, fmt.Errorf("listen address %q: %w", text, err)
		}
		c := classOf(a)
		if c == classOther {
			return nil, fmt.Errorf("listen address %q is neither IP/tcp/PORT nor IP/udp/PORT/quic-v1", text)
		}
		if err := k.admits(a); err != nil {
			return nil, err
		}
		err = try(a, c)
		switch {
		case err == nil:
			out = append(out, a)
		case (c == classTCP6 || c == classQUIC6) && noIPv6(err):
			without = fmt.Errorf("listen on %s: %w", text, err)
		case errors.Is(err, syscall.EADDRINUSE):
			return nil, fmt.Errorf("listen on %s: port is taken: %w", text, err)
		default:
			return nil, fmt.Errorf("listen on %s: %w", text, err)
		}
	}
	if len(out) == 0 && without != nil {
		return nil, without
	}
	return out, nil
}

func noIPv6(err error) bool {
	return errors.Is(err, syscall.EAFNOSUPPORT) || errors.Is(err, syscall.EADDRNOTAVAIL)
}

// try listens on a for a moment.
func try(a ma.Multiaddr, c class) error {
	var hostPort ma.Multiaddr
	for _, part := range a {
		if part.Protocol().Code != ma.P_QUIC_V1 {
			hostPort = append(hostPort, part)
		}
	}
	nw, addr, err := manet.DialArgs(hostPort)
	if err != nil {
		return err
	}
	if c == classQUIC4 || c == classQUIC6 {
		l, err := net.ListenPacket(nw, addr)
		if err != nil {
			return err
		}
		return l.Close()
	}
	l, err := net.Listen(nw, addr)
	if err != nil {
		return err
	}
	return l.Close()
}

// listens fails, and names the address, when h does not listen on one of
// wanted.
func listens(h host.Host, wanted []ma.Multiaddr) error {
	free := h.Network().ListenAddresses()
	for _, want := range wanted {
		found := false
		for i, have := range free {
			if found = sameListener(want, have); found {
				free = append(free[:i:i], free[i+1:]...)
				break
			}
		}
		if !found {
			return fmt.Errorf("listen on %s: not possible, the port may be taken", want)
		}
	}
	return nil
}

// sameListener reports whether have is what want asked for, in which port 0
// stands for any.
func sameListener(want, have ma.Multiaddr) bool {
	if len(want) != len(have) {
		return false
	}
	for i := range want {
		if want[i].Protocol().Code != have[i].Protocol().Code {
			return false
		}
		code := want[i].Protocol().Code
		anyPort := (code == ma.P_TCP || code == ma.P_UDP) && want[i].Value() == strconv.Itoa(0)
		if !anyPort && want[i].Value() != have[i].Value() {
			return false
		}
	}
	return true
}
