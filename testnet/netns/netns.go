//go:build linux

package netns

import (
	"cmp"
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"net/netip"
	"os"
	"os/exec"
	"strconv"
	"strings"
)

// Net is a switch and the hosts on it. Its methods are for one goroutine.
type Net struct {
	// Prefix begins the names of all its namespaces.
	Prefix string
	// Dir is a folder for what its programs write, readable by every user. It
	// goes with the network.
	Dir string

	// First is the first octet of all addresses on the switch. If zero, 10,
	// whose addresses are private; 11 looks public to programs that care.
	First byte

	hosts  int
	reaper *exec.Cmd
	life   io.Closer // the reaper's standard input: its end is the network's
}

// router is the host that holds the switch.
const router = "router"

// maxHosts is how many fit the addresses.
const maxHosts = 250

// reap waits for the end of its standard input, which the kernel brings about
// however its parent ends. Then it kills what runs in the namespaces whose
// names begin with $1, waits until that is dead, and removes them and the
// folder $2.
const reap = `
trap '' HUP INT TERM
cat >/dev/null
for ns in $(ip netns list | cut -d' ' -f1 | grep "^$1"); do
	for try in 1 2 3 4 5 6 7 8 9 10; do
		pids=$(ip netns pids "$ns")
		[ -n "$pids" ] || break
		kill -9 $pids 2>/dev/null
		sleep 0.1
	done
	ip netns del "$ns"
done
rm -rf "$2"`

// New makes a network without hosts. The caller closes it.
func New(ctx context.Context) (_ *Net, err error) {
	if os.Geteuid() != 0 {
		return nil, errors.New("netns: network namespaces need root")
	}
	var lot [3]byte
	_, _ = rand.Read(lot[:]) // never fails
	n := &Net{Prefix: "fc" + hex.EncodeToString(lot[:]) + "-"}
	if n.Dir, err = os.MkdirTemp("", "flashcrowd-netns-"); err != nil {
		return nil, fmt.Errorf("netns: make folder: %w", err)
	}
	if err := n.startReaper(); err != nil {
		return nil, errors.Join(err, os.RemoveAll(n.Dir))
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, n.Close())
		}
	}()
	if err := os.Chmod(n.Dir, 0o755); err != nil {
		return nil, fmt.Errorf("netns: open folder: %w", err)
	}
	if err := run(ctx, "ip", "netns", "add", n.Prefix+router); err != nil {
		return nil, err
	}
	if err := n.ip(ctx, router, "link", "add", "switch", "type", "bridge", "forward_delay", "0"); err != nil {
		return nil, err
	}
	return n, n.ip(ctx, router, "link", "set", "switch", "up")
}

func (n *Net) startReaper() error {
	n.reaper = exec.Command("setsid", "sh", "-c", reap, "reaper", n.Prefix, n.Dir)
	life, err := n.reaper.StdinPipe()
	if err != nil {
		return fmt.Errorf("netns: start reaper: %w", err)
	}
	n.reaper.Stderr = os.Stderr
	if err := n.reaper.Start(); err != nil {
		return fmt.Errorf("netns: start reaper: %w", err)
	}
	n.life = life
	return nil
}

// Close ends every program of the network, removes it with its folder, and
// returns when that is done.
func (n *Net) Close() error {
	_ = n.life.Close()
	if err := n.reaper.Wait(); err != nil {
		return fmt.Errorf("netns: remove %s: %w", n.Prefix, err)
	}
	return nil
}

// ip runs an ip command inside the namespace of a host.
func (n *Net) ip(ctx context.Context, host string, args ...string) error {
	return run(ctx, "ip", append([]string{"-n", n.Prefix + host}, args...)...)
}

// tc runs a tc command inside the namespace of a host.
func (n *Net) tc(ctx context.Context, host string, args ...string) error {
	return run(ctx, "tc", append([]string{"-n", n.Prefix + host}, args...)...)
}

// Host adds a host with a line to the switch. The name must be new, of
// letters and digits. Each host is in a /24 of its own, because nodes count few
// members of one, and reaches all others without a router.
func (n *Net) Host(ctx context.Context, name string, line Line) (*Host, error) {
	if n.hosts++; n.hosts > maxHosts {
		return nil, fmt.Errorf("netns: more than %d hosts", maxHosts)
	}
	h := &Host{
		Name: name, Addr: netip.AddrFrom4([4]byte{cmp.Or(n.First, 10), 77, byte(n.hosts), 1}),
		net: n, at: router, port: "port" + strconv.Itoa(n.hosts),
	}
	if err := h.plug(ctx, "switch", 8); err != nil {
		return nil, err
	}
	return h, h.SetLine(ctx, line)
}

// plug makes the namespace of h and joins it to a bridge.
func (h *Host) plug(ctx context.Context, bridge string, bits int) error {
	n, ns := h.net, h.net.Prefix+h.Name
	if err := run(ctx, "ip", "netns", "add", ns); err != nil {
		return err
	}
	for _, step := range [][]string{
		{h.at, "link", "add", h.port, "type", "veth", "peer", "name", "eth0", "netns", ns},
		{h.at, "link", "set", h.port, "master", bridge, "up"},
		{h.Name, "link", "set", "lo", "up"},
		{h.Name, "addr", "add", h.Addr.String() + "/" + strconv.Itoa(bits), "dev", "eth0"},
		{h.Name, "link", "set", "eth0", "up"},
	} {
		if err := n.ip(ctx, step[0], step[1:]...); err != nil {
			return err
		}
	}
	reno := h.Command(ctx, "sh", "-c", "echo reno >/proc/sys/net/ipv4/tcp_congestion_control")
	if out, err := reno.CombinedOutput(); err != nil {
		return fmt.Errorf("netns: set reno on %s: %w: %s", h.Name, err, out)
	}
	return nil
}

// run runs a program and gives what it complained about as the error.
func run(ctx context.Context, name string, args ...string) error {
	out, err := exec.CommandContext(ctx, name, args...).CombinedOutput()
	if err != nil {
		return fmt.Errorf("netns: %s %s: %w: %s", name, strings.Join(args, " "), err, strings.TrimSpace(string(out)))
	}
	return nil
}
