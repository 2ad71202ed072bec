package model

import (
	"encoding/json"
	"flag"
	"os"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/flashcrowd/flashcrowd/testnet/crowd"
	"github.com/flashcrowd/flashcrowd/verify"
)

var rewrite = flag.Bool("rewrite", false, "write the golden transcripts anew")

// TestGoldenTranscripts plays each scenario of the library at a small size and
// compares all that came of it with what came of it before. A change of the
// planner shows here; look at the difference, then run with -rewrite.
func TestGoldenTranscripts(t *testing.T) {
	if verify.Credulous {
		return // what a credulous node does is no transcript
	}
	for _, name := range crowd.Names() {
		t.Run(name, func(t *testing.T) {
			s, err := crowd.Load(name)
			if err != nil {
				t.Fatal(err)
			}
			s.Nodes, s.Seed, s.Assert = 12, 1, nil
			if s.Object != nil {
				s.Object.Size = 8 << 20
			}
			r, err := Play(t.Context(), s)
			if err != nil {
				t.Fatal(err)
			}
			got, err := json.MarshalIndent(r, "", "  ")
			if err != nil {
				t.Fatal(err)
			}
			file := filepath.Join("testdata", name+".json")
			if *rewrite {
				if err := os.WriteFile(file, append(got, '\n'), 0o666); err != nil {
					t.Fatal(err)
				}
			}
			want, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(string(want), string(got)+"\n"); diff != "" {
				t.Errorf("(-before +now)\n%s", diff)
			}
		})
	}
}
