package fetch

import (
	"context"
	"errors"
	"io"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/flashcrowd/flashcrowd/verify"
)

// assemble answers from an incomplete response that is stored and fresh (RFC
// 9111 section 3.3): a range from what is held, and from the origin only what
// is missing of it. ok is false when the request must go another way.
func (j *journey) assemble(ctx context.Context) (r *Response, ok bool) {
	if j.req.Method != http.MethodGet || !ranged(j.req) {
		return nil, false
	}
	p, err := j.f.cfg.Cache.Partial(j.req, time.Now())
	if err != nil {
		return nil, false
	}
	want, suits := wanted(j.req, p)
	if !p.Fresh || !suits || p.Meta.Moved || guarded(j.req, p.Meta) {
		p.Body.Close()
		return nil, false
	}
	missing := Missing(want, p.Held)
	if len(missing) == 0 {
		return j.heldPart(p, want), true
	}
	p.Body.Close()
	if onlyIfCached(j.req) {
		return nil, false
	}
	return j.patched(ctx, p, want)
}

// wanted is which octets of the response s are asked for by req. ok is false
// unless that is one satisfiable range without conditions, but for an If-Range
// that holds.
func wanted(req *Request, s *Stored) (want Span, ok bool) {
	for _, name := range conditions {
		lines := req.Header.Values(name)
		if len(lines) > 0 && (name != "If-Range" || len(lines) > 1 || s.Meta.StrongETag() == "" || lines[0] != s.Meta.StrongETag()) {
			return Span{}, false
		}
	}
	lines := req.Header.Values("Range")
	if len(lines) != 1 {
		return Span{}, false
	}
	return oneRange(lines[0], s.Length)
}

// oneRange reads a Range field with a single satisfiable range of a body of
// length octets (RFC 9110 section 14.1.2).
func oneRange(line string, length int64) (Span, bool) {
	unit, set, _ := strings.Cut(line, "=")
	first, last, dashed := strings.Cut(strings.Trim(set, " \t"), "-")
	if !strings.EqualFold(unit, "bytes") || !dashed {
		return Span{}, false
	}
	from, hasFirst := octets(first)
	to, hasLast := octets(last)
	switch {
	case first != "" && !hasFirst, last != "" && !hasLast, first == "" && last == "":
		return Span{}, false
	case first == "":
		from, to = max(0, length-to), length
	case last == "" || to >= length:
		to = length
	default:
		to++
	}
	return Span{from, to}, from < to
}

// octets reads digits, and nothing else.
func octets(s string) (int64, bool) {
	if s == "" || strings.Trim(s, "0123456789") != "" {
		return 0, false
	}
	n, err := strconv.ParseInt(s, 10, 63)
	return n, err == nil
}

// heldPart is a 206 from the cache alone.
func (j *journey) heldPart(p *Stored, want Span) *Response {
	j.outcome, j.status = "hit", http.StatusPartialContent
	j.firstByte()
	j.sources = []SourceBytes{{Kind: "cache", Bytes: want.Len()}}
	r := j.partial206(p.Meta, want, readCloser{io.NewSectionReader(p.Body, want.Offset, want.Len()), p.Body})
	r.Served = Served{Hit: true, TTL: p.TTL, HasTTL: true, Age: p.Age, Detail: "origin"}
	return r
}

type readCloser struct {
	io.Reader
	io.Closer
}

// partial206 is a response with the octets want of the body of m.
func (j *journey) partial206(m *Meta, want Span, body io.ReadCloser) *Response {
	h := m.Header.Clone()
	h.Del("Content-Length")
	h.Del("Content-Digest") // which is of other content
	h.Set("Content-Range", "bytes "+strconv.FormatInt(want.Offset, 10)+"-"+strconv.FormatInt(want.End-1, 10)+"/"+strconv.FormatInt(m.Length, 10))
	return &Response{Status: http.StatusPartialContent, Header: h, Length: want.Len(), Body: body, Done: j.done}
}

// patched is a 206 of what is held and what the origin has of the rest, which
// is kept.
func (j *journey) patched(ctx context.Context, p *Stored, want Span) (*Response, bool) {
	w, held, err := j.f.cfg.Cache.Resume(whole(j.req), p.Meta)
	if err != nil {
		return nil, false
	}
	k := &keeping{f: j.f, url: subject(j.req), w: w, meta: p.Meta, held: held}
	body := &patchwork{ctx: ctx, src: j.f.gaps(whole(j.req), p.Meta), disk: w, held: held, off: want.Offset, end: want.End}
	if err := body.begin(); err != nil {
		if errors.Is(err, ErrChanged) {
			w.Abort()
		} else {
			k.end()
		}
		return nil, false
	}
	body.keep = k
	j.status = http.StatusPartialContent
	r := j.partial206(p.Meta, want, body)
	r.Served = Served{Forward: "partial", Stored: true, Age: p.Age}
	r.Done = func(sent int64) {
		j.sources = []SourceBytes{{Kind: "origin", Bytes: body.fresh}, {Kind: "cache", Bytes: body.sent - body.fresh}}
		j.done(sent)
	}
	return r, true
}

// whole returns req for the whole, as a part is stored.
func whole(req *Request) *Request {
	r := unconditional(req)
	r.Interim = nil
	return r
}

// keepPart keeps what is passing of ans if it may be stored: a part of a whole
// (RFC 9111 section 3.4), or the whole that an origin sends in the place of a
// part or of a 304. Of those that pass at once for one URL the first is kept.
func (j *journey) keepPart(ans *Answer) {
	part, total := ans.Part, ans.Total
	entire := ans.Meta.Status == http.StatusOK && ans.Meta.Length > 0
	if entire {
		part, total = Span{0, ans.Meta.Length}, ans.Meta.Length
	}
	if part.Len() <= 0 || j.req.Method != http.MethodGet || entire && !j.f.adopt(subject(j.req)) {
		return
	}
	m := *ans.Meta
	m.Status, m.Length, m.Header = http.StatusOK, total, ans.Meta.Header.Clone()
	if !entire {
		m.Header.Del("Content-Range")
		m.Header.Del("Content-Digest")
		m.Header.Set("Content-Length", strconv.FormatInt(total, 10))
	}
	req := whole(j.req)
	j.f.awaitKeeping(context.Background(), subject(j.req))
	w, held, err := j.f.cfg.Cache.Resume(req, &m)
	if errors.Is(err, ErrMiss) {
		w, err = j.f.cfg.Cache.Create(req, &m)
	}
	if err != nil {
		if entire {
			j.f.disown(subject(j.req))
		}
		return
	}
	k := &keeping{f: j.f, url: subject(j.req), w: w, meta: &m, held: held, adopted: entire}
	ans.Body = &kept{ans.Body, k, part.Offset, part.End}
}

// adopt reports whether no whole body of url is kept as it passes now. Whoever
// is told so calls disown when that has ended.
func (f *Fetcher) adopt(url string) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	if _, is := f.adopted[url]; is {
		return false
	}
	f.adopted[url] = struct{}{}
	return true
}

func (f *Fetcher) disown(url string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	delete(f.adopted, url)
}

// kept is a body whose octets are kept as they pass.
type kept struct {
	io.ReadCloser
	k        *keeping
	off, end int64
}

func (b *kept) Read(p []byte) (int, error) {
	n, err := b.ReadCloser.Read(p)
	b.k.add(p[:n], b.off)
	if b.off += int64(n); b.off >= b.end {
		b.k.end() // so that who asks behind the last octet waits for it
	}
	return n, err
}

func (b *kept) Close() error {
	err := b.ReadCloser.Close()
	b.k.end()
	return err
}

// keeping writes parts of one body. One goroutine uses it.
type keeping struct {
	f    *Fetcher
	url  string
	w    Writer
	meta *Meta
	held []Span
	over bool
	// adopted: no other whole body of url is kept until this one is.
	adopted bool
}

// add keeps p at off. A disk that takes no more takes nothing away.
func (k *keeping) add(p []byte, off int64) {
	if k.over || len(p) == 0 {
		return
	}
	if n, err := k.w.WriteAt(p, off); err == nil {
		k.held = Union(append(k.held, Span{off, off + int64(n)})...)
	}
}

// end stores what there is, behind the back of the reader: a body that is all
// there now as complete.
func (k *keeping) end() {
	if k.over {
		return
	}
	k.over = true
	f := k.f
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.closed {
		k.w.Abort()
		return
	}
	done := make(chan struct{})
	f.keeping[k.url] = incoming{done, max(keepingTime, k.meta.ResponseTime.Sub(k.meta.RequestTime))}
	f.wg.Go(func() {
		k.store()
		f.mu.Lock()
		defer f.mu.Unlock()
		close(done)
		if k.adopted {
			delete(f.adopted, k.url)
		}
		if f.keeping[k.url].done == done {
			delete(f.keeping, k.url)
		}
	})
}

func (k *keeping) store() {
	if len(Missing(Span{0, k.meta.Length}, k.held)) > 0 {
		if err := k.w.Suspend(k.held); err != nil {
			k.f.log.Warn("not stored", "err", err)
		}
		return
	}
	alg, stated := verify.SHA256, verify.Proof{}
	if p, err := verify.Admit(verify.Open, k.meta.ParsedURL(), k.meta.Evidence); err == nil {
		stated, alg = p, p.Digest().Algorithm()
	}
	recorder := verify.NewRecorder(alg, k.meta.Length)
	_, err := io.Copy(recorder, io.NewSectionReader(k.w, 0, k.meta.Length))
	if err != nil || stated.Valid() && !recorder.Matches(stated) {
		k.f.log.Warn("rejected", "reason", "parts do not make up what the origin states", "err", err)
		k.w.Abort()
		return
	}
	seal := Seal{Whole: recorder.Whole(), Sources: []SourceBytes{{Kind: "origin", Bytes: k.meta.Length}}}
	if err := k.w.Commit(seal); err != nil {
		k.f.log.Warn("not stored", "err", err)
	}
	k.w.Release()
}

// keepingTime is how long a question waits at least for parts of the same URL
// that are just being stored, which takes some milliseconds unless the disk is
// overloaded. It waits as long as the origin took to answer, if that was
// longer: to ask it again takes that.
const keepingTime = 200 * time.Millisecond

// incoming is a part on its way into the cache, and how long to wait for it.
type incoming struct {
	done     chan struct{}
	patience time.Duration
}

func (f *Fetcher) awaitKeeping(ctx context.Context, url string) {
	f.mu.Lock()
	k, is := f.keeping[url]
	f.mu.Unlock()
	if !is {
		return
	}
	patience := time.NewTimer(k.patience)
	defer patience.Stop()
	select {
	case <-k.done:
	case <-patience.C:
	case <-ctx.Done():
	}
}
