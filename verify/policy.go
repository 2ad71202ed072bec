package verify

import (
	"fmt"
	"mime"
	"net/url"
	"path"
	"slices"
	"strings"
)

// Policy is how strong evidence must be before bytes of strangers are used.
type Policy string

// The policies of design.md section 5.
const (
	// Strict takes pins, SHA-2 that the origin states now, over TLS, and what
	// this node remembers under a validator that content makes.
	Strict Policy = "strict"
	// Balanced also takes all remembered digests, SHA-1, inferred SHA-256, and
	// MD5 for pictures, sound, films and fonts or hosts that the user marked as
	// their publisher's own. Plain http it takes for what it is worth: going
	// direct would be no safer.
	Balanced Policy = "balanced"
	// Open also takes MD5 and inferred digests of everything.
	Open Policy = "open"
)

// ParsePolicy reads the name of a policy.
func ParsePolicy(s string) (Policy, error) {
	switch p := Policy(s); p {
	case Strict, Balanced, Open:
		return p, nil
	}
	return "", fmt.Errorf("%w: policy %.40q is none of strict, balanced and open", ErrMalformed, s)
}

// Case is what a policy is applied to, beside evidence.
type Case struct {
	// URL of the body in question.
	URL *url.URL
	// ContentType and Immutable are what the origin's answer says.
	ContentType string
	Immutable   bool
	// Derived: the strong validator is known to be made of the content.
	Derived bool
	// Publisher: only the publisher itself can put files on the host.
	Publisher bool
	// Document whose request this is, as Referer and Sec-Fetch fields say; the
	// zero Authority is none.
	Document Authority
}

// Admits reports whether bytes of strangers may be used for c under p on the
// word of e. The zero Policy is Balanced; an unknown one admits nothing.
func (p Policy) Admits(e Evidence, c Case) bool { return p.refuses(e, c) == "" }

// refuses says why p does not admit e, or nothing.
func (p Policy) refuses(e Evidence, c Case) string {
	if !e.level.may(e.digest.alg) {
		return fmt.Sprintf("%s by %s proves nothing", e.level, e.digest.alg)
	}
	switch p {
	case Strict:
		return refusesStrictly(e, c)
	case Balanced, "":
		return refusesBalanced(e, c)
	case Open:
		return ""
	}
	return fmt.Sprintf("policy %.40q is unknown", string(p))
}

func refusesStrictly(e Evidence, c Case) string {
	switch {
	case e.level < E6:
		return fmt.Sprintf("strict wants SHA-2 from the origin, and this is %s", e.digest.alg)
	case e.level < E8 && !e.authority.Secure():
		return "strict wants https"
	case e.level == E6 && !c.Immutable && !c.Derived:
		return "strict believes what it remembers only under a validator that is made of the content"
	}
	return ""
}

func refusesBalanced(e Evidence, c Case) string {
	switch {
	case e.digest.alg.Strong() || c.Publisher:
		return ""
	case e.digest.alg == MD5 || e.digest.alg == MD5Parts:
		if !passive(c.ContentType) {
			return "balanced believes MD5 only of pictures, sound, films and fonts, and of hosts given by --publisher"
		}
	case takesUploads(c.URL) && !passive(c.ContentType):
		return "balanced does not believe SHA-1 of a host where anybody can upload"
	}
	return ""
}

// passive reports whether a content type is of something that a program shows
// and does not run. No type at all is not.
func passive(contentType string) bool {
	// Parameters decide nothing, and cost as much as their sender likes.
	t, _, _ := strings.Cut(contentType, ";")
	t, _, err := mime.ParseMediaType(t)
	kind, sub, _ := strings.Cut(t, "/")
	switch {
	case err != nil || sub == "":
		return false
	case kind == "image":
		return sub != "svg+xml"
	}
	return kind == "audio" || kind == "video" || kind == "font"
}

// uploadHosts are where anybody can put files: the digests there are those of
// whatever the uploader made, two files of one digest included.
var uploadHosts = []string{
	"s3.amazonaws.com", "*.s3.amazonaws.com", "*.s3.*.amazonaws.com", "s3.*.amazonaws.com", "*.s3-*.amazonaws.com", "s3-*.amazonaws.com",
	"*.s3.*.amazonaws.com.cn", "s3.*.amazonaws.com.cn",
	"storage.googleapis.com", "*.storage.googleapis.com", "*.blob.core.windows.net", "githubusercontent.com",
	"*.githubusercontent.com", "upload.wikimedia.org", "archive.org", "*.archive.org", "*.backblazeb2.com",
	"*.r2.dev", "*.r2.cloudflarestorage.com",
}

func takesUploads(u *url.URL) bool { return u == nil || anyGlob(uploadHosts, u.Hostname()) }

func anyGlob(globs []string, host string) bool {
	return slices.ContainsFunc(globs, func(g string) bool { return fitsGlob(g, host) })
}

// fitsGlob reports whether a host name, without regard to case, fits a glob, in
// which * stands for any characters, dots too.
func fitsGlob(glob, host string) bool {
	ok, err := path.Match(strings.ToLower(glob), strings.ToLower(strings.TrimSuffix(host, ".")))
	return ok && err == nil
}

// Rules is which policy is for which host, and whose hosts are their
// publishers' own. The zero Rules is balanced everywhere.
type Rules struct {
	// Default is for hosts that For does not name. Zero is Balanced.
	Default Policy
	// For is read in order; the first that fits counts.
	For []PolicyFor
	// Publishers are globs of hosts whose files come from the publisher alone.
	Publishers []string
}

// PolicyFor is the policy for the hosts that fit a glob.
type PolicyFor struct {
	Glob   string
	Policy Policy
}

// ParsePolicyFor reads GLOB=POLICY.
func ParsePolicyFor(s string) (PolicyFor, error) {
	glob, name, _ := strings.Cut(s, "=")
	if err := CheckGlob(glob); err != nil {
		return PolicyFor{}, err
	}
	p, err := ParsePolicy(name)
	if err != nil {
		return PolicyFor{}, err
	}
	return PolicyFor{glob, p}, nil
}

// String returns GLOB=POLICY.
func (p PolicyFor) String() string { return p.Glob + "=" + string(p.Policy) }

// CheckGlob fails for what can fit no host name.
func CheckGlob(glob string) error {
	if _, err := path.Match(glob, ""); err != nil || glob == "" || strings.ContainsAny(glob, "/: ") {
		return fmt.Errorf("%w: %.80q is no glob of host names, such as *.example.com", ErrMalformed, glob)
	}
	return nil
}

// Of returns the policy for the host of u, and whether the host is its
// publisher's own.
func (r Rules) Of(u *url.URL) (p Policy, publisher bool) {
	p = r.Default
	for _, f := range r.For {
		if fitsGlob(f.Glob, u.Hostname()) {
			p = f.Policy
			break
		}
	}
	if p == "" {
		p = Balanced
	}
	return p, anyGlob(r.Publishers, u.Hostname())
}
