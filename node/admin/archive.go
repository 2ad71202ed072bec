package admin

import (
	"net/http"
	"strconv"
	"time"
)

// ArchiveType is the media type of an archive of the cache.
const ArchiveType = "application/x-tar"

// Exported is what went into an archive. POST /api/v1/export answers with the
// archive, and with this in trailer fields.
type Exported struct {
	Objects int
	Bytes   int64
	// LeftOut is not for everybody, or not whole.
	LeftOut int
}

// The trailer fields of an export.
const (
	ExportedObjects = "Flashcrowd-Objects"
	ExportedBytes   = "Flashcrowd-Bytes"
	ExportedLeftOut = "Flashcrowd-Left-Out"
)

// Imported is what POST /api/v1/import has taken: bodies that wait until their
// origins state their digests.
type Imported struct {
	Objects int   `json:"objects"`
	Bytes   int64 `json:"bytes"`
	// Known were here already, Refused had no room.
	Known   int `json:"known"`
	Refused int `json:"refused"`
	// Damaged are the members that are not what the archive says.
	Damaged []string `json:"damaged"`
	// Stopped is why the archive was not read to its end; empty if it was.
	Stopped string `json:"stopped"`
}

// unhurried lets an answer take as long as it does.
func (a *api) unhurried(w http.ResponseWriter) {
	c := http.NewResponseController(w)
	for _, err := range []error{c.SetReadDeadline(time.Time{}), c.SetWriteDeadline(time.Time{})} {
		if err != nil {
			a.Logger.Error("archive", "err", err)
		}
	}
}

// export answers with an archive of the objects under the values of url, or of
// all. What ends it early breaks the answer off, and no archive is whole then.
func (a *api) export(w http.ResponseWriter, r *http.Request) {
	a.unhurried(w)
	h := w.Header()
	h.Set("Content-Type", ArchiveType)
	h.Set("Trailer", ExportedObjects+", "+ExportedBytes+", "+ExportedLeftOut)
	done, err := a.Export(r.Context(), w, r.URL.Query()["url"])
	if err != nil {
		a.Logger.Error("export", "err", err)
		panic(http.ErrAbortHandler)
	}
	h.Set(ExportedObjects, strconv.Itoa(done.Objects))
	h.Set(ExportedBytes, strconv.FormatInt(done.Bytes, 10))
	h.Set(ExportedLeftOut, strconv.Itoa(done.LeftOut))
}

// takeIn takes in the archive that is the body of the request.
func (a *api) takeIn(w http.ResponseWriter, r *http.Request) {
	a.unhurried(w)
	done, err := a.Import(r.Context(), r.Body)
	if err != nil {
		a.Logger.Error("import", "err", err)
		writeError(w, http.StatusInternalServerError, "the cache cannot take it", "the log of the node says why; what was taken until then is kept")
		return
	}
	if done.Damaged == nil {
		done.Damaged = []string{}
	}
	a.write(w, done)
}
