package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"

	"github.com/flashcrowd/flashcrowd/node"
	"github.com/flashcrowd/flashcrowd/node/admin"
)

func TestMain(m *testing.M) {
	testscript.Main(cleared{m}, map[string]func(){"flashcrowd": main})
}

// cleared runs the tests without what the machine says to flashcrowd: a test
// that wants a setting from the environment makes it. The commands of scripts
// do not come through here, and keep theirs.
type cleared struct{ *testing.M }

func (c cleared) Run() int {
	for _, variable := range os.Environ() {
		if name, _, _ := strings.Cut(variable, "="); strings.HasPrefix(name, "FLASHCROWD_") {
			os.Unsetenv(name)
		}
	}
	return c.M.Run()
}

// TestScript runs the real main as its users do. No script ever joins another
// network than its own, or listens at a fixed port.
func TestScript(t *testing.T) {
	testscript.Run(t, testscript.Params{
		Dir:   filepath.Join("testdata", "script"),
		Setup: setup,
		Cmds: map[string]func(*testscript.TestScript, bool, []string){
			"exits": exits, "ready": ready, "stored": stored, "origin": origin, "hang": hang, "deaf": deaf, "damage": damage, "post": post,
		},
	})
}

func setup(env *testscript.Env) error {
	for name, value := range map[string]string{
		"HOME": env.WorkDir, "XDG_DATA_HOME": filepath.Join(env.WorkDir, "share"), "DATA": filepath.Join(env.WorkDir, "share", "flashcrowd"),
		"FLASHCROWD_NETWORK": "ci", "FLASHCROWD_BOOTSTRAP": "none", "FLASHCROWD_LISTEN": "/ip4/127.0.0.1/tcp/0",
		"FLASHCROWD_PROXY": "127.0.0.1:0", "FLASHCROWD_ADMIN": "127.0.0.1:0",
	} {
		env.Setenv(name, value)
	}
	site := newSite()
	env.Values[siteKey{}] = site
	env.Setenv("SITE", site.URL)
	env.Setenv("SITEHOST", strings.TrimPrefix(site.URL, "http://"))
	env.Defer(site.Close)
	return nil
}

// damage DATA flips a bit in every body that is stored there.
func damage(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 1 {
		ts.Fatalf("usage: damage DATA")
	}
	bodies, err := filepath.Glob(filepath.Join(args[0], "bodies", "?", "??", "*"))
	ts.Check(err)
	for _, body := range bodies {
		raw, err := os.ReadFile(body)
		ts.Check(err)
		raw[len(raw)/2] ^= 1
		ts.Check(os.WriteFile(body, raw, 0o600))
	}
}

// post DATA PATH STATUS asks the node on a data folder to change something.
func post(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 3 {
		ts.Fatalf("usage: post DATA PATH STATUS")
	}
	at, err := node.FindEndpoint(args[0])
	ts.Check(err)
	token, err := os.ReadFile(filepath.Join(args[0], "token"))
	ts.Check(err)
	req, err := http.NewRequest(http.MethodPost, at.URL+args[1], nil)
	ts.Check(err)
	req.Header.Set("Authorization", "Bearer "+strings.TrimSpace(string(token)))
	res, err := http.DefaultTransport.RoundTrip(req)
	ts.Check(err)
	defer res.Body.Close()
	if body, _ := io.ReadAll(res.Body); strconv.Itoa(res.StatusCode) != args[2] {
		ts.Fatalf("%s: %s %s", args[1], res.Status, body)
	}
}

// exits CODE PROGRAM ARG… runs a program that must exit with the code.
func exits(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 2 {
		ts.Fatalf("usage: exits CODE PROGRAM [ARG…]")
	}
	want, err := strconv.Atoi(args[0])
	ts.Check(err)
	err = ts.Exec(args[1], args[2:]...)
	got := 0
	var exit *exec.ExitError
	if errors.As(err, &exit) {
		got = exit.ExitCode()
	} else {
		ts.Check(err)
	}
	if got != want {
		ts.Fatalf("exit code %d, want %d", got, want)
	}
}

// ready DIR waits until the node on the data folder DIR answers.
func ready(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 1 {
		ts.Fatalf("usage: ready DIR")
	}
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	for {
		if e, err := node.FindEndpoint(args[0]); err == nil && healthy(ctx, e.URL) {
			return
		}
		if err := pause(ctx, 20*time.Millisecond); err != nil {
			ts.Fatalf("no node on %s became ready", args[0])
		}
	}
}

func healthy(ctx context.Context, at string) bool {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, at+"/healthz", nil)
	if err != nil {
		return false
	}
	res, err := (&http.Transport{DisableKeepAlives: true}).RoundTrip(req)
	if err != nil {
		return false
	}
	res.Body.Close()
	return res.StatusCode == http.StatusOK
}

// stored DIR N waits until the node on the data folder DIR has stored N objects.
func stored(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 2 {
		ts.Fatalf("usage: stored DIR NUMBER")
	}
	want, err := strconv.ParseInt(args[1], 10, 64)
	ts.Check(err)
	api, err := (&askFlags{Data: args[0]}).find()
	ts.Check(err)
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	for {
		var st admin.Status
		ts.Check(api.ask(ctx, "/api/v1/status", nil, &st))
		if st.Cache.Objects >= want {
			return
		}
		if err := pause(ctx, 20*time.Millisecond); err != nil {
			ts.Fatalf("%d objects stored, want %d", st.Cache.Objects, want)
		}
	}
}

// origin counts: origin requests PATH N, or origin octets PATH MOST.
func origin(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 3 {
		ts.Fatalf("usage: origin requests|octets PATH NUMBER")
	}
	want, err := strconv.ParseInt(args[2], 10, 64)
	ts.Check(err)
	requests, octets := ts.Value(siteKey{}).(*site).count(args[1])
	switch {
	case args[0] == "requests" && requests != want:
		ts.Fatalf("%d requests for %s, want %d", requests, args[1], want)
	case args[0] == "octets" && octets > want:
		ts.Fatalf("%d octets of %s sent, want at most %d", octets, args[1], want)
	}
}

// hang URL asks the proxy of the node on $DATA for what never ends, and returns
// once the origin has been asked.
func hang(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 1 {
		ts.Fatalf("usage: hang URL")
	}
	conn := dialProxy(ts)
	ts.Defer(func() { conn.Close() })
	_, err := fmt.Fprintf(conn, "GET %s HTTP/1.1\r\nHost: x\r\n\r\n", args[0])
	ts.Check(err)
	_, err = conn.Read(make([]byte, 1)) // the header fields have come
	ts.Check(err)
}

// deaf waits until the proxy that hang has asked takes no more connections.
func deaf(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 0 {
		ts.Fatalf("usage: deaf")
	}
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	for {
		conn, err := net.Dial("tcp", ts.Value(siteKey{}).(*site).proxy)
		if err != nil {
			return
		}
		conn.Close()
		ts.Check(pause(ctx, 20*time.Millisecond))
	}
}

func dialProxy(ts *testscript.TestScript) net.Conn {
	e, err := node.FindEndpoint(ts.Getenv("DATA"))
	ts.Check(err)
	at := strings.TrimPrefix(e.Proxy, "http://")
	ts.Value(siteKey{}).(*site).proxy = at
	conn, err := net.Dial("tcp", at)
	ts.Check(err)
	ts.Check(conn.SetDeadline(time.Now().Add(30 * time.Second)))
	return conn
}
