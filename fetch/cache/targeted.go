package cache

import (
	"net/http"
	"strconv"

	"github.com/dunglas/httpsfv"

	"github.com/flashcrowd/flashcrowd/fetch"
)

// responseControl is what a response says to a cache on the way by which its
// request came. A mirror stands for the origin and so obeys CDN-Cache-Control
// in place of Cache-Control and Expires (RFC 9213 section 2.2); a cache at the
// client's side does not.
func responseControl(h http.Header, face fetch.Face) control {
	if face == fetch.Mirror {
		if c, ok := cdnControl(h); ok {
			return c
		}
	}
	return controlOf(h)
}

// cdnControl reads CDN-Cache-Control. A field that is empty or no structured
// dictionary is as good as none (RFC 9213 section 2.1).
func cdnControl(h http.Header) (control, bool) {
	lines := h.Values("Cdn-Cache-Control")
	if len(lines) == 0 {
		return control{}, false
	}
	d, err := httpsfv.UnmarshalDictionary(lines)
	if err != nil || len(d.Names()) == 0 {
		return control{}, false
	}
	c := control{present: true, targeted: true}
	for _, name := range d.Names() {
		member, _ := d.Get(name)
		item, ok := member.(httpsfv.Item)
		if !ok {
			continue
		}
		switch v := item.Value.(type) {
		case bool:
			if v {
				c.add(name, argument{})
			}
		case int64:
			c.add(name, argument{text: strconv.FormatInt(v, 10), given: true})
		case string:
			c.add(name, argument{text: v, given: true})
		}
	}
	return c, true
}
