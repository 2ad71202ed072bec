package main

import (
	"errors"
	"fmt"
	"io"
	"net/url"
	"path/filepath"
	"strings"

	"github.com/flashcrowd/flashcrowd/node"
	"github.com/flashcrowd/flashcrowd/node/authority"
)

// caCmd is about the authority by which a node answers https for the hosts of
// --intercept.
type caCmd struct {
	Install   caInstallCmd   `cmd:"" help:"Let this machine trust it: system store, Firefox and Chromium of this user, Java at JAVA_HOME. Asks for administrator rights."`
	Uninstall caUninstallCmd `cmd:"" help:"Take it out of those stores."`
	Show      caShowCmd      `cmd:"" help:"Say what it may vouch for, and how each program is told to trust it."`
}

// caFlags find the authority, or make it.
type caFlags struct {
	Data      string   `placeholder:"DIR" help:"Data folder of the node. Default: $$XDG_DATA_HOME/flashcrowd or ~/.local/share/flashcrowd."`
	Intercept []string `sep:"," placeholder:"HOST" help:"Hosts as of up; makes the authority when there is none for them yet."`
}

// open returns the folder of the authority, which is there.
func (f *caFlags) open() (dir string, a *authority.Authority, err error) {
	data := f.Data
	if data == "" {
		if data, err = node.DefaultData(); err != nil {
			return "", nil, err
		}
	}
	if data, err = filepath.Abs(data); err != nil {
		return "", nil, fmt.Errorf("find data folder: %w", err)
	}
	dir = node.CADir(data)
	hosts, err := node.ParseHosts(filled(f.Intercept))
	if err != nil {
		return "", nil, &node.UsageError{Flag: "intercept", Err: err}
	}
	if len(hosts) == 0 {
		a, err = authority.Load(dir)
	} else {
		a, _, err = authority.Open(dir, hosts)
	}
	if errors.Is(err, authority.ErrNone) {
		err = &hintError{
			fmt.Errorf("no authority in %s: nothing is intercepted", dir),
			"list hosts with --intercept HOST, here or at `flashcrowd up`",
		}
	}
	return dir, a, err
}

type caInstallCmd struct{ caFlags }

// Run installs, and makes nodes try again the hosts that clients refused.
func (c *caInstallCmd) Run(s *session) error {
	dir, _, err := c.open()
	if err != nil {
		return err
	}
	a, err := authority.Install(dir)
	if err != nil {
		return &hintError{err, "run it as administrator, or tell each program alone: flashcrowd ca show"}
	}
	fmt.Fprintf(s.talk, "installed %s; programs that run have to be started again\n", a.Certificate().Subject.CommonName)
	return authority.OpenExempt(dir).Clear()
}

type caUninstallCmd struct{ caFlags }

// Run uninstalls.
func (c *caUninstallCmd) Run(s *session) error {
	dir, _, err := c.open()
	if err != nil {
		return err
	}
	a, err := authority.Uninstall(dir)
	if err != nil {
		return &hintError{err, "run it as administrator"}
	}
	fmt.Fprintf(s.talk, "uninstalled %s; it is still in %s\n", a.Certificate().Subject.CommonName, dir)
	return nil
}

type caShowCmd struct {
	PEM bool `help:"Print the certificate alone."`
	caFlags
}

// Run prints.
func (c *caShowCmd) Run(s *session) error {
	dir, a, err := c.open()
	if err != nil {
		return err
	}
	if c.PEM {
		_, err := s.out.Write(a.PEM())
		return err
	}
	cert := a.Certificate()
	t := newTable(s.out)
	t.row("name", cert.Subject.CommonName)
	t.row("file", authority.PublicFile(dir))
	t.row("sha-256", a.Fingerprint())
	t.row("until", cert.NotAfter.Format("2006-01-02"))
	for _, name := range a.Names() {
		t.row("vouches for", name)
	}
	for _, x := range authority.OpenExempt(dir).List() {
		t.row("tunnelled", x.Host+" until "+x.Until.Format("2006-01-02")+": "+printable(x.Why))
	}
	if err := t.end(); err != nil {
		return err
	}
	return c.howTo(s.out, dir, cert.Subject.CommonName)
}

// howTo says for each program the line that makes it trust the authority and,
// where it has no setting of the system for it, use the proxy.
func (c *caShowCmd) howTo(out io.Writer, dir, name string) error {
	proxy := "http://" + node.DefaultProxy
	if e, err := node.FindEndpoint(filepath.Dir(dir)); err == nil && e.Proxy != "" {
		proxy = e.Proxy
	}
	u, err := url.Parse(proxy)
	if err != nil {
		return fmt.Errorf("read the address of the proxy: %w", err)
	}
	lines := strings.NewReplacer(
		"{PROXY}", proxy, "{HOST}", u.Hostname(), "{PORT}", u.Port(), "{BUNDLE}", authority.BundleFile(dir), "{CA}", authority.PublicFile(dir), "{NAME}", name,
	).Replace(caLines)
	_, err = fmt.Fprint(out, "\n"+lines)
	return err
}

// caLines are for shells. BUNDLE is for programs that trust one file alone, so
// that they still trust the rest of the web.
const caLines = `all, as administrator:
  flashcrowd ca install
curl:
  curl --proxy {PROXY} --cacert '{BUNDLE}' https://HOST/
git:
  git config --global http.proxy {PROXY} && git config --global http.sslCAInfo '{BUNDLE}'
pip:
  pip config set global.proxy {PROXY} && pip config set global.cert '{BUNDLE}'
npm:
  npm config set https-proxy {PROXY} && npm config set cafile '{BUNDLE}'
Go:
  export HTTPS_PROXY={PROXY} SSL_CERT_FILE='{BUNDLE}'
Java:
  keytool -importcert -noprompt -cacerts -storepass changeit -alias flashcrowd -file '{CA}' && export JAVA_TOOL_OPTIONS='-Dhttps.proxyHost={HOST} -Dhttps.proxyPort={PORT}'
Firefox, in each profile (or Settings, Certificates, Authorities, Import):
  certutil -A -d sql:$HOME/.mozilla/firefox/PROFILE -t C,, -n '{NAME}' -i '{CA}'
Chromium and Chrome on Linux:
  mkdir -p $HOME/.pki/nssdb && certutil -A -d sql:$HOME/.pki/nssdb -t C,, -n '{NAME}' -i '{CA}'
`
