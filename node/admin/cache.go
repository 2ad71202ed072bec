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
	Bytes  int64  `json:"bytes"`
	Length int64  `json:"length"`
	Digest string `json:"digest"`
	Shared bool   `json:"shared"`
	Pinned bool   `json:"pinned"`
	// Waiting: the body came in an archive, and answers no request before its
	// origin has stated its digest.
	Waiting bool      `json:"waiting"`
	Used    time.Time `json:"used"`
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

// remove takes a URL out of the cache, its incomplete body, its pin and what is
// remembered of its digest included.
func (a *api) remove(w http.ResponseWriter, r *http.Request) {
	a.onURL(w, r, func(url string) (any, error) {
		n, err := a.Remove(url)
		return Removed{n}, err
	})
}

func (a *api) pin(w http.ResponseWriter, r *http.Request) {
	a.onURL(w, r, func(url string) (any, error) {
		n, err := a.Pin(url)
		return Pinned{n}, err
	})
}

func (a *api) unpin(w http.ResponseWriter, r *http.Request) {
	a.onURL(w, r, func(url string) (any, error) {
		was, err := a.Unpin(url)
		return Unpinned{was}, err
	})
}

// onURL does something with the URL of a request, and answers with what comes
// of it.
func (a *api) onURL(w http.ResponseWriter, r *http.Request, do func(url string) (any, error)) {
	url := r.URL.Query().Get("url")
	if url == "" {
		writeError(w, http.StatusBadRequest, "which url?", "post to "+r.URL.Path+"?url=URL, with URL percent-encoded")
		return
	}
	answer, err := do(url)
	if err != nil {
		a.Logger.Error("cache", "path", r.URL.Path, "err", err)
		writeError(w, http.StatusInternalServerError, "the cache cannot do it", "the log of the node says why")
		return
	}
	a.write(w, answer)
}

// verify reads all that is stored, which takes as long as it does.
func (a *api) verify(w http.ResponseWriter, r *http.Request) {
	if err := http.NewResponseController(w).SetWriteDeadline(time.Time{}); err != nil {
		a.Logger.Error("verify", "err", err)
	}
	found, err := a.Verify(r.Context())
	if err != nil {
		a.Logger.Error("verify", "err", err)
		writeError(w, http.StatusInternalServerError, "not all of the cache was read", "the log of the node says why")
		return
	}
	if found.Damaged == nil {
		found.Damaged = []string{}
	}
	a.write(w, found)
}

// Pinned is how many responses are stored for the URL of POST /api/v1/pin; when
// there are none it was not pinned.
type Pinned struct {
	Objects int `json:"objects"`
}

// Unpinned is whether the URL of POST /api/v1/unpin was pinned.
type Unpinned struct {
	Pinned bool `json:"was_pinned"`
}

// Verified is what POST /api/v1/verify has found: objects that are right with
// the octets of their bodies, and the URLs of those that were not and are gone.
type Verified struct {
	Objects int      `json:"objects"`
	Bytes   int64    `json:"bytes"`
	Damaged []string `json:"damaged"`
}

// Removed is how many responses POST /api/v1/rm has removed.
type Removed struct {
	Objects int `json:"objects"`
}
