package proxy

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/flashcrowd/flashcrowd/fetch"
)

// upgradeOf returns the protocols by which a client would go on (RFC 9110
// section 7.8), or "" when it does not ask for it. HTTP/2 is not among them:
// nobody answers that by this way any more (RFC 9113 section 3.1).
func upgradeOf(r *http.Request) string {
	if r.Method != http.MethodGet || r.ProtoMajor != 1 || r.ProtoMinor == 0 || r.ContentLength != 0 {
		return ""
	}
	wanted := strings.Join(r.Header["Upgrade"], ", ")
	for _, line := range r.Header["Connection"] {
		for option := range strings.SplitSeq(line, ",") {
			if strings.EqualFold(strings.TrimSpace(option), "upgrade") && !strings.Contains(strings.ToLower(wanted), "h2c") {
				return wanted
			}
		}
	}
	return ""
}

// upgrade answers a request that asks for another protocol, such as that of
// WebSocket: what comes of it is between client and origin.
func (p *Proxy) upgrade(v *visit, target *url.URL, w way, protocol string) error {
	t := p.tunnels.open()
	if t == nil {
		return refuse(tooManyTunnels, "no more than %d tunnels", p.cfg.MaxTunnels)
	}
	defer p.tunnels.done(t)
	ctx, cancel := context.WithCancel(v.r.Context())
	defer cancel()
	defer context.AfterFunc(p.tunnels.ctx, cancel)()
	ans, far, err := p.cfg.Upgrade(ctx, v.request(target, w), protocol)
	if err != nil {
		return err
	}
	if far == nil {
		return v.deliver(&fetch.Response{
			Status: ans.Meta.Status, Header: ans.Meta.Header, Length: ans.Meta.Length, Body: ans.Body, Trailer: ans.Trailer,
			Served: fetch.Served{Forward: "bypass", Detail: "origin"}, Done: func(int64) {},
		}, w)
	}
	defer far.Close()
	near, early, err := v.takeOver()
	if err != nil {
		return err
	}
	defer near.Close()
	if len(early) > 0 {
		v.err = errors.New("proxy: the client sent more before the protocol was switched")
		return nil
	}
	if v.err = p.switching(near, ans.Meta.Header); v.err != nil {
		return nil
	}
	v.outcome, v.w.status, v.w.first = "tunnel", http.StatusSwitchingProtocols, time.Now()
	v.w.octets = t.carry(near, &switched{far, t}, nil, p.cfg.TunnelIdle)
	return nil
}

// switching tells the client what the origin agreed to.
func (p *Proxy) switching(near net.Conn, h http.Header) error {
	protocol := strings.Join(h["Upgrade"], ", ")
	dropHopByHop(h)
	h.Set("Connection", "Upgrade")
	h.Set("Upgrade", protocol)
	h.Add("Via", "1.1 "+p.cfg.Name)
	var text strings.Builder
	text.WriteString("HTTP/1.1 101 Switching Protocols\r\n")
	h.Write(&text)
	text.WriteString("\r\n")
	near.SetWriteDeadline(time.Now().Add(p.wait.idle))
	if _, err := io.WriteString(near, text.String()); err != nil {
		return fmt.Errorf("switch protocols: %w", err)
	}
	return near.SetWriteDeadline(time.Time{})
}

// switched is the connection to the origin in a tunnel. It has no deadlines, so
// each octet says by itself that the tunnel lives.
type switched struct {
	io.ReadWriteCloser
	t *tunnel
}

func (s *switched) Read(p []byte) (int, error) {
	n, err := s.ReadWriteCloser.Read(p)
	s.t.touch()
	return n, err
}

func (s *switched) Write(p []byte) (int, error) {
	n, err := s.ReadWriteCloser.Write(p)
	s.t.touch()
	return n, err
}

func (s *switched) LocalAddr() net.Addr              { return &net.TCPAddr{} }
func (s *switched) RemoteAddr() net.Addr             { return &net.TCPAddr{} }
func (s *switched) SetDeadline(time.Time) error      { return nil }
func (s *switched) SetReadDeadline(time.Time) error  { return nil }
func (s *switched) SetWriteDeadline(time.Time) error { return nil }
