package admin

import (
	"bytes"
	"encoding/json"
	"io"
	"net/http"
)

// api answers the routes. It is immutable.
type api struct{ Config }

// Error is the body of every answer that is no success.
type Error struct {
	Error string `json:"error"`
	// Hint is what to do about it.
	Hint string `json:"hint"`
}

func healthz(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	io.WriteString(w, "ok\n")
}

func (a *api) status(w http.ResponseWriter, _ *http.Request) {
	s := a.Status()
	if s.Addrs == nil {
		s.Addrs = []string{}
	}
	a.write(w, s)
}

func (a *api) peers(w http.ResponseWriter, _ *http.Request) {
	list := []Peer{}
	for _, p := range a.Peers() {
		if p.Addrs == nil {
			p.Addrs = []string{}
		}
		list = append(list, p)
	}
	a.write(w, list)
}

func (a *api) faces(w http.ResponseWriter, _ *http.Request) {
	f := a.Faces()
	if f.Mirrors == nil {
		f.Mirrors = []MirrorFace{}
	}
	a.write(w, f)
}

func (a *api) why(w http.ResponseWriter, r *http.Request) {
	url := r.URL.Query().Get("url")
	if url == "" {
		writeError(w, http.StatusBadRequest, "which url?", "ask /api/v1/why?url=URL, with URL percent-encoded")
		return
	}
	receipt, ok := a.Why(url)
	if !ok {
		writeError(w, http.StatusNotFound, "there is no receipt for this url",
			"receipts are of this run of the node, and only the latest are kept; the url must be written as it was asked")
		return
	}
	a.write(w, receipt)
}

// certificate answers with what clients have to trust. It is public: every
// client on this machine is shown it anyway.
func (a *api) certificate(w http.ResponseWriter, _ *http.Request) {
	if len(a.Certificate) == 0 {
		writeError(w, http.StatusNotFound, "this node intercepts nothing", "start it with --intercept HOST to make a certificate")
		return
	}
	w.Header().Set("Content-Type", "application/x-pem-file")
	w.Header().Set("Content-Disposition", `attachment; filename="flashcrowd-ca.pem"`)
	w.Write(a.Certificate)
}

// write answers with v as one line of JSON.
func (a *api) write(w http.ResponseWriter, v any) {
	raw, err := encode(v)
	if err != nil {
		a.Logger.Error("admin answer", "err", err)
		writeError(w, http.StatusInternalServerError, "the answer cannot be written", "this is a fault of flashcrowd: please report it")
		return
	}
	w.Header().Set("Content-Type", "application/json")
	w.Write(raw)
}

// writeError answers with an Error. It never repeats what the client sent.
func writeError(w http.ResponseWriter, status int, text, hint string) {
	raw, err := encode(Error{text, hint})
	if err != nil {
		panic("admin: internal error: encode error: " + err.Error())
	}
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	w.Write(raw)
}

// encode keeps & < > as they are, since the answer is no HTML: URLs stay
// readable.
func encode(v any) ([]byte, error) {
	var buf bytes.Buffer
	e := json.NewEncoder(&buf)
	e.SetEscapeHTML(false)
	err := e.Encode(v)
	return buf.Bytes(), err
}
