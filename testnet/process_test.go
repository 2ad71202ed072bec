//go:build system

package testnet

import (
	"bufio"
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/flashcrowd/flashcrowd/fetch"
	"github.com/flashcrowd/flashcrowd/testnet/netns/trial"
)

// process is a node as a process of its own.
type process struct {
	t     testing.TB
	name  string
	path  string // of the program
	args  []string
	data  string
	cmd   *exec.Cmd
	Proxy string
	Peers []string
}

// startProcess runs `flashcrowd up` and returns when it is ready.
func startProcess(t testing.TB, i int, bootstrap string) *process {
	t.Helper()
	path, err := trial.Binary()
	if err != nil {
		t.Fatal(err)
	}
	p := &process{t: t, name: fmt.Sprintf("node %d", i+1), path: path, data: t.TempDir()}
	p.args = []string{
		"up", "--network", "lab", "--bootstrap", bootstrap, "--data", p.data, "--proxy", "127.0.0.1:0",
		"--admin", "127.0.0.1:0", "--listen", "/ip4/127.0.0.1/tcp/0", "--log-level", "warn",
	}
	p.start()
	t.Cleanup(p.kill)
	return p
}

func (p *process) start() {
	p.t.Helper()
	p.cmd = exec.Command(p.path, p.args...)
	p.cmd.Stderr = os.Stderr
	stdout, err := p.cmd.StdoutPipe()
	if err != nil {
		p.t.Fatal(err)
	}
	if err := p.cmd.Start(); err != nil {
		p.t.Fatal(err)
	}
	p.Peers = nil
	lines := bufio.NewScanner(stdout)
	for lines.Scan() {
		word, rest, _ := strings.Cut(lines.Text(), " ")
		switch word {
		case "proxy":
			p.Proxy = rest
		case "peer":
			p.Peers = append(p.Peers, rest)
		case "ready":
			go func() { _, _ = io.Copy(io.Discard, stdout) }()
			return
		}
	}
	p.t.Fatalf("%s ended before it was ready", p.name)
}

// kill ends the process at once, as kill -9 does.
func (p *process) kill() {
	if p.cmd.ProcessState == nil {
		_ = p.cmd.Process.Signal(syscall.SIGKILL)
		_ = p.cmd.Wait()
	}
}

// ask runs another command of the program on the node.
func (p *process) ask(args ...string) []byte {
	p.t.Helper()
	cmd := exec.Command(p.path, append(args, "--data", p.data)...)
	var complaints bytes.Buffer
	cmd.Stderr = &complaints
	out, err := cmd.Output()
	if err != nil {
		p.t.Fatalf("%s: flashcrowd %s: %v\n%s", p.name, strings.Join(args, " "), err, complaints.Bytes())
	}
	return out
}

// why returns the node's receipt for url, once one is there whose body is
// complete.
func (p *process) why(url string) fetch.Receipt {
	p.t.Helper()
	var r fetch.Receipt
	if err := json.Unmarshal(p.ask("why", url, "--json"), &r); err != nil {
		p.t.Fatalf("%s: receipt: %v", p.name, err)
	}
	return r
}

// curl downloads url through the node with the real curl, compares, and
// returns how long it took.
func (p *process) curl(url string, want []byte) (time.Duration, error) {
	return curl(p.t, want, "-x", p.Proxy, url)
}

func curl(t testing.TB, want []byte, args ...string) (time.Duration, error) {
	file := filepath.Join(t.TempDir(), "body")
	begin := time.Now()
	out, err := exec.Command("curl", append([]string{"-sS", "--fail", "--noproxy", "", "-o", file}, args...)...).CombinedOutput()
	took := time.Since(begin)
	if err != nil {
		return took, fmt.Errorf("curl: %w: %s", err, out)
	}
	got, err := os.ReadFile(file)
	if err != nil {
		return took, err
	}
	if !bytes.Equal(got, want) {
		return took, fmt.Errorf("curl: got %d octets, and not the right ones", len(got))
	}
	return took, nil
}
