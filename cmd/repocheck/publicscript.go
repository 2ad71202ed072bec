package main

import (
	"regexp"
	"strings"
)

// A textLine is one logical line of a script: continued lines are joined.
type textLine struct {
	number int // of its first line in the file, from 1
	text   string
}

// logicalLines joins lines that end in a backslash and leaves out comments and
// empty lines.
func logicalLines(text string) []textLine {
	var lines []textLine
	open := false
	for i, s := range strings.Split(text, "\n") {
		s = strings.TrimRight(s, " \t\r")
		if trimmed := strings.TrimSpace(s); trimmed == "" || trimmed[0] == '#' {
			open = open && trimmed != ""
			continue
		}
		part, continued := strings.CutSuffix(s, `\`)
		if open {
			lines[len(lines)-1].text += " " + strings.TrimSpace(part)
		} else {
			lines = append(lines, textLine{i + 1, part})
		}
		open = continued
	}
	return lines
}

var (
	// between separates the commands of a line. A lone & has a space before it;
	// the one in 2>&1 has not.
	between  = regexp.MustCompile(`&&|\|\||;|\s[&|](?:\s|$)`)
	exported = regexp.MustCompile(`^\s*(?:(?:export|ENV|declare -x)\s+(.*)|env((?:\s+\w+=\S*)+)\s*$)`)
	unset    = regexp.MustCompile(`^\s*unset\s.*\bFLASHCROWD_NETWORK\b`)
	oneSpace = regexp.MustCompile(`^(\w+)\s+([^=]+)$`)
)

// scriptLaunches reads a shell script or the commands of a testscript: each
// command is a launch, and what was exported before it holds around it. A line
// of YAML, as in a here-document, is judged with the mapping it stands in.
func scriptLaunches(text string) []launch {
	var all []launch
	around := ""
	yaml := yamlLines(text)
	for i, line := range logicalLines(text) {
		if keyed.MatchString(line.text) {
			all = append(all, launch{line: line.number, text: joined(mapping(yaml, i)), named: true})
			continue
		}
		for _, command := range between.Split(line.text, -1) {
			command = bare.Replace(command)
			if set := exported.FindStringSubmatch(command); set != nil {
				command = " " + oneSpace.ReplaceAllString(set[1]+set[2], "$1=$2") // "ENV name value"
				around += command
				if netEnv.MatchString(command) {
					command = around // a list may have been exported before
				}
			}
			if unset.MatchString(command) {
				around = ""
			}
			all = append(all, launch{line: line.number, text: command, around: around})
		}
	}
	return all
}

// keyed matches the line of a here-document that sets the network as YAML does.
var keyed = regexp.MustCompile(`^[\s-]*(?:network|FLASHCROWD_NETWORK):\s`)

var section = regexp.MustCompile(`^-- (\S+) --\s*$`)

// archiveLaunches reads a testscript: commands first, then files, each by the
// rules of its own name.
func archiveLaunches(text string) []launch {
	var all []launch
	name, start, body := "", 0, []string(nil)
	flush := func() {
		content := strings.Join(body, "\n")
		found := textLaunches(name, content)
		if name == "" {
			found = scriptLaunches(content)
		}
		for _, l := range found {
			l.line += start
			all = append(all, l)
		}
	}
	for i, line := range strings.Split(text, "\n") {
		if m := section.FindStringSubmatch(line); m != nil {
			flush()
			name, start, body = m[1], i+1, nil
			continue
		}
		body = append(body, line)
	}
	flush()
	return all
}

var (
	stage      = regexp.MustCompile(`(?m)^\s*FROM\s`)
	entrypoint = regexp.MustCompile(`^\s*ENTRYPOINT\s+(.*)`)
	cmdLine    = regexp.MustCompile(`^\s*CMD\s+(.*)`)
)

// dockerLaunches reads a Dockerfile: each stage is a script of its own.
func dockerLaunches(text string) []launch {
	var all []launch
	from := 0
	for _, at := range append(stage.FindAllStringIndex(text, -1), []int{len(text)}) {
		for _, l := range stageLaunches(text[from:at[0]]) {
			l.line += strings.Count(text[:from], "\n")
			all = append(all, l)
		}
		from = at[0]
	}
	return all
}

// stageLaunches reads one stage, in which ENV lines are exports, and
// ENTRYPOINT and CMD are one command.
func stageLaunches(text string) []launch {
	var all []launch
	var entry, cmd, last launch
	for _, last = range scriptLaunches(text) {
		if m := entrypoint.FindStringSubmatch(last.text); m != nil {
			entry = launch{line: last.line, text: m[1]}
		} else if m := cmdLine.FindStringSubmatch(last.text); m != nil {
			cmd = launch{line: last.line, text: m[1]}
		} else {
			all = append(all, last)
		}
	}
	started := entry.text + " " + asFlashcrowd(cmd.text, entry.text == "")
	return append(all, launch{line: max(entry.line, cmd.line), text: started, around: last.around})
}

// asFlashcrowd puts the name of the program before arguments that begin with
// "up", when nothing else says what program gets them.
func asFlashcrowd(arguments string, alone bool) string {
	if words := strings.Fields(arguments); alone && len(words) > 0 && words[0] == "up" {
		return "flashcrowd " + arguments
	}
	return arguments
}

var setupBlock = regexp.MustCompile("(?s)<!-- setup -->\\s*```\\w*\n(.*?)```")

// setupLaunches reads the commands of README.md that the CI script runs, which
// sets a network for all of them.
func setupLaunches(text string) []launch {
	m := setupBlock.FindStringSubmatchIndex(text)
	if m == nil {
		return nil
	}
	all := scriptLaunches(text[m[2]:m[3]])
	for i := range all {
		all[i].line += strings.Count(text[:m[2]], "\n")
		all[i].named = true
	}
	return all
}
