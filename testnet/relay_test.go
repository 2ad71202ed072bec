//go:build system

package testnet

import (
	"context"
	"encoding/base64"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"crypto/sha256"
)

// nginx is a real web server behind an uplink of its own: a relay that paces
// all connections together.
type nginx struct {
	URL  string
	Pace *Pace
}

// startNginx serves body at /big.bin, with its Repr-Digest.
func startNginx(t testing.TB, body []byte) *nginx {
	t.Helper()
	binary, err := exec.LookPath("nginx")
	if err != nil {
		if binary, err = exec.LookPath("/usr/sbin/nginx"); err != nil {
			t.Fatal("this test needs nginx: apt-get install nginx")
		}
	}
	dir := t.TempDir()
	if err := os.Chmod(dir, 0o755); err != nil { // its workers are another user
		t.Fatal(err)
	}
	root := filepath.Join(dir, "www")
	if err := os.Mkdir(root, 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(root, "big.bin"), body, 0o644); err != nil {
		t.Fatal(err)
	}
	port := freePort(t)
	sum := sha256.Sum256(body)
	conf := fmt.Sprintf(`
daemon off; pid %[1]s/pid; error_log stderr; user root;
events { worker_connections 256; }
http {
	access_log off; sendfile on;
	client_body_temp_path %[1]s/b; proxy_temp_path %[1]s/p; fastcgi_temp_path %[1]s/f; uwsgi_temp_path %[1]s/u; scgi_temp_path %[1]s/s;
	server {
		listen 127.0.0.1:%[2]d sndbuf=64k;
		root %[1]s/www;
		add_header Repr-Digest "sha-256=:%[3]s:";
		add_header Cache-Control "max-age=3600";
	}
}`, dir, port, base64.StdEncoding.EncodeToString(sum[:]))
	path := filepath.Join(dir, "nginx.conf")
	if err := os.WriteFile(path, []byte(conf), 0o644); err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(binary, "-c", path, "-p", dir)
	cmd.Stderr = os.Stderr
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = cmd.Process.Signal(os.Interrupt)
		_ = cmd.Wait()
	})
	backend := fmt.Sprintf("127.0.0.1:%d", port)
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	if err := waitFor(ctx, func() bool {
		c, err := net.Dial("tcp", backend)
		if err == nil {
			c.Close()
		}
		return err == nil
	}); err != nil {
		t.Fatalf("nginx does not answer: %v", err)
	}
	pace := NewPace(0)
	return &nginx{URL: "http://" + startRelay(t, backend, pace), Pace: pace}
}

// startRelay relays connections to backend and paces what comes back.
func startRelay(t testing.TB, backend string, pace *Pace) (addr string) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	var wg sync.WaitGroup
	ctx, cancel := context.WithCancel(context.Background())
	t.Cleanup(func() {
		cancel()
		l.Close()
		wg.Wait()
	})
	wg.Go(func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			wg.Go(func() { relay(ctx, c, backend, pace) })
		}
	})
	return l.Addr().String()
}

func relay(ctx context.Context, client net.Conn, backend string, pace *Pace) {
	server, err := net.Dial("tcp", backend)
	if err != nil {
		client.Close()
		return
	}
	paced := pace.Conn(client)
	hangUp := func() { paced.Close(); server.Close() }
	defer context.AfterFunc(ctx, hangUp)()
	var wg sync.WaitGroup
	wg.Go(func() { defer hangUp(); _, _ = io.Copy(server, client) })
	wg.Go(func() { defer hangUp(); _, _ = io.Copy(struct{ io.Writer }{paced}, struct{ io.Reader }{server}) })
	wg.Wait()
}

func freePort(t testing.TB) int {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().(*net.TCPAddr).Port
}
