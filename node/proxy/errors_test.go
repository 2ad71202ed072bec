package proxy

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io"
	"log/slog"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/dunglas/httpsfv"
	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/client_golang/prometheus"

	"github.com/flashcrowd/flashcrowd/fetch"
	"github.com/flashcrowd/flashcrowd/verify"
)

// causes reads the constants of type fetch.Cause, so that a new one without a
// status fails here.
func causes(t *testing.T) []fetch.Cause {
	t.Helper()
	file, err := parser.ParseFile(token.NewFileSet(), "../../fetch/errors.go", nil, 0)
	if err != nil {
		t.Fatal(err)
	}
	var all []fetch.Cause
	ast.Inspect(file, func(n ast.Node) bool {
		spec, ok := n.(*ast.ValueSpec)
		if !ok {
			return true
		}
		if name, ok := spec.Type.(*ast.Ident); ok && name.Name == "Cause" {
			for _, v := range spec.Values {
				s, err := strconv.Unquote(v.(*ast.BasicLit).Value)
				if err != nil {
					t.Fatal(err)
				}
				all = append(all, fetch.Cause(s))
			}
		}
		return false
	})
	return all
}

// Every failure has one name and one status (design.md section 13).
func TestEveryCauseHasAStatus(t *testing.T) {
	want := map[fetch.Cause]int{
		fetch.BadRequest: 400, fetch.Denied: 403, fetch.DeniedAddress: 403, fetch.DNS: 502, fetch.Refused: 502,
		fetch.Terminated: 502, fetch.Timeout: 504, fetch.ReadTimeout: 504, fetch.TLS: 502, fetch.TLSProtocol: 502,
		fetch.Protocol: 502, fetch.HeaderSize: 502, fetch.Incomplete: 502, fetch.Loop: 502, fetch.OnlyIfCached: 504,
		fetch.InternalFailure: 500,
	}
	all := causes(t)
	if len(all) != len(want) || len(all) != len(problems) {
		t.Errorf("%d causes, %d in the table, %d expected", len(all), len(problems), len(want))
	}
	for _, cause := range all {
		failure := &fetch.Failure{Cause: cause, Err: errors.New("why \"so\"")}
		addr := start(t, Config{Fetcher: fetchFunc(func(context.Context, *fetch.Request) (*fetch.Response, error) {
			return nil, fmt.Errorf("deep down: %w", failure)
		})})
		resp, body := ask(t, addr, "GET http://h.example/ HTTP/1.1\r\nHost: h\r\n\r\n")
		wantStatus(t, resp, body, want[cause], string(cause))
		list, err := httpsfv.UnmarshalList(resp.Header["Proxy-Status"])
		if err != nil || len(list) != 1 {
			t.Fatalf("%s: Proxy-Status %q: %v", cause, resp.Header["Proxy-Status"], err)
		}
		if details, _ := list[0].(httpsfv.Item).Params.Get("details"); details != `why "so"` {
			t.Errorf("%s: details %q", cause, details)
		}
		if p := problems[cause]; p.cause != cause || p.advice == "" || !strings.Contains(body, p.advice) {
			t.Errorf("%s: row %+v, body %q", cause, p, body)
		}
	}
	for err, status := range map[error]int{
		errors.New("unknown"):                            500,
		fmt.Errorf("wait: %w", context.DeadlineExceeded): 504,
		&fetch.Failure{Cause: "new_one"}:                 500,
	} {
		if got := problemOf(err).status; got != status {
			t.Errorf("%v: %d, want %d", err, got, status)
		}
	}
}

func TestDescribe(t *testing.T) {
	for _, tc := range []struct {
		err  error
		want string
	}{
		{&url.Error{Op: "Get", URL: "http://h/x?token=abc", Err: errors.New("no")}, `Get "http://h/x?...": no`},
		{&fetch.Failure{Cause: fetch.DNS, Err: errors.New("see https://h/?a=b c?d")}, "see https://h/?... c?d"},
		{errors.New("a\x1b[31m\r\nb\xffü"), "a?[31m??b??"},
		{errors.New(strings.Repeat("x", 500)), strings.Repeat("x", maxDetail)},
		{&fetch.Failure{Cause: fetch.DNS}, "dns_error: <nil>"},
	} {
		if got := describe(tc.err); got != tc.want {
			t.Errorf("describe(%q) = %q, want %q", tc.err, got, tc.want)
		}
	}
}

func TestCacheStatus(t *testing.T) {
	for want, s := range map[string]fetch.Served{
		"flashcrowd":                                              {},
		"flashcrowd;hit;ttl=-5":                                   {Hit: true, TTL: -5 * time.Second, HasTTL: true},
		"flashcrowd;hit;ttl=376;detail=mixed":                     {Hit: true, TTL: 376*time.Second + 999*time.Millisecond, HasTTL: true, Detail: "mixed"},
		"flashcrowd;fwd=uri-miss;stored;collapsed":                {Forward: "uri-miss", Stored: true, Collapsed: true},
		"flashcrowd;fwd=stale;ttl=9;stored;collapsed;detail=peer": {Forward: "stale", TTL: 9 * time.Second, HasTTL: true, Stored: true, Collapsed: true, Detail: "peer"},
	} {
		if got := cacheStatus(s); got != want {
			t.Errorf("%+v: %q, want %q", s, got, want)
		}
	}
}

func TestEvidenceIsNamed(t *testing.T) {
	u := &url.URL{Scheme: "https", Host: "h.example", Path: "/x"}
	found := verify.Read(verify.Exchange{
		URL: u, Method: "GET", Status: 200, Length: 3, At: time.Now(),
		Header: http.Header{"Repr-Digest": {"sha-256=:ungWv48Bz+pBQUDeXa4iI7ADYaOWF3qctBD/YfIAFa0=:"}},
	})
	if len(found) != 1 {
		t.Fatalf("evidence %v", found)
	}
	h := http.Header{"Flashcrowd-Evidence": {"forged"}}
	label(h, "fc-x", fetch.Served{Evidence: &found[0]})
	if got := h["Flashcrowd-Evidence"]; len(got) != 1 || got[0] != "repr-digest; level=E7; alg=sha-256" {
		t.Errorf("Flashcrowd-Evidence %q", got)
	}
	if _, ok := h["Age"]; ok {
		t.Error("Age on a response that was not stored")
	}
}

func TestFaultyFetcherStatus(t *testing.T) {
	for _, status := range []int{0, 101, 103, 1000} {
		do := stored(nil, func() io.ReadCloser { return memory{bytes.NewReader(nil)} })
		addr := start(t, Config{Fetcher: fetchFunc(func(ctx context.Context, r *fetch.Request) (*fetch.Response, error) {
			resp, err := do(ctx, r)
			resp.Status = status
			return resp, err
		})})
		resp, body := ask(t, addr, "GET http://h.example/ HTTP/1.1\r\nHost: h\r\n\r\n")
		wantStatus(t, resp, body, 502, "http_protocol_error")
	}
}

// counts returns the values, or for histograms the number of observations, of
// a metric by its only label.
func counts(t *testing.T, reg *prometheus.Registry, name string) map[string]float64 {
	t.Helper()
	families, err := reg.Gather()
	if err != nil {
		t.Fatal(err)
	}
	out := map[string]float64{}
	for _, f := range families {
		if f.GetName() != name {
			continue
		}
		for _, m := range f.GetMetric() {
			label := ""
			for _, l := range m.GetLabel() {
				label = l.GetValue()
			}
			out[label] = m.GetCounter().GetValue() + float64(m.GetHistogram().GetSampleCount())
		}
	}
	return out
}

// locked is a buffer for many goroutines.
type locked struct {
	mu sync.Mutex // guards following
	b  bytes.Buffer
}

func (l *locked) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *locked) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}

func TestCountsAndLogs(t *testing.T) {
	o := origin(t, echo)
	to, conns := peer(t)
	log, reg, tw := &locked{}, prometheus.NewRegistry(), newTwin(t)
	hit := stored(nil, func() io.ReadCloser { return memory{bytes.NewReader(rangeData)} })
	p := New(Config{
		Dial: plainDial, Metrics: reg, Logger: slog.New(slog.NewTextHandler(log, &slog.HandlerOptions{Level: slog.LevelDebug})),
		Fetcher: fetchFunc(func(ctx context.Context, r *fetch.Request) (*fetch.Response, error) {
			switch r.URL.Path {
			case "/hit":
				return hit(ctx, r)
			case "/stale":
				resp, err := hit(ctx, r)
				resp.Served.TTL = -time.Second
				return resp, err
			}
			return tw.Do(ctx, r)
		}),
	})
	defer p.Close()
	addr := listen(t, p, p.Handler())
	for _, raw := range []string{
		"GET " + o.URL + "/miss?secret=1 HTTP/1.1\r\nHost: h\r\nCookie: c00kie\r\n\r\n",
		"GET http://h.example/hit HTTP/1.1\r\nHost: h\r\n\r\n",
		"GET http://h.example/stale HTTP/1.1\r\nHost: h\r\n\r\n",
		"GET http://127.0.0.1:1/?secret HTTP/1.1\r\nHost: h\r\n\r\n",
		"GET /http://user:pw@h.example/?secret=1 HTTP/1.1\r\nHost: localhost\r\n\r\n",
		"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n",
	} {
		ask(t, addr, raw)
	}
	c := connect(t, addr, to)
	(<-conns).Close()
	c.Close()
	eventually(t, func() bool { return strings.Count(log.String(), "msg=request") == 7 })

	want := map[string]float64{"miss": 1, "hit": 1, "stale": 1, "failed": 1, "refused": 1, "local": 1, "tunnel": 1}
	if diff := cmp.Diff(want, counts(t, reg, "flashcrowd_requests_total")); diff != "" {
		t.Errorf("requests_total (-want +got):\n%s", diff)
	}
	want = map[string]float64{"cache": 2, "origin": 1, "tunnel": 1}
	if diff := cmp.Diff(want, counts(t, reg, "flashcrowd_first_byte_seconds")); diff != "" {
		t.Errorf("first_byte_seconds (-want +got):\n%s", diff)
	}
	if got := counts(t, reg, "flashcrowd_request_duration_seconds")[""]; got != 6 {
		t.Errorf("request_duration_seconds has %v observations, want 6: tunnels do not count", got)
	}
	for _, secret := range []string{"secret", "c00kie", "pw@"} {
		if strings.Contains(log.String(), secret) {
			t.Errorf("the log has %q:\n%s", secret, log)
		}
	}
}
