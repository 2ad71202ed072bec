package fetch_test

import (
	"encoding/base64"
	"fmt"
	"net/http"
	"testing"

	"github.com/flashcrowd/flashcrowd/fetch/fetchtest"
	"github.com/flashcrowd/flashcrowd/verify"
)

const (
	bank = "https://bank.test/app.js"
	evil = "https://evil.test/index.html"
)

// TestLyingForeignOriginPinsNothing: evil.test says of bank.test's script what
// its octets are, in each way in which an origin can say that of another one's
// URL, and its peers are in the script's crowd with octets to match, under each
// token that anybody could ask by. Whoever asks for the script afterwards gets
// bank.test's octets, also who comes from evil.test's page.
func TestLyingForeignOriginPinsNothing(t *testing.T) {
	script, false1 := bodyOf(4*mib), fetchtest.Body(11, 4*mib)
	sum := base64.StdEncoding.EncodeToString(fetchtest.WholeOf(verify.SHA256, false1).Digest.Sum())
	page := func(text string) fetchtest.Object {
		return fetchtest.Object{Body: []byte(text), Header: http.Header{"Content-Type": {"text/html"}, "Cache-Control": {"max-age=3600"}}}
	}
	for name, says := range map[string]fetchtest.Object{
		"SRI": page(fmt.Sprintf(`<script src="%s" integrity="sha256-%s"></script>`, bank, sum)),
		"preload": {Header: http.Header{"Link": {fmt.Sprintf(`<%s>; rel=preload; as=script; integrity="sha256-%s"`, bank, sum)}, "Cache-Control": {"max-age=3600"}},
			Body: []byte("x")},
		"Metalink": page(fmt.Sprintf(`<metalink xmlns="urn:ietf:params:xml:ns:metalink"><file name="app.js"><hash type="sha-256">%x</hash><url>%s</url></file></metalink>`,
			fetchtest.WholeOf(verify.SHA256, false1).Digest.Sum(), bank)),
		"Metalink over HTTP": {Body: false1, Header: http.Header{"Link": {"<" + bank + ">; rel=duplicate"}, "Digest": {"SHA-256=" + sum}, "Cache-Control": {"max-age=3600"}}},
		"redirect":           {Status: http.StatusFound, Header: http.Header{"Location": {bank}, "Digest": {"SHA-256=" + sum}, "Cache-Control": {"max-age=3600"}}},
		"Content-Location":   {Body: false1, Digest: "sha-256=:" + sum + ":", Header: http.Header{"Content-Location": {bank}, "Cache-Control": {"max-age=3600"}}},
	} {
		for _, stated := range []bool{true, false} {
			t.Run(fmt.Sprintf("%s, stated %v", name, stated), func(t *testing.T) {
				play(t, nil, func(w *world) {
					o := object(script, line(originRate))
					if !stated {
						o.Digest = ""
					}
					w.web.Put(bank, o)
					w.web.Put(evil, says)
					for i := range 3 { // under the false digest, and under the true one
						w.peer(&fetchtest.Peer{Object: id(bank), Link: line(100 * mbit), Name: fmt.Sprint("false", i)}, false1)
						w.peer(&fetchtest.Peer{Object: id(bank), Link: line(100 * mbit), Name: fmt.Sprint("liar", i), Sends: false1}, script)
					}
					w.do(w.Context(), fetchtest.Request(evil), nil)
					w.do(w.Context(), fetchtest.Request(evil, "Sec-Fetch-Mode", "navigate"), nil)
					w.whole(w.do(w.Context(), fetchtest.Request(bank, "Referer", evil, "Sec-Fetch-Site", "cross-site"), script), script)
					w.whole(w.do(w.Context(), fetchtest.Request(bank), script), script)
					for _, want := range w.swarm.Wanted() {
						if e := want.Proof.Evidence(); want.ID == id(bank) && e.Authority().String() != "https://bank.test:443" {
							w.Errorf("peers were asked for the script on the word of %s", e.Authority())
						}
					}
					for _, m := range w.store.Metas() {
						if len(m.Evidence) > 0 && m.URL == bank && m.Evidence[0].Authority().String() != "https://bank.test:443" {
							w.Errorf("stored on the word of %s", m.Evidence[0].Authority())
						}
					}
				})
			})
		}
	}
}
