// Package authority is the certificate authority of one installation, by which
// a node answers for the hosts that its user chose to have intercepted.
//
//	a, err := authority.Open(filepath.Join(data, "ca"), []string{"*.example.org"})
//	cert, err := a.Leaf("www.example.org")
//
// What it promises: the key is this installation's own, on the curve P-256,
// readable by its owner alone, and never leaves its file; the certificate
// names the hosts that it may vouch for (RFC 5280 section 4.2.1.10) wherever
// the list of the user allows that, and never any address or localhost that
// the list does not name; a leaf is for one host and seven days at most.
//
// What it never does: decide whether a host is what it says it is. Whoever
// asks for a leaf has verified the certificate of the host itself before.
package authority
