//go:build system

package compare

import (
	"bytes"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
)

// process is a server with all that it forks.
type process struct {
	name string
	cmd  *exec.Cmd
	out  bytes.Buffer
}

// start runs a program on the given core until the test ends.
func start(t testing.TB, core, name string, words ...string) *process {
	t.Helper()
	p := &process{name: name, cmd: exec.Command("taskset", append([]string{"-c", core}, words...)...)}
	p.cmd.Stdout, p.cmd.Stderr = &p.out, &p.out
	p.cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	if err := p.cmd.Start(); err != nil {
		t.Fatalf("%s: %v", name, err)
	}
	t.Cleanup(func() {
		for _, pid := range p.family() {
			_ = syscall.Kill(pid, syscall.SIGKILL)
		}
		_ = p.cmd.Wait()
	})
	return p
}

// family returns the process and its descendants.
func (p *process) family() []int {
	children := map[int][]int{}
	stats, _ := filepath.Glob("/proc/[0-9]*/stat")
	for _, path := range stats {
		if pid, fields := readStat(path); len(fields) > 2 {
			parent, _ := strconv.Atoi(fields[1])
			children[parent] = append(children[parent], pid)
		}
	}
	all := []int{p.cmd.Process.Pid}
	for i := 0; i < len(all); i++ {
		all = append(all, children[all[i]]...)
	}
	return all
}

// ticks is USER_HZ, which is 100 on every Linux that Go runs on.
const ticks = 100

// cpu returns the CPU time that the family has used, of user and system.
func (p *process) cpu() time.Duration {
	var sum int64
	for _, pid := range p.family() {
		if _, fields := readStat(fmt.Sprintf("/proc/%d/stat", pid)); len(fields) > 12 {
			user, _ := strconv.ParseInt(fields[11], 10, 64)
			system, _ := strconv.ParseInt(fields[12], 10, 64)
			sum += user + system
		}
	}
	return time.Duration(sum) * time.Second / ticks
}

// readStat returns the fields of proc_pid_stat(5) from the third on, which
// begin after the name in brackets.
func readStat(path string) (pid int, fields []string) {
	b, err := os.ReadFile(path)
	if err != nil {
		return 0, nil // it ended
	}
	pid, _ = strconv.Atoi(filepath.Base(filepath.Dir(path)))
	_, rest, _ := strings.Cut(string(b[bytes.LastIndexByte(b, ')'):]), " ")
	return pid, strings.Fields(rest)
}

// freePort returns a port of 127.0.0.1 that nobody listens on: nobody else is
// in this network namespace.
func freePort(t testing.TB) int {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().(*net.TCPAddr).Port
}

// await returns when something listens on port.
func (p *process) await(t testing.TB, port int) {
	t.Helper()
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for end := time.Now().Add(20 * time.Second); time.Now().Before(end); <-tick.C {
		c, err := net.Dial("tcp", fmt.Sprintf("127.0.0.1:%d", port))
		if err == nil {
			c.Close()
			return
		}
	}
	t.Fatalf("%s does not listen on %d:\n%s", p.name, port, p.out.String())
}

// write makes a file of a configuration.
func write(t testing.TB, path, text string) string {
	t.Helper()
	if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
	return path
}
