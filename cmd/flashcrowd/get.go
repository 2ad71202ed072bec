package main

import (
	"context"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"net/url"
	"path"
	"path/filepath"
	"time"

	"github.com/flashcrowd/flashcrowd/node"
)

// getCmd downloads.
type getCmd struct {
	URL    []string `arg:"" name:"url" help:"http or https URLs."`
	Output string   `short:"o" placeholder:"FILE" help:"Where to. Default: the last part of the URL's path, in the current folder. With one URL only."`
	Force  bool     `help:"Overwrite the file if there is one."`
	JSON   bool     `help:"Print a JSON object for each URL: url, file, bytes, sha256, seconds, from, peers, evidence."`
	Admin  string   `placeholder:"URL" help:"Admin address of the node to use. Default: what the data folder says."`
	configFlag
	nodeFlags
}

// Help is what stands above the flags.
func (*getCmd) Help() string {
	return `Uses the node that runs on the data folder. Where none runs it starts one of its own, which takes part in the network until the download is done: the flags in groups are for that one. It listens at ports that it picks unless --listen says where.

A download that ends early leaves FILE.part; the same command goes on from there, if the web site still has the same version. Prints the SHA-256 and the name of each file.`
}

// job is one URL and where it goes.
type job struct {
	url  *url.URL
	file string
}

// got is what --json prints of a job (design.md section 13).
type got struct {
	URL     string  `json:"url"`
	File    string  `json:"file"`
	Bytes   int64   `json:"bytes"`
	SHA256  string  `json:"sha256"`
	Seconds float64 `json:"seconds"`
	// From says where the octets came from; null when the node does not say.
	From *gotFrom `json:"from"`
	// Peers is how many other nodes delivered.
	Peers    int       `json:"peers"`
	Evidence *evidence `json:"evidence"`
}

type gotFrom struct {
	Cache  int64 `json:"cache"`
	Origin int64 `json:"origin"`
	Peers  int64 `json:"peers"`
}

// Run downloads all URLs, and fails if one of them failed.
func (c *getCmd) Run(s *session) error {
	jobs, err := c.jobs()
	if err != nil {
		return err
	}
	r, err := c.reach(s)
	if err != nil {
		return err
	}
	var errs []error
	for _, j := range jobs {
		g, err := c.download(s, &r, j)
		if err != nil {
			errs = append(errs, fmt.Errorf("%s: %w", j.file, err))
			if s.ctx.Err() != nil {
				break
			}
			continue
		}
		errs = append(errs, c.print(s, g))
	}
	return errors.Join(append(errs, r.close())...)
}

// jobs reads the arguments, and refuses what cannot succeed before anything is
// asked for.
func (c *getCmd) jobs() ([]job, error) {
	if c.Output != "" && len(c.URL) > 1 {
		return nil, &node.UsageError{Flag: "output", Err: errors.New("one file for several URLs")}
	}
	var jobs []job
	seen := make(map[string]bool)
	for _, text := range c.URL {
		u, err := url.Parse(text)
		if err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https" || u.User != nil {
			return nil, &node.UsageError{Flag: "url", Err: fmt.Errorf("%q is not an http or https URL without user name", text)}
		}
		u.Fragment, u.RawFragment = "", ""
		if u.Path == "" {
			u.Path = "/"
		}
		file := c.Output
		if file == "" {
			file = path.Base(u.Path)
		}
		if c.Output == "" && (file == "/" || file == "." || !filepath.IsLocal(file) || file != filepath.Base(file)) {
			return nil, &node.UsageError{Flag: "output", Err: fmt.Errorf("%s ends in no name of a file: name one with -o FILE", text)}
		}
		if seen[file] {
			return nil, &node.UsageError{Flag: "url", Err: fmt.Errorf("two URLs for the file %s", file)}
		}
		seen[file] = true
		if !c.Force {
			if err := mustNotExist(file); err != nil {
				return nil, err
			}
		}
		jobs = append(jobs, job{u, file})
	}
	return jobs, nil
}

const (
	// maxIdleTries is how often a transfer may fail in a row without a new
	// octet, and maxTries how often at all.
	maxIdleTries = 3
	maxTries     = 30
	retryPause   = time.Second
)

// download carries out one job. A node that is gone meanwhile is replaced in r.
func (c *getCmd) download(s *session, r **relay, j job) (*got, error) {
	started := time.Now()
	p, err := openPart(j.file, j.url)
	if err != nil {
		return nil, err
	}
	defer p.close()
	at, err := c.persist(s, r, j, p)
	if err != nil {
		return nil, err
	}
	if err := p.finish(c.Force); err != nil {
		return nil, err
	}
	g := &got{
		URL: j.url.String(), File: j.file, Bytes: p.offset, Seconds: time.Since(started).Seconds(),
		SHA256: hex.EncodeToString(p.record.Sum()),
	}
	g.account(s.ctx, (*r).api, at, started)
	return g, nil
}

// persist pulls until p is complete, and returns where redirects led to.
func (c *getCmd) persist(s *session, r **relay, j job, p *part) (*url.URL, error) {
	bar := newProgress(s.talk, j.file, (*r).api)
	defer bar.end()
	best, idle := p.offset, 0
	for try := 1; ; try++ {
		puller := newPuller(*r)
		at, err := puller.pull(s.ctx, j.url, p, func(octets, length int64) { bar.show(s.ctx, octets, length) })
		puller.close()
		if err == nil {
			return at, nil
		}
		if s.ctx.Err() != nil {
			return nil, &hintError{errors.New("interrupted"), "the same command goes on from here"}
		}
		idle++
		if p.offset > best {
			best, idle = p.offset, 0
		}
		if !errors.Is(err, errAgain) || idle == maxIdleTries || try == maxTries {
			return nil, err
		}
		if err := c.renew(s, r); err != nil {
			return nil, err
		}
	}
}

// renew waits a little, and finds another node where r's does not answer.
func (c *getCmd) renew(s *session, r **relay) error {
	if err := pause(s.ctx, retryPause); err != nil {
		return err
	}
	if (*r).own != nil {
		return nil
	}
	if _, err := (*r).api.get(s.ctx, "/api/v1/status", nil); err == nil {
		return nil
	}
	again, err := c.reach(s)
	if err == nil {
		*r = again
	}
	return err
}

// receiptWait is how long the node may take to write a receipt after the last
// octet went out.
const receiptWait = 2 * time.Second

// account asks the node where the octets came from. That it does not know is
// no error: the file is here.
func (g *got) account(ctx context.Context, api *client, at *url.URL, started time.Time) {
	for deadline := time.Now().Add(receiptWait); ; {
		r, err := api.receiptFor(ctx, at.String())
		if err == nil && r != nil && r.Total > 0 && r.Time.After(started.Add(-time.Second)) {
			g.take(r)
			return
		}
		if err != nil || time.Now().After(deadline) || pause(ctx, receiptWait/40) != nil {
			return
		}
	}
}

func (g *got) take(r *receipt) {
	g.From, g.Evidence = &gotFrom{}, r.Evidence
	peers := make(map[string]bool)
	for _, from := range r.Sources {
		switch from.Kind {
		case "cache":
			g.From.Cache += from.Bytes
		case "origin":
			g.From.Origin += from.Bytes
		case "peer":
			g.From.Peers += from.Bytes
			peers[from.Peer] = true
		}
	}
	g.Peers = len(peers)
}

// print says what was got: the data on standard output, the rest to a person.
func (c *getCmd) print(s *session, g *got) error {
	if c.JSON {
		return json.NewEncoder(s.out).Encode(g)
	}
	line := fmt.Sprintf("%s: %s in %.1f s", g.File, octets(g.Bytes), g.Seconds)
	if g.From != nil {
		line += fmt.Sprintf(": %s from the web site, %s from %d nodes, %s from the cache",
			octets(g.From.Origin), octets(g.From.Peers), g.Peers, octets(g.From.Cache))
	}
	fmt.Fprintln(s.talk, printable(line))
	_, err := fmt.Fprintf(s.out, "%s  %s\n", g.SHA256, printable(g.File))
	return err
}
