package main

import (
	"path"
	"regexp"
	"slices"
	"strings"
)

// public holds that nothing which runs by itself joins the public network:
// strangers pay for what a test does there. Looked at are _test.go files, the
// Go of testnet, shell scripts, testscripts, YAML, Dockerfiles, makefiles,
// everything in .ci and the setup block of README.md.
//
//   - Who names network public gives a stand-in bootstrap list in the same
//     command or literal (or none): a list of its own, not the default one.
//   - "flashcrowd up" names a network, by flag or environment, because the
//     default is public; so does a node.Config.
//
// It reads text by lines and believes variables: it stops accidents, not
// malice.
func public(r *repo) []violation {
	var found []violation
	for _, f := range r.files {
		var launches []launch
		switch {
		case f.syntax != nil && (f.isTest() || f.under("testnet")):
			launches = goLaunches(r, f)
		case f.syntax == nil && !strings.HasSuffix(f.path, ".go"):
			launches = textLaunches(f.path, f.text)
		}
		var last violation
		for _, l := range launches {
			v := violation{path: f.path, line: l.line, message: l.fault()}
			if v.message != "" && v != last {
				found, last = append(found, v), v
			}
		}
	}
	return found
}

// A launch is one place that may start a node: a command, a block of settings
// or a Go literal.
type launch struct {
	line   int
	text   string // everything stated in that place, without quotes and commas
	around string // environment set around it
	named  bool   // the network is known from elsewhere to be named
}

const (
	joinsPublic = "starts network public without a stand-in bootstrap list beside it"
	noNetwork   = "starts a node without a network of its own: the default is public"
)

var (
	upCommand  = regexp.MustCompile(`(?:^|[\s/=(])flashcrowd(?:\.exe)?(?::[\w.-]+)?\s+up(?:[\s)]|$)|\$\{?\w+\}?\s+up\s+--`)
	compose    = regexp.MustCompile(`\bcompose\b`)
	helpFlag   = regexp.MustCompile(`\s(-h|--?help)\b`)
	netFlag    = regexp.MustCompile(`(?:^|[\s=(])--?network[=\s]\s*([^\s)]+)`)
	netEnv     = regexp.MustCompile(`FLASHCROWD_NETWORK(?:=|:\s*)([^\s)]*)`)
	netKey     = regexp.MustCompile(`(?:^|[\s{-])network:\s+([^\s}]+)`)
	publicName = regexp.MustCompile(`^(public\}?|-public\}|\$\{.*:?-public\})$`)
	bootstrap  = regexp.MustCompile(`(?:--?bootstrap[=\s]\s*|FLASHCROWD_BOOTSTRAP(?:=|:\s*)|bootstrap:\s+)(?:- )?([^\s)}]+)`)
	theDefault = regexp.MustCompile(`libp2p\.io|DefaultBootstrap|^nil$|^-|:$`)
)

// fault says what is wrong with the launch, or nothing.
func (l launch) fault() string {
	flags := l.text
	up := upCommand.FindStringIndex(l.text)
	if up != nil {
		// What stands before "up" belongs to another program.
		_, flags, _ = strings.Cut(strings.Join(strings.Fields(l.text[up[0]:]), " "), " up")
	}
	named := slices.Concat(values(netFlag, " "+flags), values(netEnv, l.text), values(netKey, l.text))
	if slices.ContainsFunc(named, publicName.MatchString) && !standIn(l.text) {
		return joinsPublic
	}
	starts := up != nil && !compose.MatchString(l.text) && !helpFlag.MatchString(l.text)
	if starts && !l.named && len(named) == 0 && len(values(netEnv, l.around)) == 0 {
		return noNetwork
	}
	return ""
}

// standIn reports whether text gives a bootstrap list and none of it leads to
// the default one.
func standIn(text string) bool {
	lists := values(bootstrap, text)
	return len(lists) > 0 && !slices.ContainsFunc(lists, theDefault.MatchString) && !strings.Contains(text, "libp2p.io")
}

// values returns what the first group of the pattern matched, without empty
// matches.
func values(pattern *regexp.Regexp, text string) []string {
	var all []string
	for _, m := range pattern.FindAllStringSubmatch(text, -1) {
		if m[1] != "" {
			all = append(all, m[1])
		}
	}
	return all
}

// bare takes away what only quotes or separates words.
var bare = strings.NewReplacer(`"`, "", "'", "", ",", " ", "[", " ", "]", " ")

// textLaunches reads one file that is not Go by the rules of its kind, known
// from its name or its first line.
func textLaunches(name, text string) []launch {
	base := path.Base(name)
	switch ext := path.Ext(base); {
	case name == "README.md":
		return setupLaunches(text)
	case ext == ".yml" || ext == ".yaml":
		return yamlLaunches(text)
	case strings.HasPrefix(base, "Dockerfile") || strings.HasPrefix(base, "Containerfile") || ext == ".Dockerfile":
		return dockerLaunches(text)
	case ext == ".txtar" || ext == ".txt" && strings.Contains(name, "testdata/"):
		return archiveLaunches(text)
	case slices.Contains([]string{".sh", ".bash", ".mk"}, ext), base == "Makefile", base == "justfile",
		strings.HasPrefix(name, ".ci/"), strings.HasPrefix(text, "#!"):
		return scriptLaunches(text)
	}
	return nil
}
