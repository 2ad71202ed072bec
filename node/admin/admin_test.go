package admin

import (
	"bufio"
	"encoding/json"
	"errors"
	"io"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"os"
	"regexp"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/client_golang/prometheus"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) {
	goleak.VerifyTestMain(m)
}

// serve runs a server with c on a real loopback listener and returns HOST:PORT.
func serve(t *testing.T, c Config) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	c.Addr = netip.MustParseAddrPort(l.Addr().String())
	s := NewServer(c)
	done := make(chan error, 1)
	go func() { done <- s.Serve(l) }()
	t.Cleanup(func() {
		s.Close()
		if err := <-done; err != http.ErrServerClosed {
			t.Errorf("serve: %v", err)
		}
	})
	return l.Addr().String()
}

// do sends one request to the server at addr over a connection of its own.
func do(t *testing.T, addr string, r *http.Request) (*http.Response, string) {
	t.Helper()
	conn, err := net.Dial("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	if err := r.Write(conn); err != nil {
		t.Fatal(err)
	}
	return answer(t, conn, r)
}

func answer(t *testing.T, conn net.Conn, r *http.Request) (*http.Response, string) {
	t.Helper()
	res, err := http.ReadResponse(bufio.NewReader(conn), r)
	if err != nil {
		t.Fatal(err)
	}
	body, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	return res, string(body)
}

func get(t *testing.T, addr, target string) (*http.Response, string) {
	t.Helper()
	return do(t, addr, request(t, "GET", "http://"+addr+target, nil))
}

func request(t *testing.T, method, target string, fields map[string]string) *http.Request {
	t.Helper()
	r, err := http.NewRequest(method, target, nil)
	if err != nil {
		t.Fatal(err)
	}
	for name, value := range fields {
		r.Header.Set(name, value)
	}
	return r
}

func TestHostIsChecked(t *testing.T) {
	addr := serve(t, Config{})
	_, port, _ := net.SplitHostPort(addr)
	paths := []string{"/", "/healthz", "/metrics", "/api/v1/status", "/api/v1/peers", "/api/v1/faces", "/api/v1/why?url=x"}
	for host, want := range map[string]bool{
		"127.0.0.1:" + port: true, "localhost:" + port: true, "[::1]:" + port: true,
		"127.0.0.1": false, "localhost": false, "127.0.0.1:1": false, "evil.example:" + port: false, "evil.example": false,
		"localhost.:" + port: false, "127.0.0.1.evil.example:" + port: false, "127.1:" + port: false, "0.0.0.0:" + port: false,
		"[::ffff:127.0.0.1]:" + port: false, "user@127.0.0.1:" + port: false, "::1:" + port: false,
	} {
		for _, path := range paths {
			conn, err := net.Dial("tcp", addr)
			if err != nil {
				t.Fatal(err)
			}
			io.WriteString(conn, "GET "+path+" HTTP/1.1\r\nHost: "+host+"\r\nConnection: close\r\n\r\n")
			res, body := answer(t, conn, nil)
			conn.Close()
			allowed := res.StatusCode == http.StatusOK || res.StatusCode == http.StatusNotFound && strings.HasPrefix(path, "/api/v1/why")
			if allowed != want {
				t.Errorf("Host %q on %s: %s %q, want allowed %v", host, path, res.Status, body, want)
			}
			if !want && res.StatusCode != http.StatusMisdirectedRequest && res.StatusCode != http.StatusBadRequest {
				t.Errorf("Host %q on %s: %s, want 421 or 400", host, path, res.Status)
			}
		}
	}
}

func TestHostIsCheckedWhateverTheForm(t *testing.T) {
	addr := serve(t, Config{})
	for _, raw := range []string{
		"GET /healthz HTTP/1.0\r\n\r\n",
		"GET http://evil.example/healthz HTTP/1.1\r\nHost: " + addr + "\r\n\r\n",
		"OPTIONS * HTTP/1.1\r\nHost: evil.example\r\n\r\n",
		"CONNECT evil.example:80 HTTP/1.1\r\nHost: " + addr + "\r\n\r\n",
		"POST /nowhere HTTP/1.1\r\nHost: evil.example\r\nContent-Length: 0\r\n\r\n",
		"GET /nowhere HTTP/1.1\r\nHost: evil.example\r\n\r\n",
	} {
		conn, err := net.Dial("tcp", addr)
		if err != nil {
			t.Fatal(err)
		}
		io.WriteString(conn, raw)
		if res, _ := answer(t, conn, nil); res.StatusCode != http.StatusMisdirectedRequest {
			t.Errorf("%q: %s, want 421", raw, res.Status)
		}
		conn.Close()
	}
}

func TestPauseNeedsTheToken(t *testing.T) {
	var calls []bool
	addr := serve(t, Config{Token: "secret", Pause: func(p bool) { calls = append(calls, p) }})
	for _, tc := range []struct {
		method, path, token string
		want                int
	}{
		{"POST", "/api/v1/pause", "", 401}, {"POST", "/api/v1/pause", "Bearer wrong", 401}, {"POST", "/api/v1/pause", "secret", 401},
		{"GET", "/api/v1/pause", "Bearer secret", 405}, {"POST", "/api/v1/pause", "Bearer secret", 200}, {"POST", "/api/v1/resume", "Bearer secret", 200},
		{"POST", "/api/v1/rm?url=http://a/", "", 401}, {"POST", "/api/v1/rm", "Bearer secret", 400}, {"POST", "/api/v1/rm?url=http://a/", "Bearer secret", 200},
	} {
		res, body := do(t, addr, request(t, tc.method, "http://"+addr+tc.path, map[string]string{"Authorization": tc.token}))
		if res.StatusCode != tc.want {
			t.Errorf("%s %s with %q: %s %s, want %d", tc.method, tc.path, tc.token, res.Status, body, tc.want)
		}
	}
	if diff := cmp.Diff([]bool{true, false}, calls); diff != "" {
		t.Error(diff)
	}
	addr = serve(t, Config{})
	if res, _ := do(t, addr, request(t, "POST", "http://"+addr+"/api/v1/pause", map[string]string{"Authorization": "Bearer "})); res.StatusCode != 401 {
		t.Errorf("without a token: %s", res.Status)
	}
}

// TestSettings: only what can be changed is, by who has the token, and a value
// that will not do changes nothing.
func TestSettings(t *testing.T) {
	var got []string
	addr := serve(t, Config{Token: "secret", Settings: map[string]Setting{"cache-size": {Form: "write a size", Set: func(v string) error {
		switch v {
		case "bad":
			return errors.New("unit")
		case "small":
			return &Refusal{"too small", "unpin"}
		}
		got = append(got, v)
		return nil
	}}}})
	for _, tc := range []struct {
		query, token, want string
		status             int
	}{
		{"?cache-size=1GiB", "", "token", 401}, {"?cache-size=1GiB", "Bearer secret", "{}", 200}, {"", "Bearer secret", "set what", 400},
		{"?cache-size=bad", "Bearer secret", "write a size", 400}, {"?cache-size=small", "Bearer secret", "unpin", 409},
		{"?cache-size=2GiB&data=x", "Bearer secret", "restart", 400},
	} {
		res, body := do(t, addr, request(t, "POST", "http://"+addr+"/api/v1/settings"+tc.query, map[string]string{"Authorization": tc.token}))
		if res.StatusCode != tc.status || !strings.Contains(body, tc.want) {
			t.Errorf("%q: %s %s, want %d %q", tc.query, res.Status, body, tc.status, tc.want)
		}
	}
	if diff := cmp.Diff([]string{"1GiB"}, got); diff != "" {
		t.Error(diff)
	}
}

func TestCertificate(t *testing.T) {
	const cert = "-----BEGIN CERTIFICATE-----\n"
	res, body := get(t, serve(t, Config{Certificate: []byte(cert)}), "/ca.pem")
	if res.StatusCode != 200 || body != cert || res.Header.Get("Content-Type") != "application/x-pem-file" {
		t.Errorf("%s %q %v", res.Status, body, res.Header)
	}
	if res, body := get(t, serve(t, Config{}), "/ca.pem"); res.StatusCode != 404 || !strings.Contains(body, "--intercept") {
		t.Errorf("without one: %s %q", res.Status, body)
	}
}

func TestHostsOf(t *testing.T) {
	for addr, want := range map[string][]string{
		"127.0.0.1:3129": {"127.0.0.1:3129", "[::1]:3129", "localhost:3129"},
		"127.0.0.7:80":   {"127.0.0.1:80", "[::1]:80", "localhost:80", "127.0.0.7:80", "127.0.0.1", "[::1]", "localhost", "127.0.0.7"},
		"[::1]:9":        {"127.0.0.1:9", "[::1]:9", "localhost:9"},
		"10.0.0.1:9":     {"127.0.0.1:9", "[::1]:9", "localhost:9"},
		"127.0.0.1:0":    {},
	} {
		all := make(map[string]bool)
		for _, host := range want {
			all[host] = true
		}
		if diff := cmp.Diff(all, hostsOf(netip.MustParseAddrPort(addr))); diff != "" {
			t.Errorf("%s: %s", addr, diff)
		}
	}
	if got := hostsOf(netip.AddrPort{}); len(got) != 0 {
		t.Errorf("zero address allows %v", got)
	}
}

func TestPagesOfOtherSitesAreRefused(t *testing.T) {
	addr := serve(t, Config{})
	for _, tc := range []struct {
		name   string
		method string
		fields map[string]string
		want   int
	}{
		{"program", "GET", nil, 200},
		{"head", "HEAD", nil, 200},
		{"typed in", "GET", map[string]string{"Sec-Fetch-Site": "none"}, 200},
		{"own page", "GET", map[string]string{"Sec-Fetch-Site": "same-origin"}, 200},
		{"own page with origin", "GET", map[string]string{"Origin": "http://" + addr}, 200},
		{"cross-site", "GET", map[string]string{"Sec-Fetch-Site": "cross-site"}, 403},
		{"gateway page", "GET", map[string]string{"Sec-Fetch-Site": "same-site"}, 403},
		{"unknown word", "GET", map[string]string{"Sec-Fetch-Site": "x"}, 403},
		{"foreign origin", "GET", map[string]string{"Origin": "https://evil.example"}, 403},
		{"sandboxed", "GET", map[string]string{"Origin": "null"}, 403},
		{"own host, tls", "GET", map[string]string{"Origin": "https://" + addr}, 403},
		{"other port", "GET", map[string]string{"Origin": "http://127.0.0.1:1"}, 403},
		{"foreign post", "POST", map[string]string{"Origin": "https://evil.example"}, 403},
		{"preflight", "OPTIONS", map[string]string{"Origin": "https://evil.example", "Access-Control-Request-Method": "POST"}, 403},
		{"post", "POST", nil, 405},
		{"delete", "DELETE", nil, 405},
		{"options", "OPTIONS", nil, 405},
	} {
		res, body := do(t, addr, request(t, tc.method, "http://"+addr+"/api/v1/status", tc.fields))
		if res.StatusCode != tc.want {
			t.Errorf("%s: %s %s, want %d", tc.name, res.Status, body, tc.want)
		}
		for name := range res.Header {
			if strings.HasPrefix(name, "Access-Control-") {
				t.Errorf("%s: answer has %s", tc.name, name)
			}
		}
	}
}

func TestStatusFields(t *testing.T) {
	addr := serve(t, Config{Status: func() Status {
		return Status{
			Version: "v1", PeerID: "12D3", Network: "ci", Mode: "server", Connectivity: "public", Peers: 3, RoutingTable: 4,
			Policy: "balanced", Share: "auto", Cache: CacheStatus{1, 2, 3}, Bytes: BytesStatus{1, 2, 3, 4},
			Requests: RequestStatus{5, 2}, Verify: VerifyStatus{6, 7},
		}
	}})
	res, body := get(t, addr, "/api/v1/status")
	want := `{"version":"v1","peer_id":"12D3","addrs":[],"network":"ci","mode":"server","connectivity":"public","peers":3,` +
		`"routing_table":4,"policy":"balanced","share":"auto","cache":{"objects":1,"bytes":2,"limit":3},` +
		`"bytes":{"to_clients":1,"from_origin":2,"from_peers":3,"to_peers":4},"requests":{"total":5,"hits":2},` +
		`"verify":{"rejected_bytes":6,"banned_peers":7},"neighbours":0,"upload":{"limit":0,"quota":0,"spent":0,"refused":""}}` + "\n"
	if diff := cmp.Diff(want, body); diff != "" {
		t.Error(diff)
	}
	if got := res.Header.Get("Content-Type"); got != "application/json" {
		t.Errorf("content type %q", got)
	}
}

func TestZeroConfigAnswers(t *testing.T) {
	addr := serve(t, Config{})
	for path, want := range map[string]string{
		"/healthz":       "ok\n",
		"/api/v1/peers":  "[]\n",
		"/api/v1/faces":  `{"proxy":"","admin":"","mirrors":[]}` + "\n",
		"/metrics":       "",
		"/api/v1/why":    `{"error":"which url?","hint":"ask /api/v1/why?url=URL, with URL percent-encoded"}` + "\n",
		"/API/v1/status": `{"error":"no such page","hint":"the API lies under /api/v1/: status, peers, faces, cache, why"}` + "\n",
	} {
		if _, body := get(t, addr, path); body != want {
			t.Errorf("%s: %q, want %q", path, body, want)
		}
	}
}

func TestPeers(t *testing.T) {
	addr := serve(t, Config{Peers: func() []Peer {
		return []Peer{{PeerID: "12D3", Transport: "tcp", Direction: "outbound", RTT: 1.5, BytesFrom: 2, BytesTo: 3, State: "ok"}}
	}})
	_, body := get(t, addr, "/api/v1/peers")
	want := `[{"peer_id":"12D3","addrs":[],"transport":"tcp","direction":"outbound","rtt_ms":1.5,` +
		`"bytes_from":2,"bytes_to":3,"state":"ok","reason":""}]` + "\n"
	if diff := cmp.Diff(want, body); diff != "" {
		t.Error(diff)
	}
}

func TestWhy(t *testing.T) {
	const asked = "https://a.example/b?c=d&e=%20f#g"
	addr := serve(t, Config{Why: func(u string) (any, bool) {
		if u == "https://broken.example/" {
			return func() {}, true
		}
		return map[string]string{"url": u}, u == asked
	}})
	res, body := get(t, addr, "/api/v1/why?url="+url.QueryEscape(asked))
	if want := `{"url":"` + asked + `"}` + "\n"; res.StatusCode != 200 || body != want {
		t.Errorf("known: %s %q, want %q", res.Status, body, want)
	}
	res, body = get(t, addr, "/api/v1/why?url="+url.QueryEscape("https://<script>.example"))
	var e Error
	if err := json.Unmarshal([]byte(body), &e); err != nil || res.StatusCode != 404 || e.Error == "" || e.Hint == "" || strings.Contains(body, "script") {
		t.Errorf("unknown: %s %q, want 404 with error and hint and no echo", res.Status, body)
	}
	if res, _ = get(t, addr, "/api/v1/why?url=https://broken.example/"); res.StatusCode != 500 {
		t.Errorf("receipt that is no JSON: %s, want 500", res.Status)
	}
}

func TestMetrics(t *testing.T) {
	reg := prometheus.NewRegistry()
	c := prometheus.NewCounter(prometheus.CounterOpts{Name: "flashcrowd_test_total", Help: "test"})
	reg.MustRegister(c)
	c.Add(3)
	_, body := get(t, serve(t, Config{Metrics: reg}), "/metrics")
	if !strings.Contains(body, "flashcrowd_test_total 3") {
		t.Errorf("metrics: %q", body)
	}
}

// TestPageKeepsItsPolicy: strangers' text is escaped, nothing comes from
// elsewhere, and the hashes of the policy are those of what is really written.
func TestPageKeepsItsPolicy(t *testing.T) {
	const evil = `<script>alert(1)</script>"><img src=x>`
	addr := serve(t, Config{
		Status: func() Status { return Status{PeerID: evil, Addrs: []string{evil}, Version: "v1"} },
		Peers: func() []Peer {
			return []Peer{{PeerID: evil, Transport: evil, State: evil, Reason: evil, Direction: evil}}
		},
		Faces: func() Faces { return Faces{Proxy: "javascript:x", Mirrors: []MirrorFace{{evil, evil}}} },
	})
	res, body := get(t, addr, "/")
	if res.StatusCode != 200 || res.Header.Get("Content-Type") != "text/html; charset=utf-8" {
		t.Fatalf("page: %s %s", res.Status, res.Header.Get("Content-Type"))
	}
	if strings.Contains(body, "<script>alert") || strings.Contains(body, "<img") {
		t.Errorf("page has a stranger's element: %s", body)
	}
	if found := regexp.MustCompile(`(?:src|href|action)\s*=\s*"[^"]*//|url\(|@import|style=| on[a-z]+=`).FindString(body); found != "" {
		t.Errorf("page has %q", found)
	}
	policy := res.Header.Get("Content-Security-Policy")
	for element, directive := range map[string]string{"style": "style-src", "script": "script-src"} {
		all := regexp.MustCompile("(?s)<"+element+">(.*?)</"+element+">").FindAllStringSubmatch(body, -1)
		if len(all) != 1 || !strings.Contains(policy, directive+" "+hashOf(all[0][1])+";") {
			t.Errorf("policy %q does not name the one <%s> of %d", policy, element, len(all))
		}
	}
	for _, want := range []string{"default-src 'none';", "frame-ancestors 'none'", "base-uri 'none'", "form-action 'self'"} {
		if !strings.Contains(policy, want) {
			t.Errorf("policy %q lacks %q", policy, want)
		}
	}
	if strings.Contains(policy, "unsafe") {
		t.Errorf("policy %q", policy)
	}
}

func TestPageIsSmallWithManyPeers(t *testing.T) {
	addr := serve(t, Config{Peers: func() []Peer { return make([]Peer, 10000) }})
	if _, body := get(t, addr, "/"); len(body) > 32<<10 || !strings.Contains(body, "and 9950 more") {
		t.Errorf("page of %d octets", len(body))
	}
}

func TestEveryAnswerIsGuarded(t *testing.T) {
	addr := serve(t, Config{})
	for _, path := range []string{"/", "/healthz", "/metrics", "/api/v1/status", "/nowhere", "/api/v1/why", "//", "/../x"} {
		res, _ := get(t, addr, path)
		for name, want := range map[string]string{
			"Content-Security-Policy": contentSecurity, "X-Content-Type-Options": "nosniff", "Cache-Control": "no-store",
			"Cross-Origin-Resource-Policy": "same-origin", "X-Frame-Options": "DENY", "Referrer-Policy": "no-referrer",
		} {
			if got := res.Header.Get(name); got != want {
				t.Errorf("%s: %s %q, want %q", path, name, got, want)
			}
		}
	}
}

func TestOctets(t *testing.T) {
	for n, want := range map[int64]string{0: "0 B", 1023: "1023 B", 1024: "1.0 KiB", 10 << 30: "10.0 GiB", 1<<63 - 1: "8.0 EiB"} {
		if got := octets(n); got != want {
			t.Errorf("octets(%d) = %q, want %q", n, got, want)
		}
	}
}

// TestEmbeddedFilesHoldNoSurprise: a closing tag inside would end the element
// early, and html/template would not help, since it is told to trust them.
func TestEmbeddedFilesHoldNoSurprise(t *testing.T) {
	for _, name := range []string{"page.css", "page.js"} {
		raw, err := os.ReadFile(name)
		if err != nil || strings.Contains(string(raw), "</") || strings.Contains(string(raw), "{{") {
			t.Errorf("%s: %v", name, err)
		}
	}
}
