package authority

import "github.com/smallstep/truststore"

// afresh makes the system's command leave nothing of what is gone, until what
// it returns is called: Debian's keeps the links in /etc/ssl/certs unless it is
// told to begin afresh.
func afresh() (undo func()) {
	c := truststore.SystemTrustCommand
	if len(c) == 1 && c[0] == "update-ca-certificates" {
		truststore.SystemTrustCommand = []string{c[0], "--fresh"}
	}
	return func() { truststore.SystemTrustCommand = c }
}
