package conformance

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
)

// Rival is another cache, and how it fared.
type Rival struct {
	Target
	// Title and Version for people; Notes on how it was set up.
	Title, Version, Notes string
	// Runs is how many cases it was given.
	Runs int
	// Wrong has, by case, what was wrong; none is nothing.
	Wrong map[string][]string
}

func (c Case) key() string { return c.Section + "/" + c.Name }

// comparable reports whether c can be asked of a cache that is not this one:
// Cache-Status is not demanded of others.
func (c Case) comparable() bool { return c.Section != "Cache-Status" }

// Fare runs all cases for the mode of r through it, many at once, and keeps
// what was wrong. Cases that failed run again, alone: a machine under load
// must not be held against anybody.
func (w *World) Fare(ctx context.Context, r *Rival, cases []Case, atOnce int) {
	r.Wrong = make(map[string][]string)
	var again []Case
	var mu sync.Mutex // guards again
	var wg sync.WaitGroup
	slots := make(chan struct{}, atOnce)
	for _, c := range cases {
		if !c.In(r.Mode) || !c.comparable() {
			continue
		}
		r.Runs++
		slots <- struct{}{}
		wg.Go(func() {
			defer func() { <-slots }()
			if wrong := w.Run(ctx, r.Target, c); len(wrong) > 0 {
				mu.Lock()
				defer mu.Unlock()
				again = append(again, c)
			}
		})
	}
	wg.Wait()
	for batch := range slices.Chunk(again, max(1, atOnce/4)) {
		for _, c := range batch {
			wg.Go(func() {
				if wrong := w.Run(ctx, r.Target, c); len(wrong) > 0 {
					mu.Lock()
					defer mu.Unlock()
					r.Wrong[c.key()] = wrong
				}
			})
		}
		wg.Wait()
	}
}

// Kinds of differences.
const (
	asks    = "asks"   // the origin, where what is stored may be used
	reuses  = "reuses" // what is stored, where the origin is to be asked
	differs = "differs"
)

// kindOf says in what way a cache differs by the sentences about it.
func kindOf(wrong []string) string {
	text := strings.Join(wrong, "\n")
	switch {
	case strings.Contains(text, "times less than it should"):
		return reuses
	case strings.Contains(text, "origin was asked ") && strings.Contains(text, " times, not "):
		return asks
	}
	return differs
}

// cell is what a table says of one case.
func (r *Rival) cell(c Case) string {
	wrong, failed := r.Wrong[c.key()]
	switch {
	case !c.In(r.Mode):
		return "n/a"
	case !failed:
		return ""
	}
	kind := kindOf(wrong)
	if kind != differs {
		return kind
	}
	_, what, _ := strings.Cut(wrong[0], ": ")
	what, _, _ = strings.Cut(what, " (Cache-Status")
	return strings.ReplaceAll(strings.ReplaceAll(what[:min(len(what), 70)], "|", `\|`), "\n", " ")
}

// Differences is docs/differential.md.
func Differences(cases []Case, rivals []*Rival) string {
	var b strings.Builder
	b.WriteString(differencesHead)
	b.WriteString("\n| cache | set up as | cases | as the RFCs have it | asks | reuses | differs |\n|---|---|---|---|---|---|---|\n")
	for _, r := range rivals {
		kinds := map[string]int{}
		for _, wrong := range r.Wrong {
			kinds[kindOf(wrong)]++
		}
		fmt.Fprintf(&b, "| %s %s | %s | %d | %d | %d | %d | %d |\n", r.Title, r.Version, r.Notes, r.Runs, r.Runs-len(r.Wrong),
			kinds[asks], kinds[reuses], kinds[differs])
	}
	section := ""
	for _, c := range cases {
		if !c.comparable() || !slices.ContainsFunc(rivals, func(r *Rival) bool { return len(r.Wrong[c.key()]) > 0 }) {
			continue
		}
		if c.Section != section {
			section = c.Section
			fmt.Fprintf(&b, "\n## %s\n\n| case | RFC |", section)
			for _, r := range rivals {
				b.WriteString(" " + r.Title + " |")
			}
			b.WriteString(" the RFC |\n|---|---|" + strings.Repeat("---|", len(rivals)) + "---|\n")
		}
		fmt.Fprintf(&b, "| %s | %s |", strings.ReplaceAll(c.Name, "|", `\|`), c.RFC)
		for _, r := range rivals {
			b.WriteString(" " + r.cell(c) + " |")
		}
		w := words[c.RFC]
		fmt.Fprintf(&b, " %s: %s |\n", w.need, w.says)
	}
	return b.String()
}

const differencesHead = `# Where web caches differ

The cases of [http.md](http.md), put to flashcrowd and to the caches that Debian
has, each through its own front door with the same scripted origin behind it. A
row is a case in which at least one of them does not do as the case has it; an
empty cell is a cache that does.

    go test -tags system ./testnet/conformance -run Differential -write

- **asks**: it asks the origin where what is stored may be used. No RFC forbids
  that ("may"); it costs time and the origin's bandwidth.
- **reuses**: it uses what is stored where the origin is to be asked.
- **n/a**: the case needs what this kind of cache has no business with.
- Otherwise: what was seen. The last column says by what word the section binds
  (must, should, may, or a definition), in our own short form.

Expectations of Cache-Status and Proxy-Status are not put to the others.
`

// Sections returns the sections of the RFCs that cases cite, sorted.
func Sections(cases []Case) []string {
	set := map[string]bool{}
	for _, c := range cases {
		set[c.RFC] = true
	}
	return slices.Sorted(maps.Keys(set))
}
