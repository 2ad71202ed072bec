package admin

import (
	"bytes"
	"crypto/sha256"
	_ "embed"
	"encoding/base64"
	"fmt"
	"html/template"
	"net/http"
	"strconv"
)

var (
	//go:embed page.html
	pageText string
	//go:embed page.css
	pageStyle string
	//go:embed page.js
	pageScript string

	page = template.Must(template.New("page").Funcs(template.FuncMap{
		"octets": octets, "percent": percent,
	}).Parse(pageText))
)

// hashOf names what stands in a style or script element in the content security
// policy.
func hashOf(text string) string {
	sum := sha256.Sum256([]byte(text))
	return "'sha256-" + base64.StdEncoding.EncodeToString(sum[:]) + "'"
}

// maxPagePeers keeps the page small; the API has them all.
const maxPagePeers = 50

// view is what the page shows.
type view struct {
	Style  template.CSS
	Script template.JS
	Status
	Faces     Faces
	PeerList  []Peer
	MorePeers int
}

// page writes the whole page or an error, never a part. It reloads itself.
func (a *api) page(w http.ResponseWriter, _ *http.Request) {
	v := view{
		Style: template.CSS(pageStyle), Script: template.JS(pageScript),
		Status: a.Status(), Faces: a.Faces(), PeerList: a.Peers(),
	}
	if more := len(v.PeerList) - maxPagePeers; more > 0 {
		v.PeerList, v.MorePeers = v.PeerList[:maxPagePeers], more
	}
	var buf bytes.Buffer
	if err := page.Execute(&buf, v); err != nil {
		a.Logger.Error("admin page", "err", err)
		writeError(w, http.StatusInternalServerError, "the page cannot be written", "this is a fault of flashcrowd: please report it")
		return
	}
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	w.Write(buf.Bytes())
}

// octets writes n for people, in binary units.
func octets(n int64) string {
	const units = "KMGTPE"
	if n < 1<<10 {
		return strconv.FormatInt(n, 10) + " B"
	}
	value, i := float64(n)/(1<<10), 0
	for value >= 1<<10 {
		value, i = value/(1<<10), i+1
	}
	return fmt.Sprintf("%.1f %ciB", value, units[i])
}

// percent returns part of whole in percent, 0 for nothing of nothing.
func percent(part, whole int64) int64 {
	if whole <= 0 {
		return 0
	}
	return int64(float64(part) / float64(whole) * 100)
}
