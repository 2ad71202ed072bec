package node

import (
	"context"
	"net"
	"net/netip"
	"path/filepath"

	"github.com/flashcrowd/flashcrowd/node/authority"
	"github.com/flashcrowd/flashcrowd/node/htpasswd"
	"github.com/flashcrowd/flashcrowd/node/proxy"
)

// CADir returns the folder of the interception authority within the data
// folder dir.
func CADir(dir string) string { return filepath.Join(dir, caName) }

// openAuthority makes or loads the authority where the user lists hosts. A
// new one has to be installed before clients believe it.
func (n *Node) openAuthority(context.Context) error {
	if len(n.cfg.Intercept) == 0 {
		return nil
	}
	dir := CADir(n.data.Path())
	a, renewed, err := authority.Open(dir, n.cfg.Intercept)
	if err != nil {
		return err
	}
	n.authority, n.exempt = a, authority.OpenExempt(dir)
	if renewed {
		n.log.Warn("new interception authority: run `flashcrowd ca install`, or see `flashcrowd ca show`",
			"file", authority.PublicFile(dir), "name", a.Certificate().Subject.CommonName)
	}
	return nil
}

// interception is what the proxy needs to answer for the hosts of the list.
func (n *Node) interception() *proxy.Interception {
	if n.authority == nil {
		return nil
	}
	return &proxy.Interception{
		Wants:  func(host string) bool { return n.cfg.Intercept.Has(host) && !n.cfg.Bypass.Has(host) },
		Vet:    n.origin.Vet,
		Leaf:   n.authority.Leaf,
		Exempt: n.exempt.Has,
		Spare: func(host, why string) {
			if err := n.exempt.Add(host, why); err != nil {
				n.log.Warn("remember tunnelled host", "err", err)
			}
		},
	}
}

// pause makes the node a plain proxy, or what it was before.
func (n *Node) pause(paused bool) {
	n.pausing.Lock()
	defer n.pausing.Unlock()
	if n.paused.Swap(paused) != paused {
		switch {
		case n.members == nil:
		case paused:
			n.members.Pause()
		default:
			n.members.Resume()
		}
		n.log.Info(map[bool]string{true: "paused", false: "resumed"}[paused])
	}
}

// names are the ones by which clients may call gateway and mirrors: those that
// the user gave to the listeners.
func (c Config) names() []string {
	var names []string
	listeners := []string{c.Proxy}
	for _, m := range c.Mirrors {
		listeners = append(listeners, m.Listen)
	}
	for _, l := range listeners {
		host, _, err := net.SplitHostPort(l)
		if _, literal := netip.ParseAddr(host); err == nil && literal != nil && host != "" {
			names = append(names, host)
		}
	}
	return names
}

// login is what knows the users of the node, nil where nobody is asked.
func (n *Node) login() (func(ctx context.Context, user, password string) bool, error) {
	if n.cfg.ProxyAuth == "" {
		return nil, nil
	}
	users, err := htpasswd.Open(n.cfg.ProxyAuth, n.log)
	if err != nil {
		return nil, &UsageError{"proxy-auth", err}
	}
	return users.Verify, nil
}

// certificate returns what clients have to trust, or nil where nothing is
// intercepted.
func (n *Node) certificate() []byte {
	if n.authority == nil {
		return nil
	}
	return n.authority.PEM()
}
