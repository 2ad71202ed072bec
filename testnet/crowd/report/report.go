package report

import (
	_ "embed"
	"encoding/json"
	"fmt"
	"html/template"
	"os"
	"path/filepath"
	"strings"

	"go.yaml.in/yaml/v3"

	"github.com/flashcrowd/flashcrowd/testnet/crowd"
)

//go:embed page.html
var page string

var tmpl = template.Must(template.New("page").Parse(page))

// Write puts report.html, result.json and scenario.yaml, from which the
// rehearsal can be repeated, into dir, which it makes. It returns the path of
// the report.
func Write(dir string, s crowd.Scenario, r crowd.Result) (string, error) {
	if err := os.MkdirAll(dir, 0o777); err != nil {
		return "", fmt.Errorf("write report: %w", err)
	}
	recipe, err := yaml.Marshal(s)
	if err != nil {
		return "", fmt.Errorf("write report: %w", err)
	}
	result, err := json.MarshalIndent(r, "", "  ")
	if err != nil {
		return "", fmt.Errorf("write report: %w", err)
	}
	html, err := render(s, r, string(recipe))
	if err != nil {
		return "", fmt.Errorf("write report: %w", err)
	}
	for name, text := range map[string]string{"report.html": html, "result.json": string(result) + "\n", "scenario.yaml": string(recipe)} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o666); err != nil {
			return "", fmt.Errorf("write report: %w", err)
		}
	}
	return filepath.Join(dir, "report.html"), nil
}

// verdict is one line at the top of the report.
type verdict struct {
	OK   bool
	Text string
}

func render(s crowd.Scenario, r crowd.Result, recipe string) (string, error) {
	var table, html strings.Builder
	if err := r.WriteTable(&table); err != nil {
		return "", err
	}
	plots, err := figures(r)
	if err != nil {
		return "", err
	}
	verdicts := []verdict{{r.WrongBytes == 0, fmt.Sprintf("%d wrong bytes reached a reader", r.WrongBytes)}}
	failed := map[string]bool{}
	for _, a := range r.AssertFailed {
		failed[a] = true
	}
	for _, a := range s.Assert {
		verdicts = append(verdicts, verdict{!failed[strings.TrimSpace(string(a))], string(a)})
	}
	err = tmpl.Execute(&html, map[string]any{
		"Scenario": s, "Result": r, "Table": table.String(), "Recipe": recipe, "Plots": plots, "Verdicts": verdicts,
	})
	return html.String(), err
}
