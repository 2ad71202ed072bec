//go:build system

package compare

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/flashcrowd/flashcrowd/testnet/netns/trial"
)

// origin is a web server on the clients' core with pages /1k, /100k and /1g,
// fresh for an hour, and the same again under any name below /each-1k/ and
// /each-256m/.
type origin struct {
	*process
	port int
	log  string // a line for each request
}

const octets1k, octets100k, octets256m, octets1g = 1 << 10, 100 << 10, 256 << 20, 1 << 30

func startOrigin(t testing.TB) *origin {
	t.Helper()
	dir := folder(t)
	for name, size := range map[string]int64{"1k": octets1k, "100k": octets100k, "256m": octets256m, "1g": octets1g} {
		f, err := os.Create(filepath.Join(dir, name))
		if err == nil {
			err = f.Truncate(size)
		}
		if err != nil {
			t.Fatal(err)
		}
		f.Close()
	}
	o := &origin{port: freePort(t), log: filepath.Join(dir, "requests")}
	conf := write(t, filepath.Join(dir, "origin.conf"), fmt.Sprintf(`%s
	server {
		listen 127.0.0.1:%d;
		root %s;
		access_log %s;
		keepalive_requests 1000000;
		add_header Cache-Control "max-age=3600";
		location /each-1k/ { try_files /1k =404; }
		location /each-256m/ { try_files /256m =404; }
	}
}`, nginxHead(dir), o.port, dir, o.log))
	o.process = start(t, clientCore, "origin", "nginx", "-p", dir, "-c", conf)
	o.await(t, o.port)
	return o
}

func (o *origin) url() string { return fmt.Sprintf("http://127.0.0.1:%d", o.port) }

// requests returns how many requests have come.
func (o *origin) requests(t testing.TB) int {
	t.Helper()
	b, err := os.ReadFile(o.log)
	if err != nil {
		t.Fatal(err)
	}
	return strings.Count(string(b), "\n")
}

func nginxHead(dir string) string {
	return fmt.Sprintf(`daemon off; user root; worker_processes 1; pid %s/nginx.pid; error_log %s/error.log;
events { worker_connections 1024; }
http {
	default_type application/octet-stream; sendfile on; tcp_nopush on; access_log off; keepalive_requests 1000000;`, dir, dir)
}

// folder returns a folder that every user may enter: Squid and Varnish give
// up root.
func folder(t testing.TB) string {
	t.Helper()
	dir := t.TempDir()
	for d := dir; d != os.TempDir() && d != "/"; d = filepath.Dir(d) {
		if err := os.Chmod(d, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

// server is a cache in front of the origin: at url() as reverse proxy, and
// where it is one, at forward as forward proxy.
type server struct {
	*process
	port    int
	forward int
}

func (s *server) url() string { return fmt.Sprintf("http://127.0.0.1:%d", s.port) }

// servers are the caches under comparison, ours first.
var servers = []struct {
	name  string
	start func(testing.TB, *origin) *server
}{
	{"flashcrowd", startFlashcrowd},
	{"nginx", startNginx},
	{"varnish", startVarnish},
	{"squid", startSquid},
}

func startFlashcrowd(t testing.TB, o *origin) *server {
	t.Helper()
	path, err := trial.Binary()
	if err != nil {
		t.Fatal(err)
	}
	s := &server{port: freePort(t), forward: freePort(t)}
	s.process = start(t, serverCore, "flashcrowd", "env", "GOMAXPROCS=1", path, "up",
		"--network", "compare", "--bootstrap", "none", "--data", filepath.Join(folder(t), "data"),
		"--proxy", fmt.Sprintf("127.0.0.1:%d", s.forward), "--admin", "127.0.0.1:0", "--listen", "/ip4/127.0.0.1/tcp/0",
		"--mirror", fmt.Sprintf("127.0.0.1:%d=%s", s.port, o.url()), "--log-level", "warn")
	s.await(t, s.port)
	return s
}

func startNginx(t testing.TB, o *origin) *server {
	t.Helper()
	dir := folder(t)
	s := &server{port: freePort(t)}
	conf := write(t, filepath.Join(dir, "nginx.conf"), fmt.Sprintf(`%s
	proxy_cache_path %s/cache levels=1:2 keys_zone=all:16m max_size=8g use_temp_path=off;
	upstream origin { server 127.0.0.1:%d; keepalive 16; }
	server {
		listen 127.0.0.1:%d;
		location / {
			proxy_pass http://origin; proxy_http_version 1.1; proxy_set_header Connection "";
			proxy_cache all; proxy_max_temp_file_size 4096m;
		}
	}
}`, nginxHead(dir), dir, o.port, s.port))
	s.process = start(t, serverCore, "nginx", "nginx", "-p", dir, "-c", conf)
	s.await(t, s.port)
	return s
}

func startVarnish(t testing.TB, o *origin) *server {
	t.Helper()
	s := &server{port: freePort(t)}
	s.process = start(t, serverCore, "varnish", "varnishd", "-F", "-j", "none", "-n", filepath.Join(folder(t), "varnish"),
		"-a", fmt.Sprintf("127.0.0.1:%d", s.port), "-b", fmt.Sprintf("127.0.0.1:%d", o.port), "-s", "malloc,3g")
	s.await(t, s.port)
	return s
}

func startSquid(t testing.TB, o *origin) *server {
	t.Helper()
	dir := folder(t)
	if err := os.Chmod(dir, 0o777); err != nil {
		t.Fatal(err)
	}
	s := &server{port: freePort(t), forward: freePort(t)}
	conf := write(t, filepath.Join(dir, "squid.conf"), fmt.Sprintf(`http_port 127.0.0.1:%d accel defaultsite=127.0.0.1:%d
http_port 127.0.0.1:%d
cache_peer 127.0.0.1 parent %d 0 no-query originserver name=origin
acl reverse myportname 127.0.0.1:%d
cache_peer_access origin allow all
http_access allow all
maximum_object_size 4 GB
maximum_object_size_in_memory 512 KB
cache_mem 256 MB
cache_dir ufs %s/cache 8192 16 256
access_log none
cache_log %s/cache.log
cache_store_log none
pid_filename none
pinger_enable off
shutdown_lifetime 0 seconds
coredump_dir %s
`, s.port, o.port, s.forward, o.port, s.port, dir, dir, dir))
	if out, err := exec.Command("squid", "-N", "-z", "-f", conf).CombinedOutput(); err != nil {
		t.Fatalf("squid -z: %v\n%s", err, out)
	}
	s.process = start(t, serverCore, "squid", "squid", "-N", "-f", conf)
	s.await(t, s.port)
	return s
}
