package stack

import (
	"testing"
	"testing/synctest"

	"github.com/flashcrowd/flashcrowd/testnet/crowd"
)

func rehearsed(t *testing.T, yaml string) (r crowd.Result) {
	t.Helper()
	s, err := crowd.Parse([]byte(yaml))
	if err != nil {
		t.Fatal(err)
	}
	synctest.Test(t, func(t *testing.T) {
		if r, err = rehearse(t.Context(), s); err != nil {
			t.Fatal(err)
		}
	})
	return r
}

// TestFirstCrowd: nobody has the file, and the real stack shares one copy.
func TestFirstCrowd(t *testing.T) {
	r := rehearsed(t, "{nodes: 8, object: {size: 8MiB}, origin: {up: 20Mbit}, peers: {up: 20Mbit, down: 40Mbit}}")
	t.Logf("%+v", r)
	if r.Completed != 8 || r.WrongBytes != 0 || r.HonestBanned != 0 || r.OriginCopies > 2 || r.Makespan >= r.Direct.Makespan {
		t.Errorf("%d completed, %d wrong octets, %d honest banned, %.2f copies, %.1f s beside %.1f s direct",
			r.Completed, r.WrongBytes, r.HonestBanned, r.OriginCopies, float64(r.Makespan), float64(r.Direct.Makespan))
	}
}
