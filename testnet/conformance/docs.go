package conformance

import (
	"fmt"
	"strings"
)

// Markdown is docs/http.md: the list of cases.
func Markdown(cases []Case) string {
	var b strings.Builder
	fmt.Fprintf(&b, `# HTTP caching, case by case

flashcrowd is a shared cache in the words of RFC 9111. These are the %d cases
that hold it to them, each against the section of the RFC that it comes from:
requests over real sockets through a real node to an origin that says what the
case has it say. Every case is run through the forward proxy, through the
gateway (GET and HEAD) and through a mirror, unless it names one of them.

    go test ./testnet/conformance            runs them
    go test ./testnet/conformance -write     writes this file anew

The exchanges of a case stand in testnet/conformance as data.
`, len(cases))
	section := ""
	for _, c := range cases {
		if c.Section != section {
			section = c.Section
			fmt.Fprintf(&b, "\n## %s\n\n| case | RFC |\n|---|---|\n", section)
		}
		fmt.Fprintf(&b, "| %s | %s |\n", strings.ReplaceAll(c.Name, "|", `\|`), c.RFC)
	}
	return b.String()
}
