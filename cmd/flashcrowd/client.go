package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"mime"
	"net"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/flashcrowd/flashcrowd/node"
	"github.com/flashcrowd/flashcrowd/node/admin"
)

// askFlags say which running node a command asks.
type askFlags struct {
	Data  string `placeholder:"DIR" help:"Data folder of the node. Default: $$XDG_DATA_HOME/flashcrowd or ~/.local/share/flashcrowd."`
	Admin string `placeholder:"URL" help:"Admin address of the node, such as http://127.0.0.1:3129, or its port alone. Default: what its data folder says."`
}

const (
	askTimeout = 10 * time.Second
	maxAnswer  = 64 << 20
)

// client asks one node.
type client struct {
	base *url.URL
	http *http.Client
}

// errNoNode: there is no node to ask.
var errNoNode = errors.New("no node is running")

func noNode(why error) error {
	return &hintError{fmt.Errorf("%w: %w", errNoNode, why), "start one with `flashcrowd up`, or name the running one with --data DIR or --admin URL"}
}

// find returns a client of the node that the flags name. It does not ask yet.
func (f *askFlags) find() (*client, error) {
	text, err := f.adminURL()
	if err != nil {
		return nil, err
	}
	base, err := url.Parse(text)
	if err != nil || base.Scheme != "http" || base.Host == "" {
		return nil, &node.UsageError{Flag: "admin", Err: fmt.Errorf("%q is no address such as http://127.0.0.1:3129", text)}
	}
	// No proxy of the environment: it may be this very node.
	transport := &http.Transport{DisableKeepAlives: true, DialContext: (&net.Dialer{Timeout: askTimeout}).DialContext}
	return &client{base, &http.Client{Transport: transport, Timeout: askTimeout}}, nil
}

// patient returns a client that waits for an answer as long as it takes.
func (c *client) patient() *client {
	patient := *c.http
	patient.Timeout = 0
	return &client{c.base, &patient}
}

func (f *askFlags) adminURL() (string, error) {
	if f.named() {
		return urlOfAdmin(f.Admin), nil
	}
	endpoint, err := node.FindEndpoint(f.Data)
	if errors.Is(err, node.ErrNoNode) {
		where := f.Data
		if where == "" {
			where, _ = node.DefaultData()
		}
		return "", noNode(fmt.Errorf("none on the data folder %s", where))
	}
	return endpoint.URL, err
}

// urlOfAdmin returns the URL of an admin address, also where it is written as
// that of up: HOST:PORT, or PORT for that port of 127.0.0.1.
func urlOfAdmin(text string) string {
	if strings.Contains(text, "://") {
		return text
	}
	if _, err := strconv.ParseUint(text, 10, 16); err == nil {
		text = net.JoinHostPort("127.0.0.1", text)
	}
	return "http://" + text
}

// named reports whether --admin names a node. FLASHCROWD_ADMIN is also where
// `up` listens; port 0 there names none.
func (f *askFlags) named() bool {
	return f.Admin != "" && f.Admin != "0" && !strings.HasSuffix(f.Admin, ":0")
}

// get returns the JSON that path answers. It fails with errNoNode when nobody
// listens there, or whoever does hangs up unasked, as a node that ends.
func (c *client) get(ctx context.Context, path string, query url.Values) (json.RawMessage, error) {
	at := c.base.JoinPath(path)
	at.RawQuery = query.Encode()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, at.String(), nil)
	if err != nil {
		return nil, fmt.Errorf("ask node: %w", err)
	}
	res, err := c.http.Do(req)
	if err != nil {
		var dial *net.OpError
		if errors.As(err, &dial) && dial.Op == "dial" {
			return nil, noNode(fmt.Errorf("nobody answers at %s", c.base))
		}
		if hungUp(err) {
			return nil, noNode(fmt.Errorf("the one at %s is ending", c.base))
		}
		return nil, fmt.Errorf("ask node: %w", err)
	}
	defer res.Body.Close()
	raw, err := io.ReadAll(io.LimitReader(res.Body, maxAnswer))
	if err != nil {
		return nil, fmt.Errorf("ask node: %w", err)
	}
	return raw, c.judge(res, raw)
}

// hungUp reports whether err is that of a server that closed the connection. Where
// it did so before the request was written, net/http says that by an error without
// a name.
func hungUp(err error) bool {
	return errors.Is(err, io.EOF) || errors.Is(err, syscall.ECONNRESET) || errors.Is(err, syscall.EPIPE) ||
		strings.HasSuffix(err.Error(), "server closed idle connection")
}

// apiError is an answer of the node that is no success.
type apiError struct {
	status int
	text   string
}

func (e *apiError) Error() string { return e.text }

func (c *client) judge(res *http.Response, raw []byte) error {
	kind, _, _ := mime.ParseMediaType(res.Header.Get("Content-Type"))
	if kind != "application/json" || !json.Valid(raw) {
		return fmt.Errorf("what answers at %s is no node of flashcrowd (%s)", c.base, res.Status)
	}
	if res.StatusCode == http.StatusOK {
		return nil
	}
	var e admin.Error
	if err := json.Unmarshal(raw, &e); err != nil || e.Error == "" {
		return fmt.Errorf("ask node: %s", res.Status)
	}
	return &hintError{&apiError{res.StatusCode, e.Error}, e.Hint}
}

// ask decodes what path answers into v.
func (c *client) ask(ctx context.Context, path string, query url.Values, v any) error {
	raw, err := c.get(ctx, path, query)
	if err != nil {
		return err
	}
	if err := json.Unmarshal(raw, v); err != nil {
		return fmt.Errorf("ask node: %w", err)
	}
	return nil
}

// pass writes what path answers to out, as it is.
func (c *client) pass(ctx context.Context, path string, query url.Values, out io.Writer) error {
	raw, err := c.get(ctx, path, query)
	if err != nil {
		return err
	}
	if _, err := out.Write(raw); err != nil {
		return fmt.Errorf("print: %w", err)
	}
	return nil
}
