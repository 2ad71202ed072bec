//go:build linux

package netns

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/netip"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// Host is a namespace with an address and a line.
type Host struct {
	Name string
	Addr netip.Addr

	net  *Net
	at   string // the host that holds the other end of its line
	port string // the other end of its line
}

// wall lets in what was begun inside, and what keeps IPv6 going.
const wall = `table inet wall {
	chain input { type filter hook input priority 0; policy drop; iifname "lo" accept; ct state established,related accept; meta l4proto ipv6-icmp accept; }
}
`

// Global gives the host an IPv6 address that all others with one reach, and
// with walled a firewall that lets in only answers. It returns the address.
func (h *Host) Global(ctx context.Context, walled bool) (netip.Addr, error) {
	ip := h.Addr.As4()
	a := netip.AddrFrom16([16]byte{0x2a, 0, 0, 0x77, 0, ip[2], 15: 1}) // a /48 of its own, all within one /32
	if err := h.net.ip(ctx, h.Name, "addr", "add", a.String()+"/32", "dev", "eth0", "nodad"); err != nil {
		return a, err
	}
	if !walled {
		return a, nil
	}
	filter := h.Command(ctx, "nft", "-f", "-")
	filter.Stdin = strings.NewReader(wall)
	if out, err := filter.CombinedOutput(); err != nil {
		return a, fmt.Errorf("netns: wall off %s: %w: %s", h.Name, err, out)
	}
	return a, nil
}

// Command prepares a program that runs on the host, as exec.CommandContext
// does; its process is that of the program itself. A host has no DNS.
func (h *Host) Command(ctx context.Context, name string, args ...string) *exec.Cmd {
	return exec.CommandContext(ctx, "ip", append([]string{"netns", "exec", h.net.Prefix + h.Name, name}, args...)...)
}

// Process is a program that runs until it is stopped.
type Process struct {
	cmd   *exec.Cmd
	ended chan struct{}
	err   error // once ended
}

// Start starts a program on the host, with its standard output and error in
// the writers (nil discards). It ends with the network at the latest.
func (h *Host) Start(stdout, stderr io.Writer, name string, args ...string) (*Process, error) {
	p := &Process{cmd: h.Command(context.Background(), name, args...), ended: make(chan struct{})}
	p.cmd.Stdout, p.cmd.Stderr = stdout, stderr
	p.cmd.WaitDelay = 5 * time.Second                       // children may hold the writers longer
	p.cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true} // ^C is for this program, which ends the network in order
	if err := p.cmd.Start(); err != nil {
		return nil, fmt.Errorf("netns: start %s on %s: %w", name, h.Name, err)
	}
	go func() {
		p.err = p.cmd.Wait()
		close(p.ended)
	}()
	return p, nil
}

// Ended is closed when the program has ended, by itself or not.
func (p *Process) Ended() <-chan struct{} { return p.ended }

// Stop tells the program to end, kills it with its children after 5 s, and
// returns when it has ended.
func (p *Process) Stop() {
	_ = p.cmd.Process.Signal(syscall.SIGTERM)
	select {
	case <-p.ended:
	case <-time.After(5 * time.Second):
		p.Kill()
	}
}

// Kill ends the program and its children at once.
func (p *Process) Kill() {
	_ = syscall.Kill(-p.cmd.Process.Pid, syscall.SIGKILL)
	<-p.ended
}

// PID is the number of the program's process.
func (p *Process) PID() int { return p.cmd.Process.Pid }

// ticks a second of the times in /proc: USER_HZ, which Linux fixes at 100.
const ticks = 100

// CPU returns how long the program has kept processors busy, with those of
// its children that have ended.
func (p *Process) CPU() (time.Duration, error) {
	select {
	case <-p.ended:
		return p.cmd.ProcessState.UserTime() + p.cmd.ProcessState.SystemTime(), nil
	default:
	}
	stat, err := os.ReadFile("/proc/" + strconv.Itoa(p.PID()) + "/stat")
	if err != nil {
		return 0, fmt.Errorf("netns: read CPU time: %w", err)
	}
	// The name in the second field may hold anything; utime is the 14th.
	fields := strings.Fields(string(stat[strings.LastIndexByte(string(stat), ')')+1:]))
	if len(fields) < 15 {
		return 0, errors.New("netns: read CPU time: short stat")
	}
	var sum int64
	for _, field := range fields[11:15] {
		n, err := strconv.ParseInt(field, 10, 64)
		if err != nil {
			return 0, fmt.Errorf("netns: read CPU time: %w", err)
		}
		sum += n
	}
	return time.Duration(sum) * time.Second / ticks, nil
}
