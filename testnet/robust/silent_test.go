package robust

import (
	"fmt"
	"net/http"
	"testing"
	"time"
)

// silence is how long a node waits for the head of a response, and a bit.
const silence = 75 * time.Second

// TestOriginThatTimesOut: the failure has its name, and what is stored and may
// be served stale stands in. It takes a minute, so only -full does it.
func TestOriginThatTimesOut(t *testing.T) {
	if !*full {
		t.Log("not without -full")
		return
	}
	together(t, everyWay, func(r *run) {
		silent := make(chan struct{})
		defer close(silent)
		mute := func(c *conn, _ *http.Request) { <-silent }
		ask := func(q *run) (*http.Response, string) {
			c := q.dial()
			defer c.Close()
			c.SetDeadline(time.Now().Add(silence))
			c.get("")
			resp, text, err := c.response("GET")
			if err != nil {
				r.Error(err)
			}
			return resp, text
		}
		old := r.again()
		old.answers(fmt.Sprintf("HTTP/1.1 200 OK\r\nDate: %s\r\nCache-Control: max-age=1, stale-if-error=600\r\nEtag: \"v\"\r\nContent-Length: 3\r\n\r\nold",
			time.Now().Add(-time.Minute).UTC().Format(http.TimeFormat)))
		ask(old)
		old.origin(mute)
		stale := make(chan string, 1)
		go func() {
			resp, text := ask(old)
			stale <- fmt.Sprint(resp.StatusCode, " ", text)
		}()
		r.origin(mute)
		began := time.Now()
		resp, text := ask(r)
		r.status(resp, text, 504)
		r.named(resp, "connection_read_timeout")
		r.Logf("504 after %s", time.Since(began).Round(time.Second))
		if got := <-stale; got != "200 old" {
			r.Errorf("what is stored did not stand in: %s", got)
		}
	})
}
