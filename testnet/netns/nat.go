//go:build linux

package netns

import (
	"context"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"strconv"
	"strings"
)

// Mapping is how a router gives the hosts behind it a place on the switch.
// What nobody inside has begun is dropped by all of them.
type Mapping string

// The kinds of RFC 4787, section 4.1: with the first, what an inside port
// becomes does not depend on where its packets go, so it can be told to others;
// with the second it does.
const (
	EndpointIndependent Mapping = "masquerade"
	Symmetric           Mapping = "masquerade fully-random"
)

// Router is a host that translates the addresses of those behind it.
type Router struct {
	*Host
	subnet [3]byte
	inside int
}

// rules let in what was begun inside, and what the chains of miniupnpd say.
const rules = `table inet filter {
	chain input { type filter hook input priority 0; policy accept; iifname "eth0" ct state new drop; }
	chain forward { type filter hook forward priority 0; policy drop; ct state established,related accept; iifname "lan" accept; jump miniupnpd; }
	chain prerouting { type nat hook prerouting priority -100; jump prerouting_miniupnpd; }
	chain postrouting { type nat hook postrouting priority 100; jump postrouting_miniupnpd; oifname "eth0" %s; }
	chain miniupnpd { }
	chain prerouting_miniupnpd { }
	chain postrouting_miniupnpd { }
}
`

// Router adds a router with a line to the switch.
func (n *Net) Router(ctx context.Context, name string, m Mapping, line Line) (*Router, error) {
	h, err := n.Host(ctx, name, line)
	if err != nil {
		return nil, err
	}
	r := &Router{Host: h, subnet: [3]byte{192, 168, byte(n.hosts)}, inside: 1}
	for _, args := range [][]string{
		{"link", "add", "lan", "type", "bridge", "forward_delay", "0"},
		{"addr", "add", r.address(1).String() + "/24", "dev", "lan"},
		{"link", "set", "lan", "up"},
	} {
		if err := n.ip(ctx, name, args...); err != nil {
			return nil, err
		}
	}
	translate := h.Command(ctx, "sh", "-c", "echo 1 >/proc/sys/net/ipv4/ip_forward && exec nft -f -")
	translate.Stdin = strings.NewReader(fmt.Sprintf(rules, m))
	if out, err := translate.CombinedOutput(); err != nil {
		return nil, fmt.Errorf("netns: translate at %s: %w: %s", name, err, out)
	}
	return r, nil
}

// StrictTCP makes the router follow TCP to the letter, as some do: a SYN from
// outside is dropped, even if one was sent to where it comes from.
func (r *Router) StrictTCP(ctx context.Context) error {
	return run(ctx, "ip", "netns", "exec", r.net.Prefix+r.Name,
		"nft", "insert", "rule", "inet", "filter", "forward", "iifname", "eth0", "tcp", "flags", "&", "(syn|ack)", "==", "syn", "drop")
}

func (r *Router) address(n int) netip.Addr {
	return netip.AddrFrom4([4]byte{r.subnet[0], r.subnet[1], r.subnet[2], byte(n)})
}

// Behind adds a host behind the router, which is its way to the switch.
func (r *Router) Behind(ctx context.Context, name string, line Line) (*Host, error) {
	if r.inside++; r.inside > maxHosts {
		return nil, fmt.Errorf("netns: more than %d hosts behind %s", maxHosts, r.Name)
	}
	h := &Host{Name: name, Addr: r.address(r.inside), net: r.net, at: r.Name, port: "port" + strconv.Itoa(r.inside)}
	if err := h.plug(ctx, "lan", 24); err != nil {
		return nil, err
	}
	if err := r.net.ip(ctx, name, "route", "add", "default", "via", r.address(1).String()); err != nil {
		return nil, err
	}
	return h, h.SetLine(ctx, line)
}

// Ports starts miniupnpd, which opens ports for whoever inside asks by UPnP or
// NAT-PMP. It runs as long as the network.
func (r *Router) Ports(ctx context.Context) (*Process, error) {
	conf := filepath.Join(r.net.Dir, r.Name+".upnp")
	text := fmt.Sprintf(`ext_ifname=eth0
listening_ip=lan
enable_natpmp=yes
enable_upnp=yes
secure_mode=yes
lease_file=%[1]s.leases
uuid=00000000-0000-4000-8000-%012[2]x
upnp_table_name=filter
upnp_nat_table_name=filter
upnp_forward_chain=miniupnpd
upnp_nat_chain=prerouting_miniupnpd
upnp_nat_postrouting_chain=postrouting_miniupnpd
allow 1024-65535 192.168.0.0/16 1024-65535
deny 0-65535 0.0.0.0/0 0-65535
`, conf, int(r.subnet[2]))
	if err := os.WriteFile(conf, []byte(text), 0o644); err != nil {
		return nil, fmt.Errorf("netns: write %s: %w", conf, err)
	}
	return r.Start(nil, nil, "miniupnpd", "-d", "-f", conf, "-P", conf+".pid")
}
