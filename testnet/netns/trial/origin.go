//go:build linux

package trial

import (
	"bufio"
	"context"
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strings"

	"github.com/flashcrowd/flashcrowd/testnet/netns"
)

// filePath and pagePath are what the origin serves: the file that the crowd
// wants, and the small page that a bystander asks for.
const (
	filePath = "/file.bin"
	pagePath = "/page"
	pageSize = 1 << 10
)

// origin is nginx on a host of its own, which states the file's SHA-256.
type origin struct {
	host *netns.Host
	file string // on disk
	sum  [sha256.Size]byte
	log  string
	web  *netns.Process
}

const nginxConf = `
daemon off; pid %[1]s/pid; error_log %[1]s/error; user root;
events { worker_connections 1024; }
http {
	log_format requests '$request_method $status $uri'; access_log %[1]s/access requests;
	sendfile on; default_type application/octet-stream;
	client_body_temp_path %[1]s/b; proxy_temp_path %[1]s/p; fastcgi_temp_path %[1]s/f; uwsgi_temp_path %[1]s/u; scgi_temp_path %[1]s/s;
	server {
		listen 80; root %[1]s/www;
		add_header Cache-Control "max-age=3600";
		location = ` + filePath + ` { add_header Cache-Control "max-age=3600"; add_header Repr-Digest "sha-256=:%[2]s:"; }
	}
}`

// startOrigin makes a file of random octets and serves it.
func startOrigin(ctx context.Context, net *netns.Net, s Scenario) (*origin, error) {
	program, err := need("nginx")
	if err != nil {
		return nil, err
	}
	host, err := net.Host(ctx, "origin", s.Origin)
	if err != nil {
		return nil, err
	}
	dir := filepath.Join(net.Dir, "origin")
	if err := os.MkdirAll(filepath.Join(dir, "www"), 0o755); err != nil {
		return nil, fmt.Errorf("trial: make the site: %w", err)
	}
	body := random(int(s.Size), 1)
	o := &origin{host: host, file: filepath.Join(dir, "www", filePath), sum: sha256.Sum256(body), log: filepath.Join(dir, "access")}
	conf := fmt.Sprintf(nginxConf, dir, base64.StdEncoding.EncodeToString(o.sum[:]))
	for name, content := range map[string][]byte{
		o.file: body, filepath.Join(dir, "www", pagePath): random(pageSize, 2), filepath.Join(dir, "conf"): []byte(conf),
	} {
		if err := os.WriteFile(name, content, 0o644); err != nil {
			return nil, fmt.Errorf("trial: make the site: %w", err)
		}
	}
	if o.web, err = host.Start(nil, os.Stderr, program, "-p", dir, "-c", "conf", "-e", filepath.Join(dir, "error")); err != nil {
		return nil, err
	}
	page := host.Command(ctx, "curl", "-sS", "--fail", "--retry", "20", "--retry-connrefused", "--retry-delay", "1", "-o", "/dev/null", o.url(pagePath))
	if out, err := page.CombinedOutput(); err != nil {
		return nil, fmt.Errorf("trial: the origin does not answer: %w: %s", err, out)
	}
	return o, nil
}

func (o *origin) url(path string) string { return "http://" + o.host.Addr.String() + path }

// requests counts those for the file, from the server's log.
func (o *origin) requests() (int, error) {
	f, err := os.Open(o.log)
	if err != nil {
		return 0, fmt.Errorf("trial: count requests: %w", err)
	}
	defer f.Close()
	n := 0
	lines := bufio.NewScanner(f)
	for lines.Scan() {
		if strings.HasSuffix(lines.Text(), " "+filePath) {
			n++
		}
	}
	return n, lines.Err()
}

// random returns n octets that follow from seed alone and do not compress.
func random(n int, seed byte) []byte {
	body := make([]byte, n)
	_, _ = rand.NewChaCha8([32]byte{seed}).Read(body) // never fails
	return body
}

// need finds a program, or says which to install.
func need(name string) (string, error) {
	for _, dir := range []string{"", "/usr/sbin/", "/sbin/"} {
		if path, err := exec.LookPath(dir + name); err == nil {
			return path, nil
		}
	}
	return "", fmt.Errorf("trial: there is no %s: install it (apt-get install nginx curl aria2 mktorrent opentracker iproute2 python3-libtorrent)", name)
}
