package main

import (
	"regexp"
	"slices"
	"strings"
)

// A yamlLine is one logical line of a YAML file and where it stands in the
// tree: dash is the column of the first "-", or of the text if there is none,
// key the column of the text. A list item that is no mapping hangs on its dash.
type yamlLine struct {
	textLine
	dash, key int
	item      bool // begins with a "-"
}

var (
	pair        = regexp.MustCompile(`^([\w.-]+):(?:\s+(.*))?$`)
	folded      = regexp.MustCompile(`^(>[+-]?)?$`)
	argsKeys    = []string{"command", "args", "entrypoint"}
	envKeys     = []string{"env", "environment"}
	setsNetwork = regexp.MustCompile(`^(?:\S+:\s+\{.*)?(?:network|FLASHCROWD_NETWORK):|^FLASHCROWD_NETWORK=\S*$`)
	namedPair   = regexp.MustCompile(`^name:\s*(FLASHCROWD_\w+)$`)
)

// yamlLaunches reads a YAML file by lines. Every line is taken for a command,
// command: and args: lists as one; a line that names the network public is
// judged with the whole mapping it stands in. Environment holds around a line
// if it is set in the line's own mapping or in an env: of one around that.
func yamlLaunches(text string) []launch {
	lines := yamlLines(text)
	var all []launch
	for i, l := range lines {
		if setsNetwork.MatchString(l.text) {
			all = append(all, launch{line: l.number, text: joined(mapping(lines, i)), named: true})
			continue
		}
		around := joined(mapping(lines, i)) + environment(lines, i)
		command := l.text
		if m := pair.FindStringSubmatch(l.text); m != nil && slices.Contains(argsKeys, m[1]) {
			if command = m[2]; folded.MatchString(m[2]) {
				command = joined(children(lines, i))
			}
			command = asFlashcrowd(strings.TrimSpace(command), true)
		}
		for _, one := range between.Split(command, -1) {
			all = append(all, launch{line: l.number, text: one, around: around})
		}
	}
	return all
}

func yamlLines(text string) []yamlLine {
	var lines []yamlLine
	for _, t := range logicalLines(text) {
		rest := strings.TrimLeft(t.text, " ")
		l := yamlLine{textLine: t, dash: len(t.text) - len(rest)}
		for strings.HasPrefix(rest, "- ") {
			rest, l.item = strings.TrimLeft(rest[2:], " "), true
		}
		l.key = len(t.text) - len(rest)
		l.text = strings.TrimSpace(bare.Replace(rest))
		if !pair.MatchString(l.text) {
			l.key = l.dash
		}
		lines = append(lines, l)
	}
	for i := range lines[:max(0, len(lines)-1)] { // - name: X, value: Y
		next := &lines[i+1]
		if m := namedPair.FindStringSubmatch(lines[i].text); m != nil && strings.HasPrefix(next.text, "value:") {
			lines[i].text = m[1] + next.text[len("value"):]
			lines[i].key = lines[i].dash
		}
	}
	return lines
}

// mapping returns the lines of the mapping in which line i stands, with all
// that lies below them.
func mapping(lines []yamlLine, i int) []yamlLine {
	column, from, to := lines[i].key, i, i+1
	for from > 0 && lines[from].dash >= column && lines[from-1].key >= column {
		from--
	}
	for to < len(lines) && lines[to].dash >= column {
		to++
	}
	return lines[from:to]
}

// children returns the lines below line i.
func children(lines []yamlLine, i int) []yamlLine {
	to := i + 1
	for to < len(lines) && (lines[to].dash > lines[i].key || lines[to].dash == lines[i].key && lines[to].item) {
		to++
	}
	return lines[i+1 : to]
}

// environment returns what the env: blocks of all mappings around line i set.
func environment(lines []yamlLine, i int) string {
	var set strings.Builder
	column := lines[i].key
	for j := i; j >= 0; j-- {
		if lines[j].key >= column {
			continue
		}
		column = lines[j].key
		around := mapping(lines, j)
		for k, l := range around {
			if m := pair.FindStringSubmatch(l.text); m != nil && l.key == column && slices.Contains(envKeys, m[1]) {
				set.WriteString(joined(children(around, k)))
			}
		}
	}
	return set.String()
}

// joined puts lines in a row, each after a space.
func joined(lines []yamlLine) string {
	var row strings.Builder
	for _, l := range lines {
		row.WriteString(" " + l.text)
	}
	return row.String()
}
