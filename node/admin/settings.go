package admin

import (
	"errors"
	"net/http"
)

// Setting is something that can be set while the node runs.
type Setting struct {
	// Form is how a value is written, for who wrote it otherwise.
	Form string
	// Set takes a value as its flag does. Until the node ends it holds in place
	// of the flag's. A *Refusal says what else is wrong with a value; any other
	// error is that it is not of the form.
	Set func(value string) error
}

// Refusal is why a setting cannot be had, in words for the user.
type Refusal struct{ Text, Hint string }

// Error implements error.
func (r *Refusal) Error() string { return r.Text }

// set changes settings, one after the other, until one is wrong.
func (a *api) set(w http.ResponseWriter, r *http.Request) {
	query := r.URL.Query()
	if len(query) == 0 {
		writeError(w, http.StatusBadRequest, "set what?", "post to /api/v1/settings?cache-size=5GiB")
		return
	}
	for name := range query {
		if _, ok := a.Settings[name]; !ok {
			writeError(w, http.StatusBadRequest, "there is no such setting that can be changed now", "restart the node with the flag of that name")
			return
		}
	}
	for name, values := range query {
		setting := a.Settings[name]
		err := setting.Set(values[len(values)-1])
		var refusal *Refusal
		switch {
		case errors.As(err, &refusal):
			writeError(w, http.StatusConflict, refusal.Text, refusal.Hint)
			return
		case err != nil:
			writeError(w, http.StatusBadRequest, "that is no value for "+name, setting.Form)
			return
		}
		a.Logger.Info("setting", "name", name, "value", values[len(values)-1])
	}
	a.write(w, struct{}{})
}
