package main

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"time"
)

// whyCmd asks how the response for a URL was made.
type whyCmd struct {
	URL  string `arg:"" name:"url" help:"URL as it was asked, with scheme and query."`
	JSON bool   `help:"Print what the API answers: one JSON object."`
	askFlags
}

// receipt is what GET /api/v1/why answers (design.md section 13).
type receipt struct {
	URL       string          `json:"url"`
	Time      time.Time       `json:"time"`
	Status    int             `json:"status"`
	Policy    string          `json:"policy"`
	Outcome   string          `json:"outcome"`
	Sources   []receiptSource `json:"sources"`
	Evidence  *evidence       `json:"evidence"`
	Believed  string          `json:"believed"`
	Missing   []string        `json:"missing"`
	FirstByte float64         `json:"first_byte_s"`
	Total     float64         `json:"total_s"`
}

type receiptSource struct {
	Kind  string `json:"kind"`
	Peer  string `json:"peer_id"`
	Bytes int64  `json:"bytes"`
}

type evidence struct {
	Kind       string    `json:"kind"`
	Level      string    `json:"level"`
	Alg        string    `json:"alg"`
	Digest     string    `json:"digest"`
	Length     int64     `json:"length"`
	ObservedAt time.Time `json:"observed_at"`
}

// Run prints the receipt, or says that there is none.
func (c *whyCmd) Run(s *session) error {
	api, err := c.find()
	if err != nil {
		return err
	}
	asked := url.Values{"url": {receiptName(c.URL)}}
	if c.JSON {
		return api.pass(s.ctx, "/api/v1/why", asked, s.out)
	}
	var r receipt
	if err := api.ask(s.ctx, "/api/v1/why", asked, &r); err != nil {
		return err
	}
	return r.print(s)
}

// receiptName returns the form of a URL under which a node keeps its receipt:
// without what never goes to an origin.
func receiptName(text string) string {
	u, err := url.Parse(text)
	if err != nil || u.Host == "" {
		return text
	}
	u.Fragment, u.RawFragment = "", ""
	if u.Path == "" {
		u.Path = "/"
	}
	return u.String()
}

// receiptFor asks for the receipt of u; nil when there is none.
func (c *client) receiptFor(ctx context.Context, u string) (*receipt, error) {
	var r receipt
	err := c.ask(ctx, "/api/v1/why", url.Values{"url": {receiptName(u)}}, &r)
	var no *apiError
	if errors.As(err, &no) && no.status == http.StatusNotFound {
		return nil, nil
	}
	return &r, err
}

func (r *receipt) print(s *session) error {
	t := newTable(s.out)
	t.row("url", r.URL)
	t.row("outcome", fmt.Sprintf("%s, status %d, %s", r.Outcome, r.Status, r.Time.Local().Format(time.DateTime)))
	var total int64
	for _, from := range r.Sources {
		total += from.Bytes
	}
	for _, from := range r.Sources {
		t.row("from", from.name(), octets(from.Bytes), fmt.Sprintf("%.0f %%", 100*float64(from.Bytes)/float64(max(total, 1))))
	}
	if len(r.Sources) == 0 {
		t.row("from", "nowhere: there was no body")
	}
	t.row("trust", r.Policy)
	t.row("evidence", r.Evidence.String())
	if r.Believed != "" {
		t.row("because", r.Believed)
	}
	for _, reason := range r.Missing {
		t.row("missing", reason)
	}
	t.row("timing", fmt.Sprintf("first byte after %.3f s, the last after %.3f s", r.FirstByte, r.Total))
	return t.end()
}

func (s receiptSource) name() string {
	return strings.TrimSpace(s.Kind + " " + s.Peer)
}

// String says it in one line; nil is none.
func (e *evidence) String() string {
	if e == nil {
		return "none: no byte of another node could be believed"
	}
	return fmt.Sprintf("%s, %s, %s %s, %d octets, seen %s",
		e.Kind, e.Level, e.Alg, e.Digest, e.Length, e.ObservedAt.Local().Format(time.DateTime))
}
