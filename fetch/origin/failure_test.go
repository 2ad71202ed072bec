package origin

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"errors"
	"fmt"
	"io"
	"log"
	"math/big"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/flashcrowd/flashcrowd/fetch"
)

// Each fault has one name (faults.md, promise 13).
func TestFailures(t *testing.T) {
	silent := func(conn net.Conn, _ *http.Request) { untilGone(conn) }
	short := Config{FirstByteTimeout: 50 * time.Millisecond}
	for _, tt := range []struct {
		name string
		cfg  Config
		url  func(t *testing.T) string
		want fetch.Cause
	}{
		{"no such name", Config{Resolver: deadResolver()}, fixed("http://nowhere.invalid/"), fetch.DNS},
		{"refused", Config{}, nobody, fetch.Refused},
		{"connect hangs", Config{DialTimeout: 20 * time.Millisecond, Dial: hang}, fixed("http://192.0.2.1/"), fetch.Timeout},
		{"denied", Config{}, fixed("http://169.254.169.254/"), fetch.DeniedAddress},
		{"handshake hangs", Config{TLSTimeout: 20 * time.Millisecond}, tlsTo(func(c net.Conn) { untilGone(c) }), fetch.Timeout},
		{"not tls", Config{}, tlsTo(func(c net.Conn) { io.WriteString(c, "HTTP/1.1 400 Bad Request\r\n\r\n") }), fetch.TLSProtocol},
		{"tls alert", Config{}, tlsTo(func(c net.Conn) { c.Write([]byte{21, 3, 3, 0, 2, 2, 40}) }), fetch.TLSProtocol},
		{"silent", short, scripted(silent), fetch.ReadTimeout},
		{"closes", Config{}, scripted(func(net.Conn, *http.Request) {}), fetch.Terminated},
		{"resets", Config{}, scripted(reset), fetch.Terminated},
		{"closes in the fields", Config{}, scripted(says("HTTP/1.1 200 OK\r\nA: b\r\n")), fetch.Terminated},
		{"garbage", Config{}, scripted(says("SSH-2.0-OpenSSH_9.9\r\n\r\n")), fetch.Protocol},
		{"bad status", Config{}, scripted(says("HTTP/1.1 2x0 OK\r\n\r\n")), fetch.Protocol},
		{"status 099", Config{}, scripted(says("HTTP/1.1 099 Low\r\nContent-Length: 0\r\n\r\n")), fetch.Protocol},
		{"two status lines", Config{}, scripted(says("HTTP/1.1 200 OK\r\nHTTP/1.1 302 Found\r\n\r\n")), fetch.Protocol},
		{"split value", Config{}, scripted(says("HTTP/1.1 200 OK\r\nX: a\rSet-Cookie: b\r\nContent-Length: 0\r\n\r\n")), fetch.Protocol},
		{"nul in value", Config{}, scripted(says("HTTP/1.1 200 OK\r\nX: a\x00b\r\nContent-Length: 0\r\n\r\n")), fetch.Protocol},
		{"space in name", Config{}, scripted(says("HTTP/1.1 200 OK\r\nX Y: a\r\nContent-Length: 0\r\n\r\n")), fetch.Protocol},
		{"two lengths", Config{}, scripted(says("HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nab")), fetch.Protocol},
		{"unknown transfer coding", Config{}, scripted(says("HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip\r\n\r\n")), fetch.Protocol},
		{"switching unasked", Config{}, scripted(says("HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\nConnection: upgrade\r\n\r\nhello")), fetch.Protocol},
		{"many 103", Config{}, scripted(says(strings.Repeat("HTTP/1.1 103 Early Hints\r\n\r\n", 1000) + "HTTP/1.1 200 OK\r\n\r\n")), fetch.Protocol},
		{"1 MiB of fields", Config{}, scripted(says("HTTP/1.1 200 OK\r\nX: " + strings.Repeat("a", 1<<20) + "\r\n\r\n")), fetch.HeaderSize},
		{"1 MiB of small fields", Config{}, scripted(says("HTTP/1.1 200 OK\r\n" + strings.Repeat("X: a\r\n", 1<<20/6) + "\r\n")), fetch.HeaderSize},
		{"257 fields", Config{}, scripted(says("HTTP/1.1 200 OK\r\n" + strings.Repeat("X: a\r\n", 257) + "\r\n")), fetch.HeaderSize},
	} {
		t.Run(tt.name, func(t *testing.T) {
			req := get(t, tt.url(t))
			c := client(t, tt.cfg)
			start := time.Now()
			a, err := c.Send(t.Context(), req, nil)
			if err == nil {
				a.Body.Close()
			}
			var f *fetch.Failure
			if !errors.As(err, &f) || f.Cause != tt.want {
				t.Errorf("got %v, want %s", err, tt.want)
			}
			if took := time.Since(start); took > patience {
				t.Errorf("it took %v", took)
			}
		})
	}
}

func fixed(s string) func(*testing.T) string { return func(*testing.T) string { return s } }

func scripted(act func(net.Conn, *http.Request)) func(*testing.T) string {
	return func(t *testing.T) string { return script(t, act) + "/" }
}

// nobody returns a URL of a port where nobody listens.
func nobody(t *testing.T) string {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	return "http://" + ln.Addr().String() + "/"
}

func hang(ctx context.Context, _, _ string) (net.Conn, error) {
	<-ctx.Done()
	return nil, ctx.Err()
}

func deadResolver() *net.Resolver {
	return &net.Resolver{PreferGo: true, Dial: func(context.Context, string, string) (net.Conn, error) {
		return nil, errors.New("no network")
	}}
}

func reset(conn net.Conn, _ *http.Request) {
	conn.(*net.TCPConn).SetLinger(0)
	conn.Close()
}

// tlsTo returns an https URL of a server that does as told with the bare
// connection once it has read something.
func tlsTo(act func(net.Conn)) func(*testing.T) string {
	return func(t *testing.T) string {
		ln, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		done := make(chan struct{})
		go func() {
			defer close(done)
			conn, err := ln.Accept()
			if err != nil {
				return
			}
			defer conn.Close()
			conn.Read(make([]byte, 1))
			act(conn)
		}()
		t.Cleanup(func() {
			ln.Close()
			<-done
		})
		return "https://" + ln.Addr().String() + "/"
	}
}

// authority makes certificates.
type authority struct {
	cert *x509.Certificate
	key  *ecdsa.PrivateKey
}

func newAuthority(t *testing.T, name string) *authority {
	a := &authority{}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: name}, IsCA: true, BasicConstraintsValid: true,
		KeyUsage: x509.KeyUsageCertSign, NotBefore: time.Now().Add(-48 * time.Hour), NotAfter: time.Now().Add(time.Hour),
	}
	a.cert, a.key = template, newKey(t)
	der, err := x509.CreateCertificate(rand.Reader, template, template, a.key.Public(), a.key)
	if err != nil {
		t.Fatal(err)
	}
	if a.cert, err = x509.ParseCertificate(der); err != nil {
		t.Fatal(err)
	}
	return a
}

func newKey(t *testing.T) *ecdsa.PrivateKey {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return key
}

func (a *authority) leaf(t *testing.T, ip net.IP, from, until time.Duration) tls.Certificate {
	key := newKey(t)
	der, err := x509.CreateCertificate(rand.Reader, &x509.Certificate{
		SerialNumber: big.NewInt(2), IPAddresses: []net.IP{ip}, KeyUsage: x509.KeyUsageDigitalSignature,
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
		NotBefore:   time.Now().Add(from), NotAfter: time.Now().Add(until),
	}, a.cert, key.Public(), a.key)
	if err != nil {
		t.Fatal(err)
	}
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}
}

func TestCertificates(t *testing.T) {
	good, other := newAuthority(t, "good"), newAuthority(t, "other")
	pool := x509.NewCertPool()
	pool.AddCert(good.cert)
	local, hour := net.IPv4(127, 0, 0, 1), time.Hour
	for _, tt := range []struct {
		name string
		cert tls.Certificate
		want fetch.Cause
	}{
		{"right", good.leaf(t, local, -hour, hour), ""},
		{"expired", good.leaf(t, local, -2*hour, -hour), fetch.TLS},
		{"not yet valid", good.leaf(t, local, hour, 2*hour), fetch.TLS},
		{"of another host", good.leaf(t, net.IPv4(10, 0, 0, 1), -hour, hour), fetch.TLS},
		{"of an unknown authority", other.leaf(t, local, -hour, hour), fetch.TLS},
	} {
		t.Run(tt.name, func(t *testing.T) {
			srv := tlsServer(t, &tls.Config{Certificates: []tls.Certificate{tt.cert}})
			c := client(t, Config{RootCAs: pool})
			a, err := c.Send(t.Context(), get(t, srv.URL), nil)
			if err == nil {
				a.Body.Close()
			}
			if (err == nil) != (tt.want == "") || err != nil && fetch.CauseOf(err) != tt.want {
				t.Errorf("got %v, want %q", err, tt.want)
			}
		})
	}
}

func TestTLSVersions(t *testing.T) {
	ca := newAuthority(t, "good")
	pool := x509.NewCertPool()
	pool.AddCert(ca.cert)
	leaf := ca.leaf(t, net.IPv4(127, 0, 0, 1), -time.Hour, time.Hour)
	for _, tt := range []struct {
		name string
		cfg  *tls.Config
	}{
		{"old version", &tls.Config{MinVersion: tls.VersionTLS10, MaxVersion: tls.VersionTLS11}},
		{"client certificate wanted", &tls.Config{ClientAuth: tls.RequireAnyClientCert}},
		{"client certificate wanted, 1.2", &tls.Config{ClientAuth: tls.RequireAnyClientCert, MaxVersion: tls.VersionTLS12}},
	} {
		tt.cfg.Certificates = []tls.Certificate{leaf}
		srv := tlsServer(t, tt.cfg)
		c := client(t, Config{RootCAs: pool})
		if _, err := c.Send(t.Context(), get(t, srv.URL), nil); fetch.CauseOf(err) != fetch.TLSProtocol {
			t.Errorf("%s: got %v", tt.name, err)
		}
	}
}

func tlsServer(t *testing.T, cfg *tls.Config) *httptest.Server {
	srv := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, "hello") }))
	srv.Config.ErrorLog = log.New(io.Discard, "", 0)
	srv.TLS = cfg
	srv.StartTLS()
	t.Cleanup(srv.Close)
	return srv
}

// HTTP/2 has errors of its own.
func TestFailuresHTTP2(t *testing.T) {
	for _, tt := range []struct {
		name    string
		handler http.HandlerFunc
		wait    time.Duration
		want    fetch.Cause
	}{
		{"fields", func(w http.ResponseWriter, _ *http.Request) {
			for i := range 70 {
				w.Header().Set(fmt.Sprint("X", i), strings.Repeat("a", 1000))
			}
		}, patience, fetch.HeaderSize},
		// net/http ends the connection when it is far too much, and does not
		// say why.
		{"huge field", func(w http.ResponseWriter, _ *http.Request) { w.Header().Set("X", strings.Repeat("a", 80<<10)) }, patience, fetch.Protocol},
		{"257 fields", func(w http.ResponseWriter, _ *http.Request) { w.Header()["X"] = make([]string, 257) }, patience, fetch.HeaderSize},
		{"interim", func(w http.ResponseWriter, _ *http.Request) {
			for range 100 {
				w.WriteHeader(http.StatusEarlyHints)
			}
		}, patience, fetch.Protocol},
		{"stream reset", func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) }, patience, fetch.Protocol},
		{"silent", func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() }, 200 * time.Millisecond, fetch.ReadTimeout},
	} {
		srv, cas := webserver(t, true, tt.handler)
		c := client(t, Config{RootCAs: cas, FirstByteTimeout: tt.wait})
		a, err := c.Send(t.Context(), get(t, srv.URL), nil)
		if err == nil {
			a.Body.Close()
			t.Errorf("%s: answered %d", tt.name, a.Meta.Status)
		} else if fetch.CauseOf(err) != tt.want {
			t.Errorf("%s: got %v, want %s", tt.name, err, tt.want)
		}
	}
}

// The end of the caller's context is nobody's failure.
func TestContextPassesThrough(t *testing.T) {
	at := script(t, func(conn net.Conn, req *http.Request) {
		if req.URL.Path == "/body" {
			io.WriteString(conn, "HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nab")
		}
		untilGone(conn)
	})
	c := client(t, Config{})
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	_, err := c.Send(ctx, get(t, at+"/"), nil)
	var f *fetch.Failure
	if !errors.Is(err, context.DeadlineExceeded) || errors.As(err, &f) {
		t.Errorf("send: %v", err)
	}

	ctx, cancel = context.WithCancel(t.Context())
	a, err := c.Send(ctx, get(t, at+"/body"), nil)
	if err != nil {
		t.Fatal(err)
	}
	defer a.Body.Close()
	cancel()
	got, err := io.ReadAll(a.Body)
	if !errors.Is(err, context.Canceled) || errors.As(err, &f) || !bytes.HasPrefix([]byte("ab"), got) {
		t.Errorf("body: %q, %v", got, err)
	}

	ctx, cancel = context.WithCancel(t.Context())
	cancel()
	if _, err := c.DialTunnel(ctx, "127.0.0.1:1"); !errors.Is(err, context.Canceled) || errors.As(err, &f) {
		t.Errorf("tunnel: %v", err)
	}
}
