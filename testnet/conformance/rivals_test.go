//go:build system

package conformance

import (
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"time"
)

const differencesFile = "../../docs/differential.md"

// TestDifferential puts the cases to the caches of Debian. That each of them
// passes many holds the suite to what the world takes HTTP for. With -write it
// puts all cases to them and to this cache, which takes some minutes, and writes
// docs/differential.md; without, one case in ten.
func TestDifferential(t *testing.T) {
	w, own := testWorld(t)
	cases, rivals := Cases(), []*Rival{startNginx(t, w), startSquid(t, w), startVarnish(t, w)}
	if *write {
		rivals = append([]*Rival{
			{Target: own[0], Title: "flashcrowd", Notes: "forward proxy"}, {Target: own[2], Title: "flashcrowd", Notes: "mirror"},
		}, rivals...)
	} else {
		cases = every(10, cases)
	}
	for _, r := range rivals {
		atOnce := 32
		if r.Title == "flashcrowd" { // of which some cases want all connections to one origin
			atOnce = 1
		}
		w.Fare(t.Context(), r, cases, atOnce)
		t.Logf("%s %s, %s: %d of %d cases", r.Title, r.Version, r.Notes, r.Runs-len(r.Wrong), r.Runs)
		switch {
		case r.Title == "flashcrowd":
			for key, wrong := range r.Wrong {
				t.Errorf("%s: %q", key, wrong)
			}
		case len(r.Wrong)*3 > r.Runs*2:
			t.Errorf("%s fails %d of %d cases: is it set up as it should be?", r.Title, len(r.Wrong), r.Runs)
		}
	}
	if *write {
		if err := os.WriteFile(differencesFile, []byte(Differences(Cases(), rivals)), 0o644); err != nil {
			t.Fatal(err)
		}
	}
}

func every(n int, cases []Case) (out []Case) {
	for i := 0; i < len(cases); i += n {
		out = append(out, cases[i])
	}
	return out
}

// freePort returns the address of a port that was free a moment ago.
func freePort(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().String()
}

// folder returns a folder that any user may write to: some programs give root
// up.
func folder(t *testing.T) string {
	t.Helper()
	dir, err := os.MkdirTemp("/tmp", "fc-rival")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	if err := os.Chmod(dir, 0o777); err != nil {
		t.Fatal(err)
	}
	return dir
}

// run starts a program that listens at addr, and ends it with the test.
func run(t *testing.T, addr string, args ...string) {
	t.Helper()
	path, err := exec.LookPath(args[0])
	if err != nil {
		path = "/usr/sbin/" + args[0]
	}
	log, err := os.Create(filepath.Join(t.TempDir(), args[0]+".log"))
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(path, args[1:]...)
	cmd.Stdout, cmd.Stderr = log, log
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		syscall.Kill(-cmd.Process.Pid, syscall.SIGTERM)
		time.AfterFunc(5*time.Second, func() { syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) })
		cmd.Wait()
		log.Close()
	})
	deadline := time.Now().Add(30 * time.Second)
	for {
		c, err := net.DialTimeout("tcp", addr, time.Second)
		if err == nil {
			c.Close()
			return
		}
		if time.Now().After(deadline) {
			text, _ := os.ReadFile(log.Name())
			t.Fatalf("%s does not listen: %s", args[0], text)
		}
		select {
		case <-t.Context().Done():
			t.Fatal(t.Context().Err())
		case <-time.After(50 * time.Millisecond):
		}
	}
}

var numbers = regexp.MustCompile(`\d+(\.\d+)+`)

// version returns the first thing like a version that a program says of itself.
func version(t *testing.T, args ...string) string {
	t.Helper()
	out, err := exec.Command("/usr/sbin/"+args[0], args[1:]...).CombinedOutput()
	if err != nil {
		t.Fatalf("%s: %v", args[0], err)
	}
	return numbers.FindString(string(out))
}

func writeFile(t *testing.T, path, text string) string {
	t.Helper()
	if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
	return path
}

func startNginx(t *testing.T, w *World) *Rival {
	dir, addr := folder(t), freePort(t)
	var temps strings.Builder
	for _, kind := range []string{"client_body", "proxy", "fastcgi", "uwsgi", "scgi"} {
		fmt.Fprintf(&temps, "%s_temp_path %s/%s;\n", kind, dir, kind)
	}
	conf := writeFile(t, dir+"/nginx.conf", fmt.Sprintf(`
daemon off; worker_processes 1; pid %[1]s/pid; error_log %[1]s/error.log;
events { worker_connections 2048; }
http {
access_log off; %[2]s
proxy_cache_path %[1]s/cache levels=1:2 keys_zone=z:10m;
server { listen %[3]s;
location / {
proxy_pass %[4]s; proxy_http_version 1.1; proxy_set_header Connection "";
proxy_cache z; proxy_cache_revalidate on; proxy_cache_lock on; proxy_cache_background_update on;
} } }`, dir, temps.String(), addr, w.Origin()))
	run(t, addr, "nginx", "-c", conf, "-e", dir+"/early.log")
	return &Rival{Target: Target{Mode: Mirror, Addr: addr, Name: "nginx", Mute: true},
		Title: "nginx", Version: version(t, "nginx", "-v"), Notes: "reverse proxy; revalidate, lock and background update on"}
}

func startSquid(t *testing.T, _ *World) *Rival {
	dir, addr := folder(t), freePort(t)
	conf := writeFile(t, dir+"/squid.conf", fmt.Sprintf(`
http_port %[2]s
http_access allow all
pid_filename %[1]s/pid
cache_log %[1]s/cache.log
access_log none
coredump_dir %[1]s
visible_hostname squid
cache_mem 64 MB
collapsed_forwarding on
pinger_enable off
shutdown_lifetime 0 seconds
`, dir, addr))
	run(t, addr, "squid", "-N", "-f", conf, "-n", "fc"+filepath.Base(dir)[8:])
	v := version(t, "squid", "-v")
	return &Rival{Target: Target{Mode: Forward, Addr: addr, Name: "squid (squid/" + v + ")", Mute: true},
		Title: "Squid", Version: v, Notes: "forward proxy; collapsed forwarding on"}
}

func startVarnish(t *testing.T, w *World) *Rival {
	dir, addr := folder(t), freePort(t)
	host, port, err := net.SplitHostPort(strings.TrimPrefix(w.Origin(), "http://"))
	if err != nil {
		t.Fatal(err)
	}
	vcl := writeFile(t, dir+"/default.vcl", fmt.Sprintf(`vcl 4.1; backend default { .host = "%s"; .port = "%s"; }`, host, port))
	run(t, addr, "varnishd", "-F", "-a", addr, "-f", vcl, "-n", dir+"/work", "-s", "malloc,64m")
	v := version(t, "varnishd", "-V")
	return &Rival{Target: Target{Mode: Mirror, Addr: addr, Name: "varnish (Varnish/" + v[:strings.LastIndex(v, ".")] + ")", Mute: true},
		Title: "Varnish", Version: v, Notes: "reverse proxy; its built-in VCL"}
}
