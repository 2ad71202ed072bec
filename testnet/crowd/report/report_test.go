package report

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/flashcrowd/flashcrowd/testnet/crowd"
)

// TestReportLoadsNothing writes a report and looks for whatever a browser would
// fetch or run.
func TestReportLoadsNothing(t *testing.T) {
	s := crowd.Scenario{Name: "<b>bold</b>", Assert: []crowd.Assertion{"wrong_bytes==0", "mean_s<1"}}.WithDefaults()
	r := crowd.Result{Engine: "model", Scenario: s.Name, Nodes: 3, AssertFailed: []string{"mean_s<1"}, Makespan: crowd.Never}
	r.Trace = crowd.Trace{Times: []time.Duration{time.Second, 2 * time.Second}, Step: time.Second, Origin: []float64{1e6, 0}, Peers: []float64{0, 5e5}}
	dir := filepath.Join(t.TempDir(), "new", "folder")
	path, err := Write(dir, s, r)
	if err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	html := string(text)
	for _, bad := range []string{"<script", "<link rel=\"stylesheet", "src=", "@import", "<b>bold", "<?xml"} {
		if strings.Contains(html, bad) {
			t.Errorf("the report has %q", bad)
		}
	}
	if got := strings.Count(html, "<svg"); got != 3 {
		t.Errorf("%d plots, want 3", got)
	}
	for _, want := range []string{`class="bad">mean_s`, `class="ok">wrong_bytes`, "never"} {
		if !strings.Contains(html, want) {
			t.Errorf("the report lacks %q", want)
		}
	}
	if again, err := crowd.Load(filepath.Join(dir, "scenario.yaml")); err != nil || again.Nodes != s.Nodes || again.Origin != s.Origin {
		t.Errorf("the scenario in the folder is %+v (%v)", again, err)
	}
	var back crowd.Result
	raw, err := os.ReadFile(filepath.Join(dir, "result.json"))
	if err == nil {
		err = json.Unmarshal(raw, &back)
	}
	if err != nil || back.Makespan != crowd.Never {
		t.Errorf("result.json: %+v (%v)", back, err)
	}
}
