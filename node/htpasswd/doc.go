// Package htpasswd knows the users of a node that asks its clients who they
// are: a file of "name:hash" lines, as `htpasswd -B` of Apache writes them,
// with bcrypt hashes and no others.
//
//	users, err := htpasswd.Open("proxy.htpasswd", logger)
//	if users.Verify(ctx, "ann", "secret") { … }
//
// What it promises: an unknown name takes as long as a wrong password; hashes
// are compared by bcrypt, and what was right before by a keyed digest, so that
// time tells nothing; guesses cost one processor and no more; a file that has
// changed is read again, and one that has become unreadable changes nothing.
//
// What it never does: keep or log a password.
package htpasswd
