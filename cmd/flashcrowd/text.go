package main

import (
	"fmt"
	"io"
	"strings"
	"text/tabwriter"
	"unicode"
)

// printable returns s for a terminal: what came from strangers, such as URLs
// and header fields, must not move the cursor or change what stands there.
func printable(s string) string {
	return strings.Map(func(r rune) rune {
		if unicode.IsPrint(r) {
			return r
		}
		return unicode.ReplacementChar
	}, s)
}

// table writes rows of cells in columns of equal width.
type table struct{ w *tabwriter.Writer }

func newTable(out io.Writer) table { return table{tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)} }

func (t table) row(cells ...any) {
	for i, cell := range cells {
		if i > 0 {
			io.WriteString(t.w, "\t")
		}
		io.WriteString(t.w, printable(fmt.Sprint(cell)))
	}
	io.WriteString(t.w, "\n")
}

// end writes the table out.
func (t table) end() error { return t.w.Flush() }

// octets writes n for people, in binary units.
func octets(n int64) string {
	const units = "KMGTPE"
	if n < 1<<10 {
		return fmt.Sprintf("%d B", n)
	}
	value, i := float64(n)/(1<<10), 0
	for value >= 1<<10 {
		value, i = value/(1<<10), i+1
	}
	return fmt.Sprintf("%.1f %ciB", value, units[i])
}
