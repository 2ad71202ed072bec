package fetch

import (
	"sync"
	"time"

	"github.com/flashcrowd/flashcrowd/verify"
)

// Receipt is the record of how one response was made.
type Receipt struct {
	URL    string        `json:"url"`
	Time   time.Time     `json:"time"`
	Status int           `json:"status"`
	Policy verify.Policy `json:"policy"`
	// Outcome is "hit", "miss", "stale" or "tunnel".
	Outcome string `json:"outcome"`
	// Sources of the body's octets, as far as it was delivered or fetched.
	Sources []SourceBytes `json:"sources"`
	// Evidence by which octets of peers were or could have been proven.
	Evidence *verify.Evidence `json:"evidence"`
	// Believed says in words why that evidence was believed; empty without.
	Believed string `json:"believed,omitempty"`
	// Missing says what kept the swarm out, one reason an element.
	Missing []string `json:"missing"`
	// FirstByte and Total are seconds from the request to the first octet of
	// the body and to its end; zero when it never came.
	FirstByte float64 `json:"first_byte_s"`
	Total     float64 `json:"total_s"`

	// aside: not of a whole body, such as of HEAD and of ranges.
	aside bool
}

// maxReceipts bounds how many URLs have a receipt; the oldest go first.
const maxReceipts = 4096

// receipts keeps the latest receipt of each URL, of a whole body if there was
// one. The zero value is ready.
type receipts struct {
	mu    sync.Mutex // guards following
	byURL map[string]Receipt
	order []string
}

func (r *receipts) put(x Receipt) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.byURL == nil {
		r.byURL = make(map[string]Receipt)
	}
	last, known := r.byURL[x.URL]
	if known && x.aside && !last.aside {
		return
	}
	if !known {
		r.order = append(r.order, x.URL)
	}
	r.byURL[x.URL] = x
	for len(r.order) > maxReceipts {
		delete(r.byURL, r.order[0])
		r.order = r.order[1:]
	}
}

func (r *receipts) get(url string) (Receipt, bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	x, ok := r.byURL[url]
	return x, ok
}
