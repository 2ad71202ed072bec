package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"time"

	"github.com/flashcrowd/flashcrowd/node/admin"
)

const (
	paintEvery = 500 * time.Millisecond
	// statusWait bounds what a line of progress may cost the download.
	statusWait = 200 * time.Millisecond
)

// progress is one line on a terminal that is written over and over; elsewhere
// it is silent. One goroutine uses it.
type progress struct {
	talk    io.Writer // nil when it is no terminal
	name    string
	api     *client
	started time.Time
	painted time.Time
	first   int64 // octets that were here before, -1 when not known yet
	base    *admin.BytesStatus
}

func newProgress(talk io.Writer, name string, api *client) *progress {
	p := &progress{name: printable(name), api: api, started: time.Now(), first: -1}
	if f, ok := talk.(*os.File); ok {
		if info, err := f.Stat(); err == nil && info.Mode()&os.ModeCharDevice != 0 {
			p.talk = talk
		}
	}
	return p
}

// show says that octets of length, -1 when unknown, are here.
func (p *progress) show(ctx context.Context, octets, length int64) {
	if p.talk == nil || time.Since(p.painted) < paintEvery {
		return
	}
	p.painted = time.Now()
	if p.first < 0 {
		p.first = octets
	}
	fmt.Fprintf(p.talk, "\r\x1b[K%s", p.line(octets, length)+p.sources(ctx))
}

func (p *progress) line(have, length int64) string {
	rate := float64(have-p.first) / max(time.Since(p.started).Seconds(), 0.001)
	if length <= 0 {
		return fmt.Sprintf("%s  %s  %s/s", p.name, octets(have), octets(int64(rate)))
	}
	return fmt.Sprintf("%s  %d %%  %s of %s  %s/s", p.name, int64(100*float64(have)/float64(length)),
		octets(have), octets(length), octets(int64(rate)))
}

// sources says what the whole node has taken from where meanwhile.
func (p *progress) sources(ctx context.Context) string {
	ctx, cancel := context.WithTimeout(ctx, statusWait)
	defer cancel()
	var st admin.Status
	if p.api.ask(ctx, "/api/v1/status", nil, &st) != nil {
		return ""
	}
	if p.base == nil {
		p.base = &st.Bytes
	}
	return fmt.Sprintf("  (node: %s from web sites, %s from nodes)",
		octets(st.Bytes.FromOrigin-p.base.FromOrigin), octets(st.Bytes.FromPeers-p.base.FromPeers))
}

// end takes the line away.
func (p *progress) end() {
	if p.talk != nil && !p.painted.IsZero() {
		fmt.Fprint(p.talk, "\r\x1b[K")
	}
}
