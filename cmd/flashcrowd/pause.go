package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"

	"github.com/flashcrowd/flashcrowd/node"
)

// pauseCmd makes the running node a plain proxy.
type pauseCmd struct{ askFlags }

// Run asks the node for it.
func (c *pauseCmd) Run(s *session) error { return c.change(s, "/api/v1/pause", "paused") }

// resumeCmd undoes pause.
type resumeCmd struct{ askFlags }

// Run asks the node for it.
func (c *resumeCmd) Run(s *session) error { return c.change(s, "/api/v1/resume", "resumed") }

// change has the node do what path stands for.
func (f *askFlags) change(s *session, path, done string) error {
	api, err := f.find()
	if err != nil {
		return err
	}
	token, err := f.token()
	if err != nil {
		return err
	}
	if _, err := api.post(s.ctx, path, token, nil); err != nil {
		return err
	}
	fmt.Fprintln(s.talk, done)
	return nil
}

// token returns what the node wants to see before it changes anything.
func (f *askFlags) token() (string, error) {
	dir := f.Data
	if dir == "" {
		var err error
		if dir, err = node.DefaultData(); err != nil {
			return "", err
		}
	}
	raw, err := os.ReadFile(filepath.Join(dir, "token"))
	if err != nil {
		return "", &hintError{fmt.Errorf("read token: %w", err), "name the data folder of the node with --data DIR"}
	}
	return strings.TrimSpace(string(raw)), nil
}

// post asks the node to do what path and query stand for, and returns what it
// authorized returns a client of the node that the flags name, and the token
// that lets it change something.
func (f *askFlags) authorized() (*client, string, error) {
	api, err := f.find()
	if err != nil {
		return nil, "", err
	}
	token, err := f.token()
	return api, token, err
}

// answers.
func (c *client) post(ctx context.Context, path, token string, query url.Values) ([]byte, error) {
	res, err := c.change(ctx, path, token, query, nil)
	if err != nil {
		return nil, err
	}
	defer res.Body.Close()
	raw, err := io.ReadAll(io.LimitReader(res.Body, maxAnswer))
	return raw, errors.Join(err, c.judge(res, raw))
}

// change posts body, which may be nil, to path with the token of the node. The
// caller closes the body of the answer.
func (c *client) change(ctx context.Context, path, token string, query url.Values, body io.Reader) (*http.Response, error) {
	at := c.base.JoinPath(path)
	at.RawQuery = query.Encode()
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, at.String(), body)
	if err != nil {
		return nil, fmt.Errorf("ask node: %w", err)
	}
	req.Header.Set("Authorization", "Bearer "+token)
	res, err := c.http.Do(req)
	var dial *net.OpError
	switch {
	case err == nil:
		return res, nil
	case body == nil, errors.As(err, &dial) && dial.Op == "dial":
		return nil, noNode(fmt.Errorf("nobody answers at %s", c.base))
	}
	return nil, fmt.Errorf("ask node: %w", err)
}
