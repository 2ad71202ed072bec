package testnet

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/cockroachdb/pebble/v2"

	"github.com/flashcrowd/flashcrowd/node"
)

// A node whose month's quota is used up is no member of anything: it announces
// nothing, not even what it downloads now, and answers nobody; not after a
// restart either. In the next month it is all that again.
func TestUsedUpQuotaWithdraws(t *testing.T) {
	const quota = 1 << 20
	o := testOrigin(t)
	o.Pace.SetRate(8 << 20)
	old, young := Random(4<<20, 61), Random(4<<20, 62)
	o.Put("/old.bin", File{Body: old})
	o.Put("/young.bin", File{Body: young})
	dir := t.TempDir()
	n := testNet(t, Config{Nodes: 2, Dir: dir, Configure: func(i int, c *node.Config) {
		if i == 1 {
			c.UploadQuota = quota
		}
	}})
	giver := func() *Node { return n.Nodes[1] }
	fetchBody(t, giver(), o.URL+"/old.bin", old)
	untilProvided(t, giver(), func(keys string) bool { return keys != "0" })
	fetchBody(t, n.Nodes[0], o.URL+"/old.bin", old)
	spent := func() bool { return giver().Status().Upload.Refused != "" }
	if err := waitFor(deadline(t), spent); err != nil {
		t.Fatalf("the quota is not used up: %+v", giver().Status().Upload)
	}

	withdrawn := func(when string) {
		t.Helper()
		untilProvided(t, giver(), func(keys string) bool { return keys == "0" })
		for path, body := range map[string][]byte{"/old.bin": old, "/young.bin": young} {
			if ask(t, giver(), o.URL+path, body) == nil {
				t.Errorf("%s: %s is offered", when, path)
			}
		}
		if u := giver().Status().Upload; u.Refused == "" || u.Spent > quota {
			t.Errorf("%s: %+v", when, u)
		}
	}
	fetchBody(t, giver(), o.URL+"/young.bin", young)
	withdrawn("used up")
	if err := n.Restart(t.Context(), 1); err != nil {
		t.Fatal(err)
	}
	withdrawn("restarted")

	turnMonth(t, n, 1)
	untilProvided(t, giver(), func(keys string) bool { return keys != "0" })
	offered := func() bool { return ask(t, giver(), o.URL+"/young.bin", young) == nil }
	if err := waitFor(deadline(t), offered); err != nil {
		t.Error("in the next month nothing is offered")
	}
}

func deadline(t *testing.T) context.Context {
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	t.Cleanup(cancel)
	return ctx
}

// turnMonth stops node i, makes what it gave a thing of an earlier month, and
// starts it again.
func turnMonth(t *testing.T, n *Net, i int) {
	t.Helper()
	m := n.Nodes[i]
	if err := m.Stop(); err != nil {
		t.Fatal(err)
	}
	db, err := pebble.Open(filepath.Join(m.cfg.Data, "index"), &pebble.Options{Logger: silentLog{}})
	if err != nil {
		t.Fatal(err)
	}
	ledger := []byte("swarm/uploaded") // fetch/swarm/ledger.go
	raw, closer, err := db.Get(ledger)
	if err != nil {
		t.Fatal(err)
	}
	earlier := regexp.MustCompile(`"month":"[^"]*"`).ReplaceAll(raw, []byte(`"month":"2020-01"`))
	closer.Close()
	if err := db.Set(ledger, earlier, pebble.Sync); err != nil {
		t.Fatal(err)
	}
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
	again, err := start(t.Context(), m.cfg)
	if err != nil {
		t.Fatal(err)
	}
	again.Name = m.Name
	n.Nodes[i] = again
}

// silentLog keeps what a database has to say to itself.
type silentLog struct{}

func (silentLog) Infof(string, ...any)  {}
func (silentLog) Errorf(string, ...any) {}
func (silentLog) Fatalf(format string, args ...any) {
	panic(fmt.Sprintf(format, args...))
}

// metric returns a metric without labels of m as text, "" if there is none.
func metric(m *Node, name string) string {
	resp, err := http.Get(m.AdminURL() + "/metrics")
	if err != nil {
		return ""
	}
	defer resp.Body.Close()
	raw, err := io.ReadAll(resp.Body)
	if err != nil {
		return ""
	}
	return metricIn(string(raw), name)
}

// metricIn is metric for what a node answers to /metrics.
func metricIn(text, name string) string {
	for line := range strings.Lines(text) {
		if value, ok := strings.CutPrefix(line, name+" "); ok {
			return strings.TrimSpace(value)
		}
	}
	return ""
}

// untilProvided returns once the number of keys that m announces is as ok says.
func untilProvided(t *testing.T, m *Node, ok func(keys string) bool) {
	t.Helper()
	var last string
	is := func() bool {
		last = metric(m, "flashcrowd_provided_keys")
		return last != "" && ok(last)
	}
	if err := waitFor(deadline(t), is); err != nil {
		t.Fatalf("%s announces %q keys", m.Name, last)
	}
}
