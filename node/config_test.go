package node

import (
	"bytes"
	"errors"
	"net/netip"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/flashcrowd/flashcrowd/fetch/swarm"
	"github.com/flashcrowd/flashcrowd/verify"
)

const somePeer = "/ip4/192.0.2.1/tcp/3130/p2p/12D3KooWD3bfmNbuuuVCYwkjnFt3ukm3qaB3hDED3peHHXawvRAi"

func mirror(t *testing.T, s string) Mirror {
	t.Helper()
	m, err := ParseMirror(s)
	if err != nil {
		t.Fatal(err)
	}
	return m
}

func TestZeroConfigIsTheDefaults(t *testing.T) {
	if err := (Config{}).Validate(); err != nil {
		t.Errorf("zero config: %v", err)
	}
	want := Config{
		Proxy: "127.0.0.1:3128", Admin: "127.0.0.1:3129", CacheSize: 10 << 30, Network: "own",
		Listen: []string{
			"/ip4/0.0.0.0/tcp/3130", "/ip4/0.0.0.0/udp/3130/quic-v1",
			"/ip6/::/tcp/3130", "/ip6/::/udp/3130/quic-v1",
		},
		Swarm: "on", LAN: "on", NAT: "on", Share: "auto", SharePrivate: "auto", Policy: "balanced", LogLevel: "info", LogFormat: "text",
		ConnectPorts: Ports{{80, 80}, {443, 443}, {1024, 65535}},
	}
	got := Config{}.WithDefaults()
	if got.Network != "public" {
		t.Errorf("network %q, want public", got.Network)
	}
	got.Network = "own" // repocheck: no test configures the public network
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

func TestValidateAccepts(t *testing.T) {
	for name, c := range map[string]Config{
		"ports picked":       {Proxy: "127.0.0.1:0", Admin: "127.0.0.1:0"},
		"bare ports":         {Proxy: "0", Admin: "8081"},
		"ipv6 loopback":      {Proxy: "[::1]:3128", Admin: "[::1]:3129"},
		"localhost":          {Proxy: "localhost:3128", Admin: "localhost:3129"},
		"127/8":              {Proxy: "127.9.9.9:3128"},
		"open with allow":    {Proxy: "0.0.0.0:3128", Allow: []netip.Prefix{netip.MustParsePrefix("10.0.0.0/8")}},
		"private swarm":      {Network: "ci", SwarmKey: "file"},
		"upload bounds":      {UploadLimit: 8, UploadQuota: 1, UploadWindows: []swarm.Window{{From: 0, To: time.Hour}}},
		"no bootstrap":       {Network: "ci", Bootstrap: []string{"none"}},
		"bootstrap":          {Bootstrap: []string{somePeer, "/dnsaddr/bootstrap.example/p2p/12D3KooWD3bfmNbuuuVCYwkjnFt3ukm3qaB3hDED3peHHXawvRAi"}},
		"one listener":       {Listen: []string{"/ip4/127.0.0.1/tcp/0"}},
		"two picked":         {Listen: []string{"/ip4/127.0.0.1/tcp/0", "/ip4/127.0.0.1/tcp/0"}},
		"mirrors":            {Mirrors: []Mirror{mirror(t, "127.0.0.1:0=https://a.example"), mirror(t, "0=http://[::1]:80/")}},
		"same port, elses":   {Proxy: "127.0.0.1:9000", Admin: "127.0.0.2:9000"},
		"resolve":            {Resolve: map[string][]netip.Addr{"a.example": {netip.MustParseAddr("::1")}}},
		"smallest cache":     {CacheSize: 1 << 20},
		"longest name":       {Network: strings.Repeat("a", 32)},
		"words":              {Swarm: "off", Share: "all", SharePrivate: "on", LogLevel: "debug", LogFormat: "json"},
		"data is not looked": {Data: "/nowhere\x00"},
	} {
		if err := c.Validate(); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestValidateRefuses(t *testing.T) {
	origin := func(s string) []Mirror { return []Mirror{mirror(t, "127.0.0.1:0="+s)} }
	for name, tc := range map[string]struct {
		flag string
		c    Config
	}{
		"closed public":       {"swarm-key", Config{SwarmKey: "file"}},
		"closed over quic":    {"listen", Config{Network: "ci", SwarmKey: "file", Listen: []string{"/ip4/127.0.0.1/udp/0/quic-v1"}}},
		"nat":                 {"nat", Config{NAT: "maybe"}},
		"half an octet":       {"upload-limit", Config{UploadLimit: 4}},
		"negative quota":      {"upload-quota", Config{UploadQuota: -1}},
		"no time":             {"upload-window", Config{UploadWindows: []swarm.Window{{}}}},
		"open proxy":          {"proxy", Config{Proxy: "0.0.0.0:3128"}},
		"open proxy, no host": {"proxy", Config{Proxy: ":3128"}},
		"open proxy, ipv6":    {"proxy", Config{Proxy: "[::]:3128"}},
		"open proxy, name":    {"proxy", Config{Proxy: "proxy.example:3128"}},
		"proxy, mapped":       {"proxy", Config{Proxy: "[::ffff:10.0.0.1]:3128"}},
		"proxy without port":  {"proxy", Config{Proxy: "127.0.0.1"}},
		"proxy as url":        {"proxy", Config{Proxy: "http://127.0.0.1:3128"}},
		"port by name":        {"proxy", Config{Proxy: "127.0.0.1:http"}},
		"port too large":      {"proxy", Config{Proxy: "70000"}},
		"open admin": {"admin", Config{
			Admin: "0.0.0.0:3129", Allow: []netip.Prefix{netip.MustParsePrefix("10.0.0.0/8")},
		}},
		"admin on proxy":     {"admin", Config{Admin: "127.0.0.1:3128"}},
		"open mirror":        {"mirror", Config{Mirrors: []Mirror{mirror(t, "10.0.0.1:80=http://a.example")}}},
		"mirror on wildcard": {"mirror", Config{Proxy: "0.0.0.0:9", Allow: []netip.Prefix{{}}, Mirrors: []Mirror{mirror(t, "127.0.0.1:9=http://a.example")}}},
		"two mirrors":        {"mirror", Config{Mirrors: []Mirror{mirror(t, "99=http://a.example"), mirror(t, "127.0.0.1:99=http://b.example")}}},
		"no origin":          {"mirror", Config{Mirrors: []Mirror{{Listen: "0"}}}},
		"origin ftp":         {"mirror", Config{Mirrors: origin("ftp://a.example")}},
		"origin bare":        {"mirror", Config{Mirrors: origin("a.example")}},
		"origin no host":     {"mirror", Config{Mirrors: origin("https:///x")}},
		"origin opaque":      {"mirror", Config{Mirrors: origin("https:a.example")}},
		"origin user":        {"mirror", Config{Mirrors: origin("https://u:p@a.example")}},
		"origin path":        {"mirror", Config{Mirrors: origin("https://a.example/x")}},
		"origin query":       {"mirror", Config{Mirrors: origin("https://a.example/?x")}},
		"allow nothing":      {"allow", Config{Allow: []netip.Prefix{{}}}},
		"share":              {"share", Config{Share: "some"}},
		"share-private":      {"share-private", Config{SharePrivate: "all"}},
		"policy":             {"policy", Config{Policy: "lax"}},
		"policy-for":         {"policy-for", Config{PolicyFor: []verify.PolicyFor{{Glob: "*.example.com", Policy: "lax"}}}},
		"publisher":          {"publisher", Config{Publishers: []string{"a/b"}}},
		"swarm":              {"swarm", Config{Swarm: "true"}},
		"log-level":          {"log-level", Config{LogLevel: "loud"}},
		"log-format":         {"log-format", Config{LogFormat: "xml"}},
		"network upper":      {"network", Config{Network: "CI"}},
		"network long":       {"network", Config{Network: strings.Repeat("a", 33)}},
		"network slash":      {"network", Config{Network: "a/b"}},
		"network newline":    {"network", Config{Network: "a\n"}},
		"bootstrap address":  {"bootstrap", Config{Bootstrap: []string{"192.0.2.1:3130"}}},
		"bootstrap no id":    {"bootstrap", Config{Bootstrap: []string{"/ip4/192.0.2.1/tcp/3130"}}},
		"bootstrap empty":    {"bootstrap", Config{Bootstrap: []string{""}}},
		"none and one":       {"bootstrap", Config{Bootstrap: []string{somePeer, "none"}}},
		"listen":             {"listen", Config{Listen: []string{"0.0.0.0:3130"}}},
		"listen udp":         {"listen", Config{Listen: []string{"/ip4/0.0.0.0/udp/3130"}}},
		"listen name":        {"listen", Config{Listen: []string{"/dns4/a.example/tcp/3130"}}},
		"listen twice":       {"listen", Config{Listen: []string{"/ip4/0.0.0.0/tcp/3130", "/ip4/0.0.0.0/tcp/3130"}}},
		"cache too small":    {"cache-size", Config{CacheSize: 1<<20 - 1}},
		"cache negative":     {"cache-size", Config{CacheSize: -1}},
		"resolve upper":      {"resolve", Config{Resolve: map[string][]netip.Addr{"A.example": {netip.MustParseAddr("::1")}}}},
		"resolve nothing":    {"resolve", Config{Resolve: map[string][]netip.Addr{"a.example": nil}}},
		"resolve no addr":    {"resolve", Config{Resolve: map[string][]netip.Addr{"a.example": {{}}}}},
		"resolve url":        {"resolve", Config{Resolve: map[string][]netip.Addr{"http://a": {netip.MustParseAddr("::1")}}}},
	} {
		err := tc.c.Validate()
		var wrong *UsageError
		if !errors.As(err, &wrong) || wrong.Flag != tc.flag {
			t.Errorf("%s: %v; want a usage error of --%s", name, err, tc.flag)
		}
	}
}

func TestUsageErrorHidesPasswords(t *testing.T) {
	err := Config{Mirrors: []Mirror{mirror(t, "0=https://user:geheim@a.example")}}.Validate()
	if err == nil || strings.Contains(err.Error(), "geheim") {
		t.Errorf("error %v, want one without the password", err)
	}
}

func TestWithDefaultsLeavesTheOriginalAlone(t *testing.T) {
	c := Config{Mirrors: []Mirror{{Listen: "0", Origin: &url.URL{Scheme: "http", Host: "a.example"}}}}
	if got := c.WithDefaults().Mirrors[0].Listen; got != "127.0.0.1:0" {
		t.Errorf("listen %q, want 127.0.0.1:0", got)
	}
	if c.Mirrors[0].Listen != "0" {
		t.Errorf("WithDefaults changed its receiver's mirrors to %v", c.Mirrors)
	}
}

func TestSharesPrivate(t *testing.T) {
	for _, tc := range []struct {
		network, value string
		want           bool
	}{
		{"", "", false}, {"public", "auto", false}, {"ci", "", true}, {"ci", "off", false}, {"public", "on", true},
	} {
		if got := (Config{Network: tc.network, SharePrivate: tc.value}).SharesPrivate(); got != tc.want {
			t.Errorf("network %q, share-private %q: %v, want %v", tc.network, tc.value, got, tc.want)
		}
	}
}

func TestParseMirror(t *testing.T) {
	if got := mirror(t, "127.0.0.1:8081=https://a.example:8443").String(); got != "127.0.0.1:8081=https://a.example:8443" {
		t.Errorf("got %q", got)
	}
	for _, bad := range []string{"", "127.0.0.1:8081", "https://a.example", "0=http://[::1"} {
		if m, err := ParseMirror(bad); err == nil {
			t.Errorf("ParseMirror(%q) = %v", bad, m)
		}
	}
}

func TestNewLogger(t *testing.T) {
	var buf bytes.Buffer
	log := Config{LogLevel: "warn", LogFormat: "json"}.NewLogger(&buf)
	log.Info("quiet")
	log.Warn("loud")
	if got := buf.String(); strings.Contains(got, "quiet") || !strings.Contains(got, `"msg":"loud"`) {
		t.Errorf("logged %q", got)
	}
}

func TestPorts(t *testing.T) {
	p, err := ParsePorts("80, 443,1024-65535")
	if err != nil {
		t.Fatal(err)
	}
	for port, want := range map[uint16]bool{0: false, 25: false, 80: true, 443: true, 1023: false, 1024: true, 65535: true} {
		if got := p.Has(port); got != want {
			t.Errorf("Has(%d) = %v, want %v", port, got, want)
		}
	}
	if got := p.String(); got != "80,443,1024-65535" {
		t.Errorf("String() = %q", got)
	}
	for _, bad := range []string{"", ",", "0", "65536", "http", "2-1", "1-", "-1", "1--2", strings.Repeat("1,", 300) + "1"} {
		if p, err := ParsePorts(bad); err == nil {
			t.Errorf("ParsePorts(%.20q) = %v", bad, p)
		}
	}
}

// FuzzPorts: what parses comes back from its text form.
func FuzzPorts(f *testing.F) {
	f.Add("80,443,1024-65535")
	f.Add("1-,2")
	f.Fuzz(func(t *testing.T, text string) {
		p, err := ParsePorts(text)
		if err != nil {
			return
		}
		again, err := ParsePorts(p.String())
		if err != nil || !cmp.Equal(p, again) {
			t.Errorf("%q is %v, its text %v, %v", text, p, again, err)
		}
	})
}
