package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"regexp"
	"strconv"
	"strings"
	"time"

	"github.com/flashcrowd/flashcrowd/verify"
)

const (
	// idleLimit is how long nothing may come. The node gives up on silent
	// origins and peers much earlier.
	idleLimit = 3 * time.Minute
	// maxRedirects is what browsers and fetch allow, halved.
	maxRedirects = 10
	copyBuffer   = 256 << 10
)

// errAgain: the transfer ended early, or what came is not the rest of what we
// have; asking again may help.
var errAgain = errors.New("transfer ended early")

// puller fetches bodies through one node.
type puller struct {
	relay *relay
	http  *http.Client
}

func newPuller(r *relay) *puller {
	transport := &http.Transport{
		DisableCompression: true, // a file is what the origin's octets are
		Proxy: func(req *http.Request) (*url.URL, error) {
			if req.URL.Host == r.proxy.Host {
				return nil, nil // the gateway is asked itself
			}
			return r.proxy, nil
		},
	}
	return &puller{r, &http.Client{
		Transport:     transport,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}}
}

// close ends idle connections.
func (p *puller) close() { p.http.CloseIdleConnections() }

// pull appends to dst what is missing of u's body. It returns where redirects
// led to. An error that is errAgain may be tried again with the same dst.
func (p *puller) pull(ctx context.Context, u *url.URL, dst *part, note func(octets int64, length int64)) (*url.URL, error) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	watch := time.AfterFunc(idleLimit, cancel)
	defer watch.Stop()

	fields := http.Header{"Accept-Encoding": {"identity"}, "User-Agent": {"flashcrowd/" + version()}}
	if dst.resumable() {
		fields.Set("Range", fmt.Sprintf("bytes=%d-", dst.offset))
		fields.Set("If-Range", dst.state.ETag)
	}
	res, at, err := p.open(ctx, u, fields)
	if err != nil {
		return nil, err
	}
	defer res.Body.Close()
	resumed, err := begin(res, u, at, dst)
	if err != nil {
		return nil, err
	}
	buf := make([]byte, copyBuffer)
	for {
		n, err := res.Body.Read(buf)
		watch.Reset(idleLimit)
		if _, err := dst.Write(buf[:n]); err != nil {
			return nil, err
		}
		note(dst.offset, dst.state.Length)
		if err == io.EOF {
			return at, complete(res, at, dst, resumed)
		}
		if err != nil {
			return nil, fmt.Errorf("%w: %w", errAgain, err)
		}
	}
}

// begin prepares dst for the body of res: the rest, or the whole anew.
func begin(res *http.Response, u, at *url.URL, dst *part) (resumed bool, err error) {
	where := placeOf(at)
	switch res.StatusCode {
	case http.StatusOK:
		return false, dst.restart(partState{URL: u.String(), At: where, ETag: strongTag(res.Header), Length: res.ContentLength})
	case http.StatusPartialContent:
		first, total, ok := contentRange(res.Header.Get("Content-Range"))
		same := ok && first == dst.offset && strongTag(res.Header) == dst.state.ETag && where == dst.state.At &&
			(dst.state.Length < 0 || total == dst.state.Length)
		if !dst.resumable() || !same {
			return false, errors.Join(fmt.Errorf("%w: the rest is of something else", errAgain), dst.restart(partState{}))
		}
		dst.state.Length = total
		return true, nil
	case http.StatusRequestedRangeNotSatisfiable:
		return false, errors.Join(fmt.Errorf("%w: there is no such rest", errAgain), dst.restart(partState{}))
	}
	return false, refusal(res)
}

// complete checks the length, and a resumed body against the origin's digest:
// the node proves what it delivers, but two deliveries were put together here.
func complete(res *http.Response, at *url.URL, dst *part, resumed bool) error {
	if dst.state.Length >= 0 && dst.offset != dst.state.Length {
		return fmt.Errorf("%w: %d octets of %d", errAgain, dst.offset, dst.state.Length)
	}
	if !resumed {
		return nil
	}
	proof, err := verify.Admit(verify.Open, at, verify.Read(verify.Exchange{
		URL: at, Method: http.MethodGet, Status: res.StatusCode, Header: res.Header, Length: dst.offset, At: time.Now(),
	}))
	if err == nil && proof.Digest().Algorithm() == verify.SHA256 && !dst.record.Matches(proof) {
		return errors.Join(fmt.Errorf("%w: the parts do not make the whole", errAgain), dst.restart(partState{}))
	}
	return nil
}

// open asks the node for u and follows redirects. The caller closes the body.
func (p *puller) open(ctx context.Context, u *url.URL, fields http.Header) (*http.Response, *url.URL, error) {
	for range maxRedirects {
		req, err := http.NewRequestWithContext(ctx, http.MethodGet, p.through(u), nil)
		if err != nil {
			return nil, nil, fmt.Errorf("ask for %s: %w", u, err)
		}
		req.Header = fields.Clone()
		if p.relay.token != "" {
			req.Header.Set("Proxy-Authorization", "Bearer "+p.relay.token)
		}
		res, err := p.http.Do(req)
		if err != nil {
			return nil, nil, fmt.Errorf("%w: %w", errAgain, err)
		}
		next, err := redirect(res, u)
		if next == nil && err == nil {
			return res, u, nil
		}
		res.Body.Close()
		if err != nil {
			return nil, nil, err
		}
		u = next
	}
	return nil, nil, errors.New("too many redirects")
}

// through returns what to ask for u: itself by the forward proxy, or its path
// in the gateway, since TLS would pass the node unseen.
func (p *puller) through(u *url.URL) string {
	if u.Scheme == "http" {
		return u.String()
	}
	return p.relay.proxy.Scheme + "://" + p.relay.proxy.Host + "/" + u.String()
}

// redirect returns where res sends us, nil when it does not.
func redirect(res *http.Response, from *url.URL) (*url.URL, error) {
	switch res.StatusCode {
	case http.StatusMovedPermanently, http.StatusFound, http.StatusSeeOther, http.StatusTemporaryRedirect, http.StatusPermanentRedirect:
	default:
		return nil, nil
	}
	location := res.Header.Get("Location")
	if inner, ok := strings.CutPrefix(location, "/"); ok && absolute.MatchString(inner) {
		location = inner // the gateway's own form
	}
	to, err := from.Parse(location)
	if location == "" || err != nil || to.Host == "" || to.Scheme != "http" && to.Scheme != "https" {
		return nil, errors.New("redirected to nowhere")
	}
	to.Fragment, to.RawFragment = "", ""
	return to, nil
}

var absolute = regexp.MustCompile(`^https?://`)

// refusal is an answer that has no file in it.
func refusal(res *http.Response) error {
	text := res.Status
	if reason := res.Header.Get("Proxy-Status"); reason != "" {
		text += " (" + reason + ")"
	}
	return errors.New(text)
}

// strongTag returns the entity tag if it is a strong validator (RFC 9110
// section 8.8.1).
func strongTag(h http.Header) string {
	tags := h.Values("Etag")
	if len(tags) != 1 || len(tags[0]) < 2 || !strings.HasPrefix(tags[0], `"`) || !strings.HasSuffix(tags[0], `"`) {
		return ""
	}
	return tags[0]
}

// placeOf is u without its query, which changes where links are signed.
func placeOf(u *url.URL) string {
	place := *u
	place.RawQuery, place.ForceQuery = "", false
	return place.String()
}

// contentRange reads "bytes FIRST-LAST/TOTAL" of a range that goes to the end.
func contentRange(s string) (first, total int64, ok bool) {
	span, ok := strings.CutPrefix(s, "bytes ")
	span, whole, ok2 := strings.Cut(span, "/")
	from, to, ok3 := strings.Cut(span, "-")
	first, err1 := strconv.ParseInt(from, 10, 64)
	last, err2 := strconv.ParseInt(to, 10, 64)
	total, err3 := strconv.ParseInt(whole, 10, 64)
	ok = ok && ok2 && ok3 && err1 == nil && err2 == nil && err3 == nil && 0 <= first && first <= last && last == total-1
	return first, total, ok
}
