package node

import (
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"net/url"
)

// face is one HTTP listener of a node.
type face struct {
	kind     string   // "proxy", "admin" or "mirror"
	origin   *url.URL // of a mirror
	listener net.Listener
	server   *http.Server
}

// listen opens the listener of a face. It is closed with the node.
func (n *Node) listen(kind, addr string, origin *url.URL) error {
	l, err := net.Listen("tcp", addr)
	if err != nil {
		return fmt.Errorf("node: listen for %s: %w", kind, err)
	}
	n.faces = append(n.faces, &face{kind: kind, listener: l, origin: origin})
	n.closing(func() error {
		if err := l.Close(); err != nil && !errors.Is(err, net.ErrClosed) {
			return err
		}
		return nil
	})
	return nil
}

// addrs returns where the faces listen.
func (n *Node) addrs() []netip.AddrPort {
	var out []netip.AddrPort
	for _, f := range n.faces {
		out = append(out, f.addr())
	}
	return out
}

func (n *Node) face(kind string) *face {
	for _, f := range n.faces {
		if f.kind == kind {
			return f
		}
	}
	panic("node: internal error: no " + kind)
}

func (f *face) addr() netip.AddrPort { return f.listener.Addr().(*net.TCPAddr).AddrPort() }

// url is how this machine reaches the face.
func (f *face) url() string {
	a := f.addr()
	ip := a.Addr().Unmap()
	if ip.IsUnspecified() {
		ip = netip.AddrFrom4([4]byte{127, 0, 0, 1})
	}
	return "http://" + netip.AddrPortFrom(ip, a.Port()).String()
}

// ProxyURL returns the URL of the forward proxy and gateway.
func (n *Node) ProxyURL() string { return n.face("proxy").url() }

// AdminURL returns the URL of the dashboard and API.
func (n *Node) AdminURL() string { return n.face("admin").url() }

// Lines returns what `flashcrowd up` prints before "ready" (design.md section
// 13): a line for each listener, with the real ports.
func (n *Node) Lines() []string {
	lines := []string{"proxy " + n.ProxyURL(), "admin " + n.AdminURL()}
	for _, f := range n.faces {
		if f.kind == "mirror" {
			lines = append(lines, "mirror "+f.url()+" "+f.origin.String())
		}
	}
	for _, a := range n.PeerAddrs() {
		lines = append(lines, "peer "+a)
	}
	return lines
}
