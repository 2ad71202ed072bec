package admin

import (
	"crypto/subtle"
	"net/http"
)

// change routes what changes the node: POST alone, and with the token of the
// data folder, which no page on the web has.
func (a *api) change(do func()) http.Handler {
	return a.changing(func(w http.ResponseWriter, _ *http.Request) {
		do()
		a.write(w, struct{}{})
	})
}

// changing is change for what answers by itself.
func (a *api) changing(do http.HandlerFunc) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch {
		case r.Method != http.MethodPost:
			w.Header().Set("Allow", http.MethodPost)
			writeError(w, http.StatusMethodNotAllowed, "this changes the node", "use POST")
		case !a.mayChange(r):
			w.Header().Set("WWW-Authenticate", "Bearer")
			writeError(w, http.StatusUnauthorized, "this needs the token of the node", "send Authorization: Bearer and what the file token in the data folder holds")
		default:
			do(w, r)
		}
	})
}

func (a *api) mayChange(r *http.Request) bool {
	want := "Bearer " + a.Token
	return a.Token != "" && subtle.ConstantTimeCompare([]byte(r.Header.Get("Authorization")), []byte(want)) == 1
}
