package admin

import (
	"net/http"
	"time"
)

// Object is one stored response, as GET /api/v1/cache and
// `flashcrowd cache ls --json` say it.
type Object struct {
	URL string `json:"url"`
	// Bytes on disk, with all that is kept beside the body, Length those of
	// the body.
	Bytes  int64     `json:"bytes"`
	Length int64     `json:"length"`
	Digest string    `json:"digest"`
	Shared bool      `json:"shared"`
	Used   time.Time `json:"used"`
}

// maxObjects bounds one answer; the objects used last come first.
const maxObjects = 100_000

func (a *api) cache(w http.ResponseWriter, _ *http.Request) {
	list := []Object{}
	for o := range a.Objects {
		if len(list) == maxObjects {
			break
		}
		list = append(list, o)
	}
	a.write(w, list)
}

// remove takes a URL out of the cache, its incomplete body and what is
// remembered of its digest included.
func (a *api) remove(w http.ResponseWriter, r *http.Request) {
	url := r.URL.Query().Get("url")
	if url == "" {
		writeError(w, http.StatusBadRequest, "which url?", "post to /api/v1/rm?url=URL, with URL percent-encoded")
		return
	}
	n, err := a.Remove(url)
	if err != nil {
		a.Logger.Error("remove", "err", err)
		writeError(w, http.StatusInternalServerError, "it cannot be removed", "the log of the node says why")
		return
	}
	a.write(w, Removed{n})
}

// Removed is how many responses POST /api/v1/rm has removed.
type Removed struct {
	Objects int `json:"objects"`
}
