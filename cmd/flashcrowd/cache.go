package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/url"
	"time"

	"github.com/flashcrowd/flashcrowd/node/admin"
)

// cacheCmd is what can be done with the store of the running node.
type cacheCmd struct {
	LS     cacheListCmd   `cmd:"" name:"ls" help:"List what is stored, the last used first."`
	RM     cacheRemoveCmd `cmd:"" name:"rm" help:"Remove URLs, with all that is remembered of them."`
	Pin    cachePinCmd    `cmd:"" help:"Keep URLs, and what takes their place, until they are unpinned or removed."`
	Unpin  cacheUnpinCmd  `cmd:"" help:"Undo pin."`
	Verify cacheVerifyCmd `cmd:"" help:"Read all that is stored, and remove what the disk has damaged."`
	Export cacheExportCmd `cmd:"" help:"Write what anybody could have downloaded into one archive file, to carry it to another node."`
	Import cacheImportCmd `cmd:"" help:"Take in the archive of another node. Each body is checked as it comes, and is used once its web site states its digest."`
}

type cacheListCmd struct {
	JSON bool `help:"Print what the API answers: a JSON list."`
	askFlags
}

// Run prints an object a line.
func (c *cacheListCmd) Run(s *session) error {
	api, err := c.find()
	if err != nil {
		return err
	}
	if c.JSON {
		return api.pass(s.ctx, "/api/v1/cache", nil, s.out)
	}
	var objects []admin.Object
	if err := api.ask(s.ctx, "/api/v1/cache", nil, &objects); err != nil {
		return err
	}
	if len(objects) == 0 {
		fmt.Fprintln(s.talk, "nothing is stored")
		return nil
	}
	t := newTable(s.out)
	t.row("SIZE", "LAST USED", "SHARED", "PINNED", "URL")
	for _, o := range objects {
		t.row(octets(o.Bytes), o.Used.Local().Format(time.DateTime), sharedOf(o), yesNo(o.Pinned), o.URL)
	}
	return t.end()
}

// sharedOf says whether others get an object: one that waits nobody does.
func sharedOf(o admin.Object) string {
	if o.Waiting {
		return "waits"
	}
	return yesNo(o.Shared)
}

func yesNo(b bool) string {
	if b {
		return "yes"
	}
	return "no"
}

type cacheRemoveCmd struct {
	URL []string `arg:"" name:"url" help:"What to remove."`
	askFlags
}

// Run removes one URL after the other. That there is none is a failure.
func (c *cacheRemoveCmd) Run(s *session) error {
	return eachURL(s, &c.askFlags, "/api/v1/rm", c.URL, func(done admin.Removed) (string, error) {
		return "removed", missing(done.Objects == 0, "not stored", "`flashcrowd cache ls` lists what is")
	})
}

type cachePinCmd struct {
	URL []string `arg:"" name:"url" help:"What to keep."`
	askFlags
}

// Run pins one URL after the other. That there is nothing stored is a failure.
func (c *cachePinCmd) Run(s *session) error {
	return eachURL(s, &c.askFlags, "/api/v1/pin", c.URL, func(done admin.Pinned) (string, error) {
		return "pinned", missing(done.Objects == 0, "not stored", "download it through the node first: `flashcrowd get URL`")
	})
}

type cacheUnpinCmd struct {
	URL []string `arg:"" name:"url" help:"What need not be kept any more."`
	askFlags
}

// Run unpins one URL after the other. That one is not pinned is a failure.
func (c *cacheUnpinCmd) Run(s *session) error {
	return eachURL(s, &c.askFlags, "/api/v1/unpin", c.URL, func(done admin.Unpinned) (string, error) {
		return "unpinned", missing(!done.Pinned, "not pinned", "`flashcrowd cache ls` shows what is")
	})
}

// missing is the failure of a command for a URL that is not there.
func missing(is bool, text, hint string) error {
	if !is {
		return nil
	}
	return &hintError{errors.New(text), hint}
}

// eachURL posts to path for one URL after the other, and says what judge makes
// of each answer, until one is a failure.
func eachURL[T any](s *session, ask *askFlags, path string, urls []string, judge func(T) (string, error)) error {
	api, token, err := ask.authorized()
	if err != nil {
		return err
	}
	for _, u := range urls {
		raw, err := api.post(s.ctx, path, token, url.Values{"url": {u}})
		if err != nil {
			return err
		}
		var answer T
		if err := json.Unmarshal(raw, &answer); err != nil {
			return fmt.Errorf("ask node: %w", err)
		}
		done, err := judge(answer)
		var hint *hintError
		if errors.As(err, &hint) {
			return &hintError{fmt.Errorf("%w: %s", hint.error, printable(u)), hint.hint}
		}
		fmt.Fprintln(s.talk, done, printable(u))
	}
	return nil
}

type cacheVerifyCmd struct {
	JSON bool `help:"Print what the API answers, as JSON."`
	askFlags
}

// Run prints the URLs that were damaged. That there are any is a failure.
func (c *cacheVerifyCmd) Run(s *session) error {
	api, token, err := c.authorized()
	if err != nil {
		return err
	}
	raw, err := api.patient().post(s.ctx, "/api/v1/verify", token, nil)
	if err != nil {
		return err
	}
	var found admin.Verified
	if err := json.Unmarshal(raw, &found); err != nil {
		return fmt.Errorf("ask node: %w", err)
	}
	if c.JSON {
		if _, err := s.out.Write(raw); err != nil {
			return fmt.Errorf("print: %w", err)
		}
	} else {
		for _, u := range found.Damaged {
			fmt.Fprintln(s.out, printable(u))
		}
	}
	fmt.Fprintf(s.talk, "%d objects of %s are right\n", found.Objects, octets(found.Bytes))
	if n := len(found.Damaged); n > 0 {
		return &hintError{fmt.Errorf("%d damaged, and removed", n), "they will be downloaded again when they are asked for; look after the disk"}
	}
	return nil
}
