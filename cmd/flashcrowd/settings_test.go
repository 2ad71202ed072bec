package main

import (
	"bytes"
	"context"
	"errors"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/alecthomas/kong"
	"github.com/google/go-cmp/cmp"

	"github.com/flashcrowd/flashcrowd/fetch/swarm"
	"github.com/flashcrowd/flashcrowd/node"
)

// upConfig returns what `flashcrowd up ARG…` would run.
func upConfig(t *testing.T, args ...string) (node.Config, error) {
	t.Helper()
	var commands commandLine
	parser, err := newParser(&commands, &session{context.Background(), new(bytes.Buffer), new(bytes.Buffer)})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := parser.Parse(append([]string{"up"}, args...)); err != nil {
		return node.Config{}, err
	}
	return configOf(&commands.Up.faceFlags, &commands.Up.nodeFlags, &commands.Up.logFlags)
}

func writeConfig(t *testing.T, text string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "config.yaml")
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func TestUpDefaultsAreThoseOfTheNode(t *testing.T) {
	got, err := upConfig(t)
	if err != nil {
		t.Fatal(err)
	}
	want := node.Config{}.WithDefaults()
	want.Version = version()
	if diff := cmp.Diff(want, got.WithDefaults()); diff != "" {
		t.Error(diff)
	}
}

func TestUpFlagsReachTheConfig(t *testing.T) {
	got, err := upConfig(t, "--proxy=0.0.0.0:1", "--admin=2", "--mirror=3=https://a.example", "--mirror=4=http://b.example",
		"--allow=10.0.0.0/8,192.0.2.7", "--connect-ports=443", "--data=d", "--cache-size=64MiB", "--network=ci", "--bootstrap=none",
		"--listen=/ip4/127.0.0.1/tcp/0", "--swarm=off", "--share=all", "--share-private=off",
		"--nat=off", "--upload-limit=2Mbit", "--upload-quota=50GB", "--upload-window=22:00-07:00,12:00-13:00", "--metered",
		"--resolve=A.example=192.0.2.1", "--resolve=a.example.=::1", "--resolve=b.example=::2", "--log-level=debug", "--log-format=json")
	if err != nil {
		t.Fatal(err)
	}
	want := node.Config{
		Proxy: "0.0.0.0:1", Admin: "2", Data: "d", CacheSize: 64 << 20, Network: "ci", Bootstrap: []string{"none"},
		Mirrors: []node.Mirror{{Listen: "3", Origin: parsed(t, "https://a.example")}, {Listen: "4", Origin: parsed(t, "http://b.example")}},
		Allow:   []netip.Prefix{netip.MustParsePrefix("10.0.0.0/8"), netip.MustParsePrefix("192.0.2.7/32")}, ConnectPorts: node.Ports{{First: 443, Last: 443}},
		Listen: []string{"/ip4/127.0.0.1/tcp/0"}, Swarm: "off", LAN: "on", NAT: "off", Share: "all", SharePrivate: "off", Policy: "balanced",
		Resolve: map[string][]netip.Addr{
			"a.example": {netip.MustParseAddr("192.0.2.1"), netip.MustParseAddr("::1")}, "b.example": {netip.MustParseAddr("::2")},
		},
		UploadLimit: 2e6, UploadQuota: 50e9, Metered: true,
		UploadWindows: []swarm.Window{{From: 22 * time.Hour, To: 7 * time.Hour}, {From: 12 * time.Hour, To: 13 * time.Hour}},
		LogLevel:      "debug", LogFormat: "json", Version: version(),
	}
	if diff := cmp.Diff(want, got, cmp.Comparer(func(a, b netip.Prefix) bool { return a == b }), cmp.Comparer(func(a, b netip.Addr) bool { return a == b })); diff != "" {
		t.Error(diff)
	}
}

// TestPrecedence: for a plain and a repeatable flag, each place wins over those
// after it: flag, environment, file, default.
func TestPrecedence(t *testing.T) {
	const a, b, c, d = "/ip4/127.0.0.1/tcp/1", "/ip4/127.0.0.1/tcp/2", "/ip4/127.0.0.1/tcp/3", "/ip4/127.0.0.1/tcp/4"
	file := writeConfig(t, "network: file\nlisten: ["+c+", "+d+"]\n")
	for name, tc := range map[string]struct {
		args    []string
		env     map[string]string
		network string
		listen  []string
	}{
		"default":          {nil, nil, "", nil},
		"file":             {[]string{"--config", file}, nil, "file", []string{c, d}},
		"file by variable": {nil, map[string]string{"FLASHCROWD_CONFIG": file}, "file", []string{c, d}},
		"environment": {
			[]string{"--config", file},
			map[string]string{"FLASHCROWD_NETWORK": "env", "FLASHCROWD_LISTEN": b + "," + a}, "env", []string{b, a},
		},
		"empty environment": {
			[]string{"--config", file},
			map[string]string{"FLASHCROWD_NETWORK": "", "FLASHCROWD_LISTEN": ""}, "file", []string{c, d},
		},
		"flag": {
			[]string{"--config", file, "--network", "flag", "--listen", a},
			map[string]string{"FLASHCROWD_NETWORK": "env", "FLASHCROWD_LISTEN": b}, "flag", []string{a},
		},
		"flag twice":              {[]string{"--listen", a, "--listen", b, "--config", file}, nil, "file", []string{a, b}},
		"flag over bad variables": {[]string{"--network", "flag"}, map[string]string{"FLASHCROWD_NETWORK": "NOT VALID"}, "flag", nil},
	} {
		t.Run(name, func(t *testing.T) {
			for variable, value := range tc.env {
				t.Setenv(variable, value)
			}
			got, err := upConfig(t, tc.args...)
			if err != nil {
				t.Fatal(err)
			}
			if got.Network != tc.network || !cmp.Equal(got.Listen, tc.listen) {
				t.Errorf("network %q, listen %q; want %q, %q", got.Network, got.Listen, tc.network, tc.listen)
			}
		})
	}
}

func TestConfigFileTakesEveryFlag(t *testing.T) {
	file := writeConfig(t, `
proxy: 1
admin: 127.0.0.1:2
mirror: [3=https://a.example]
allow: 10.0.0.0/8
connect-ports: 443
data: d
cache-size: 67108864
network: 1e3
bootstrap: none
listen:
  - /ip4/127.0.0.1/tcp/0
swarm: off
share: all
share-private: on
resolve: {}
log-level: warn
log-format: json
`)
	if _, err := upConfig(t, "--config", file); err == nil {
		t.Error("a map was taken for a list")
	}
	raw, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	got, err := upConfig(t, "--config", writeConfig(t, strings.Replace(string(raw), "resolve: {}", "resolve: [a.example=::1]", 1)))
	if err != nil {
		t.Fatal(err)
	}
	if got.Proxy != "1" || got.CacheSize != 64<<20 || got.Network != "1e3" || got.Swarm != "off" || got.SharePrivate != "on" ||
		len(got.Mirrors) != 1 || len(got.Allow) != 1 || len(got.Resolve) != 1 || !got.NoBootstrap() || got.ConnectPorts.String() != "443" {
		t.Errorf("config %+v", got)
	}
}

func TestConfigFileOfManyDocumentsOrNone(t *testing.T) {
	for text, ok := range map[string]bool{
		"": true, "# nothing\n": true, "---\n": true, "null": true, "{}": true, "a": false, "- a": false,
		"share: off\n---\nshare: all\n": false, "share: [off]": false, "share:": false, "share: {a: b}": false, "listen: [[a]]": false,
		"listen: [null]": false, "? [a]\n: b": false, "share: &a off": true, "\xff": false, "<<: {share: off}": false,
	} {
		if _, err := parseConfigFile([]byte(text), map[string]bool{"share": false, "listen": true}); (err == nil) != ok {
			t.Errorf("%q: %v, want ok %v", text, err, ok)
		}
	}
}

func TestConfigFileHasALimit(t *testing.T) {
	if _, err := readConfigFile(writeConfig(t, strings.Repeat("#\n", maxConfigFile)), nil); err == nil || !strings.Contains(err.Error(), "1 MiB") {
		t.Errorf("error %v", err)
	}
}

// FuzzConfigFile: no file makes the parser panic, and each value that it
// returns has a known key and one of the two forms.
func FuzzConfigFile(f *testing.F) {
	f.Add([]byte("share: off\nlisten: [a, b]\n"))
	f.Add([]byte("a: &x [*x]"))
	f.Add([]byte("share: !!binary aGk="))
	f.Fuzz(func(t *testing.T, raw []byte) {
		values, err := parseConfigFile(raw, map[string]bool{"share": false, "listen": true})
		if err != nil {
			return
		}
		for key, value := range values {
			_, text := value.(string)
			_, list := value.([]any)
			if key == "share" && !text || key == "listen" && !list || key != "share" && key != "listen" {
				t.Errorf("%q: %T", key, value)
			}
		}
	})
}

// TestEveryFlagSaysWhatItDoes: a sentence, its default and its variable.
func TestEveryFlagSaysWhatItDoes(t *testing.T) {
	var commands commandLine
	parser, err := newParser(&commands, &session{context.Background(), new(bytes.Buffer), new(bytes.Buffer)})
	if err != nil {
		t.Fatal(err)
	}
	for _, command := range parser.Model.Leaves(false) {
		if !strings.HasSuffix(command.Help, ".") {
			t.Errorf("%s: help %q is no sentence", command.Path(), command.Help)
		}
		for _, flag := range command.Flags {
			variable := "FLASHCROWD_" + strings.ToUpper(strings.ReplaceAll(flag.Name, "-", "_"))
			if len(flag.Envs) != 1 || flag.Envs[0] != variable {
				t.Errorf("%s --%s: variables %q, want %s", command.Path(), flag.Name, flag.Envs, variable)
			}
			if !strings.HasSuffix(flag.Help, ".") {
				t.Errorf("%s --%s: help %q is no sentence", command.Path(), flag.Name, flag.Help)
			}
			if flag.HasDefault && !strings.Contains(flag.Help, flag.Default) {
				t.Errorf("%s --%s: help does not say the default %q", command.Path(), flag.Name, flag.Default)
			}
		}
	}
}

func TestExitCodes(t *testing.T) {
	_, unknown := upConfig(t, "--nonsense")
	var parse *kong.ParseError
	if !errors.As(unknown, &parse) {
		t.Fatalf("unknown flag: %v", unknown)
	}
	for _, tc := range []struct {
		err  error
		want int
	}{
		{nil, 0}, {errors.New("x"), 1}, {unknown, 2}, {&node.UsageError{Flag: "share", Err: errors.New("x")}, 2},
		{&hintError{&node.UsageError{Flag: "share", Err: errors.New("x")}, "y"}, 2}, {&node.DataInUseError{Dir: "d", PID: 1}, 1},
		{errors.Join(&node.DataInUseError{}, nil), 1},
	} {
		if got := report(new(bytes.Buffer), tc.err); got != tc.want {
			t.Errorf("%v: exit code %d, want %d", tc.err, got, tc.want)
		}
	}
}

func TestReportKeepsTheTerminalSafe(t *testing.T) {
	var talk bytes.Buffer
	report(&talk, errors.Join(errors.New("a\x1b[2Jb\rc"), &hintError{errors.New("second"), "do\x07 it"}))
	want := "a\uFFFD[2Jb\uFFFDc\nsecond\nhint: do\uFFFD it\n"
	if got := talk.String(); got != want {
		t.Errorf("said %q, want %q", got, want)
	}
}

func TestReceiptName(t *testing.T) {
	for in, want := range map[string]string{
		"http://a.example": "http://a.example/", "http://a.example/x?y#z": "http://a.example/x?y", "nonsense": "nonsense", "http://[": "http://[",
	} {
		if got := receiptName(in); got != want {
			t.Errorf("%q: %q, want %q", in, got, want)
		}
	}
}

func TestAdminOfTheListenerNamesNoNode(t *testing.T) {
	for value, want := range map[string]bool{
		"": false, "0": false, "127.0.0.1:0": false, "127.0.0.1:3129": true, "http://127.0.0.1:3129": true, "http://127.0.0.1:30": true,
	} {
		if got := (&askFlags{Admin: value}).named(); got != want {
			t.Errorf("%q: %v, want %v", value, got, want)
		}
	}
}
