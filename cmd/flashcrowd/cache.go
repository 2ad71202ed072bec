package main

import (
	"encoding/json"
	"fmt"
	"net/url"
	"time"

	"github.com/flashcrowd/flashcrowd/node/admin"
)

// cacheCmd is what can be done with the store of the running node.
type cacheCmd struct {
	LS cacheListCmd   `cmd:"" name:"ls" help:"List what is stored, the last used first."`
	RM cacheRemoveCmd `cmd:"" name:"rm" help:"Remove URLs, with all that is remembered of them."`
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
	t.row("SIZE", "LAST USED", "SHARED", "URL")
	for _, o := range objects {
		shared := "no"
		if o.Shared {
			shared = "yes"
		}
		t.row(octets(o.Bytes), o.Used.Local().Format(time.DateTime), shared, o.URL)
	}
	return t.end()
}

type cacheRemoveCmd struct {
	URL []string `arg:"" name:"url" help:"What to remove."`
	askFlags
}

// Run removes one URL after the other. That there is none is a failure.
func (c *cacheRemoveCmd) Run(s *session) error {
	api, err := c.find()
	if err != nil {
		return err
	}
	token, err := c.token()
	if err != nil {
		return err
	}
	for _, u := range c.URL {
		raw, err := api.post(s.ctx, "/api/v1/rm", token, url.Values{"url": {u}})
		if err != nil {
			return err
		}
		var removed admin.Removed
		if err := json.Unmarshal(raw, &removed); err != nil {
			return fmt.Errorf("ask node: %w", err)
		}
		if removed.Objects == 0 {
			return &hintError{fmt.Errorf("not stored: %s", printable(u)), "`flashcrowd cache ls` lists what is"}
		}
		fmt.Fprintln(s.talk, "removed", printable(u))
	}
	return nil
}
