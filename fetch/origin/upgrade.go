package origin

import (
	"context"
	"crypto/tls"
	"io"
	"net"
	"net/http"
	"time"

	"github.com/flashcrowd/flashcrowd/fetch"
)

// Upgrade sends req once, with the wish to go on by protocol (RFC 9110 section
// 7.8), over a connection of its own. If the origin agrees, with status 101,
// the connection is returned beside its answer, and the caller closes it;
// otherwise it is nil, and the answer as of Send. Failures are *fetch.Failure,
// or ctx's own.
func (c *Client) Upgrade(ctx context.Context, req *fetch.Request, protocol string) (*fetch.Answer, io.ReadWriteCloser, error) {
	q, err := c.query(req, nil)
	if err != nil {
		return nil, nil, err
	}
	q.out.Header.Set("Connection", "Upgrade")
	q.out.Header.Set("Upgrade", protocol)
	begin := time.Now()
	resp, err := c.upgrades.RoundTrip(q.out.WithContext(ctx))
	if err != nil {
		return nil, nil, sendFailure(ctx, ctx, err)
	}
	far, agreed := resp.Body.(io.ReadWriteCloser)
	if agreed = agreed && resp.StatusCode == http.StatusSwitchingProtocols; agreed {
		err = checkFields(resp)
	} else {
		far, err = nil, checkReceived(resp)
	}
	if err != nil {
		resp.Body.Close()
		return nil, nil, err
	}
	m := q.meta(resp, seen{sent: begin, answered: time.Now()})
	if agreed {
		m.Header["Upgrade"] = resp.Header["Upgrade"] // hop by hop, and this is the hop
	}
	return &fetch.Answer{Meta: m, Body: resp.Body, Trailer: trailerOf(resp)}, far, nil
}

// upgradesOf returns what opens the connections of Upgrade: HTTP/1.1 alone, and
// none is used twice.
func upgradesOf(d *dialer, cfg Config) *http.Transport {
	return &http.Transport{
		DialContext: d.dial,
		DialTLSContext: func(ctx context.Context, network, hostport string) (net.Conn, error) {
			return d.handshake(ctx, network, hostport, func(c *tls.Config) { c.NextProtos = []string{"http/1.1"} })
		},
		DisableCompression: true, DisableKeepAlives: true,
		ResponseHeaderTimeout: cfg.FirstByteTimeout, MaxResponseHeaderBytes: maxHeaderBytes,
	}
}

// checkFields refuses too many fields, and malformed ones.
func checkFields(resp *http.Response) error {
	count := 0
	for name, values := range resp.Header {
		if count += len(values); count > maxFields {
			return failure(fetch.HeaderSize, "more than %d fields", maxFields)
		}
		if !isCleanField(name, values) {
			return failure(fetch.Protocol, "malformed field %.40q", name)
		}
	}
	return nil
}
