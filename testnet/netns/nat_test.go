//go:build system && linux

package netns

import (
	"bufio"
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"
	"text/tabwriter"
	"time"

	"github.com/libp2p/go-libp2p/core/host"
	"github.com/libp2p/go-libp2p/core/network"
	"github.com/libp2p/go-libp2p/core/peer"
	ma "github.com/multiformats/go-multiaddr"
	manet "github.com/multiformats/go-multiaddr/net"

	"github.com/flashcrowd/flashcrowd/fetch/swarm"
)

// natEcho is the protocol by which two nodes show that they exchange directly.
const natEcho = "/flashcrowd/test/echo"

// peerPart is a node of the table: a host as every node has it, that dials
// whom it is told to.
func peerPart() error {
	swarm.TrustObservers(1)
	var relays []peer.AddrInfo
	if err := json.Unmarshal([]byte(os.Getenv("RELAYS")), &relays); err != nil {
		return err
	}
	h, err := swarm.NewHost(swarm.HostConfig{
		Listen: strings.Split(os.Getenv("LISTEN"), ","),
		Reach: swarm.Reach{On: true, Ports: true, Relay: true, Relays: func(context.Context, int) <-chan peer.AddrInfo {
			out := make(chan peer.AddrInfo, len(relays))
			for _, r := range relays {
				out <- r
			}
			close(out)
			return out
		}},
	})
	if err != nil {
		return err
	}
	h.SetStreamHandler(natEcho, func(s network.Stream) { _, _ = io.Copy(s, s); s.Close() })
	for _, r := range relays {
		if err := h.Connect(context.Background(), r); err != nil {
			return fmt.Errorf("meet relay: %w", err)
		}
	}
	in := bufio.NewScanner(os.Stdin)
	in.Buffer(nil, 1<<20)
	for in.Scan() {
		what, arg, _ := strings.Cut(in.Text(), " ")
		switch what {
		case "addrs":
			out, _ := json.Marshal(peer.AddrInfo{ID: h.ID(), Addrs: h.Addrs()})
			fmt.Println(string(out))
		case "dial":
			var to peer.AddrInfo
			if err := json.Unmarshal([]byte(arg), &to); err != nil {
				return err
			}
			fmt.Println(echo(h, to))
		}
	}
	return in.Err()
}

// echo says how octets went to another node and back: over which transport,
// and after how long, or not at all.
func echo(h host.Host, to peer.AddrInfo) string {
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	defer cancel()
	began := time.Now()
	if err := h.Connect(ctx, to); err != nil {
		return "none"
	}
	s, err := h.NewStream(ctx, to.ID, natEcho)
	if err != nil {
		return "none"
	}
	defer s.Reset()
	_ = s.SetDeadline(time.Now().Add(10 * time.Second))
	if _, err := s.Write([]byte("echo")); err != nil {
		return "none"
	}
	if _, err := io.ReadFull(s, make([]byte, 4)); err != nil || s.Conn().Stat().Limited {
		return "none"
	}
	transport := "tcp"
	if _, err := s.Conn().RemoteMultiaddr().ValueForProtocol(ma.P_QUIC_V1); err == nil {
		transport = "quic"
	}
	return fmt.Sprintf("%s %d ms", transport, time.Since(began).Milliseconds())
}

// natPeer is a running peerPart.
type natPeer struct {
	kind string
	in   io.Writer
	out  *bufio.Scanner
}

func (p *natPeer) ask(t *testing.T, what string) string {
	t.Helper()
	if _, err := fmt.Fprintln(p.in, what); err != nil || !p.out.Scan() {
		t.Errorf("%s is gone: %v, %v", p.kind, err, p.out.Err())
		return ""
	}
	return p.out.Text()
}

func (p *natPeer) info(t *testing.T) (ai peer.AddrInfo) {
	t.Helper()
	if err := json.Unmarshal([]byte(p.ask(t, "addrs")), &ai); err != nil {
		t.Error(err)
	}
	return ai
}

func startPeer(t *testing.T, h *Host, kind string, listen []string, relays []peer.AddrInfo) *natPeer {
	t.Helper()
	raw, err := json.Marshal(relays)
	if err != nil {
		t.Fatal(err)
	}
	inR, inW := io.Pipe()
	outR, outW := io.Pipe()
	p := &Process{cmd: h.Command(context.Background(), "env", part+"=peer", "RELAYS="+string(raw), "LISTEN="+strings.Join(listen, ","), os.Args[0]), ended: make(chan struct{})}
	p.cmd.Stdin, p.cmd.Stdout, p.cmd.Stderr = inR, outW, os.Stderr
	p.cmd.WaitDelay = time.Second
	if err := p.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	go func() { p.err = p.cmd.Wait(); outW.Close(); close(p.ended) }()
	t.Cleanup(func() { inW.Close(); p.cmd.Process.Kill(); <-p.ended })
	out := bufio.NewScanner(outR)
	out.Buffer(nil, 1<<20)
	return &natPeer{kind, inW, out}
}

// natColumns are what nodes listen at: one transport alone, or both, as by
// default.
var (
	natColumns = []string{"TCP", "QUIC", "both"}
	natListen  = map[string][]string{
		"TCP":  {"/ip4/0.0.0.0/tcp/3130"},
		"QUIC": {"/ip4/0.0.0.0/udp/3130/quic-v1"},
		"both": {"/ip4/0.0.0.0/tcp/3131", "/ip4/0.0.0.0/udp/3131/quic-v1"},
	}
)

var natKinds = []string{"public", "upnp", "endpoint-independent", "strict", "symmetric"}

// place returns a host that is connected as kind says.
func place(t *testing.T, n *Net, kind, name string) *Host {
	t.Helper()
	if kind == "public" {
		return addHost(t, n, name, Line{})
	}
	mapping := EndpointIndependent
	if kind == "symmetric" {
		mapping = Symmetric
	}
	r, err := n.Router(t.Context(), "r"+name, mapping, Line{})
	if err != nil {
		t.Fatal(err)
	}
	if kind == "strict" {
		if err := r.StrictTCP(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	if kind == "upnp" {
		if _, err := r.Ports(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	h, err := r.Behind(t.Context(), name, Line{})
	if err != nil {
		t.Fatal(err)
	}
	return h
}

// reachable waits until p can be told to others: it is dialled where it is, or
// has a port of its router, or a place at a relay.
func reachable(t *testing.T, p *natPeer) bool {
	t.Helper()
	for deadline := time.Now().Add(150 * time.Second); time.Now().Before(deadline); {
		for _, a := range p.info(t).Addrs {
			_, err := a.ValueForProtocol(ma.P_CIRCUIT)
			if err == nil || open(p.kind) && manet.IsPublicAddr(a) {
				return true
			}
		}
		<-time.After(500 * time.Millisecond)
	}
	return false
}

// open reports whether nodes of that kind let in whoever knocks.
func open(kind string) bool { return kind == "public" || kind == "upnp" || kind == "IPv6" }

// over leaves the relays' addresses of one transport: by these a node learns
// what its router makes of its port.
func over(column string, relays []peer.AddrInfo) []peer.AddrInfo {
	code := ma.P_TCP
	switch column {
	case "QUIC":
		code = ma.P_QUIC_V1
	case "both":
		return relays
	}
	var out []peer.AddrInfo
	for _, r := range relays {
		out = append(out, peer.AddrInfo{ID: r.ID, Addrs: ma.FilterAddrs(r.Addrs, func(a ma.Multiaddr) bool {
			_, err := a.ValueForProtocol(code)
			return err == nil
		})})
	}
	return out
}

// startRelays starts two relays that listen at both transports. They let nodes
// agree, and carry nothing else.
func startRelays(t *testing.T, n *Net, v6 bool) (relays []peer.AddrInfo) {
	t.Helper()
	for i := range 2 {
		h, listen := addHost(t, n, fmt.Sprintf("relay%d", i), Line{}), slices.Clone(natListen["both"])
		if v6 {
			global(t, h, false)
			listen = overIPv6(listen)
		}
		p := startPeer(t, h, "relay", listen, relays)
		relays = append(relays, p.info(t))
	}
	return relays
}

// meetings are what came of dials between two nodes of each kind, by "FROM to
// TO COLUMN".
type meetings map[string]string

// meet lets the first node of each kind dial the second one of each, in all
// columns.
func meet(t *testing.T, kinds []string, peers map[string][]*natPeer) meetings {
	t.Helper()
	var ready sync.WaitGroup
	for _, all := range peers {
		for _, p := range all {
			ready.Go(func() {
				if !reachable(t, p) {
					t.Errorf("%s is nowhere reachable: %v", p.kind, p.info(t).Addrs)
				}
			})
		}
	}
	ready.Wait()
	results := make(meetings)
	var mu sync.Mutex // guards results
	var dialling sync.WaitGroup
	for column, all := range peers {
		var targets []string
		for _, to := range all[len(kinds):] {
			raw, err := json.Marshal(to.info(t))
			if err != nil {
				t.Fatal(err)
			}
			targets = append(targets, string(raw))
		}
		for _, from := range all[:len(kinds)] {
			dialling.Go(func() {
				for k, to := range kinds {
					got := from.ask(t, "dial "+targets[k])
					mu.Lock()
					results[from.kind+" to "+to+" "+column] = got
					mu.Unlock()
				}
			})
		}
	}
	dialling.Wait()
	return results
}

// table prints the meetings and fails where they are not as wanted.
func (m meetings) table(t *testing.T, kinds, columns []string, want func(from, to, column string) string) {
	t.Helper()
	var text strings.Builder
	w := tabwriter.NewWriter(&text, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "from\tto\t"+strings.Join(columns, "\t"))
	for _, from := range kinds {
		for _, to := range kinds {
			fmt.Fprintf(w, "%s\t%s", from, to)
			for _, column := range columns {
				got := m[from+" to "+to+" "+column]
				fmt.Fprintf(w, "\t%s", got)
				transport, _, _ := strings.Cut(got, " ")
				if !strings.Contains(want(from, to, column), cmp.Or(transport, "nothing")) {
					t.Errorf("%s to %s, %s: %q, want %s", from, to, column, got, want(from, to, column))
				}
			}
			fmt.Fprintln(w)
		}
	}
	w.Flush()
	t.Logf("pairs that exchange directly:\n%s", text.String())
}

// TestNATTable shows which pairs of nodes exchange directly, by transport.
func TestNATTable(t *testing.T) {
	t.Parallel()
	n := newNet(t)
	n.First = 11
	relays := startRelays(t, n, false)
	peers := make(map[string][]*natPeer) // by column: of each kind a dialler, then of each one to be dialled
	for i := range 2 {
		for k, kind := range natKinds {
			h := place(t, n, kind, fmt.Sprintf("n%d%d", i, k))
			for column, listen := range natListen {
				peers[column] = append(peers[column], startPeer(t, h, kind, listen, over(column, relays)))
			}
		}
	}
	meet(t, natKinds, peers).table(t, natKinds, natColumns, wantMeeting)
}

// wantMeeting says over which transport two nodes meet, or none. Two routers of
// which one gives each destination another port cannot be agreed with, and of
// two that are strict about TCP neither lets the other's first packet in.
func wantMeeting(from, to, column string) string {
	tcp, quic := column != "QUIC", column != "TCP"
	switch {
	case open(from), open(to):
	case from == "symmetric", to == "symmetric":
		return "none"
	case from == "strict" && to == "strict":
		tcp = false
	}
	switch {
	case tcp && quic:
		return "tcp or quic"
	case tcp:
		return "tcp"
	case quic:
		return "quic"
	}
	return "none"
}

// TestIPv6Table: without translation there is nothing to learn of a port; a
// firewall lets in answers, and so whoever is expected.
func TestIPv6Table(t *testing.T) {
	t.Parallel()
	n := newNet(t)
	relays := startRelays(t, n, true)
	kinds := []string{"IPv6", "IPv6, firewall"}
	peers := make(map[string][]*natPeer)
	for i := range 2 {
		for k, kind := range kinds {
			h := addHost(t, n, fmt.Sprintf("n%d%d", i, k), Line{})
			global(t, h, kind != "IPv6")
			for column, listen := range natListen {
				peers[column] = append(peers[column], startPeer(t, h, kind, overIPv6(listen), over(column, relays)))
			}
		}
	}
	meet(t, kinds, peers).table(t, kinds, natColumns, wantMeeting)
}

func global(t *testing.T, h *Host, walled bool) {
	t.Helper()
	if _, err := h.Global(t.Context(), walled); err != nil {
		t.Fatal(err)
	}
}

// overIPv6 returns the same places to listen at for IPv6.
func overIPv6(listen []string) (out []string) {
	for _, l := range listen {
		out = append(out, strings.Replace(l, "/ip4/0.0.0.0/", "/ip6/::/", 1))
	}
	return out
}
