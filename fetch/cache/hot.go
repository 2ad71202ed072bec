package cache

import (
	"bytes"

	"github.com/maypok86/otter/v2"
)

const (
	// hotLimit is how many octets the memory tier may take. It holds the
	// small pages of some minutes of browsing.
	hotLimit = 64 << 20
	// hotBody is the longest body that is kept in memory. From some 100 KiB on
	// the kernel's sendfile costs as little.
	hotBody = 128 << 10
	// hotRecord is what a record is taken to weigh beside its body.
	hotRecord = 2 << 10
)

// hot is the memory tier: records and bodies of small objects that are asked
// for again and again. It never says what the index and the disk did not say:
// a record that was changed has another version, so that what is kept of the
// one before is not found any more.
type hot struct{ tier *otter.Cache[hotKey, *warm] }

// hotKey names one version of one entry's record.
type hotKey struct {
	name    name
	version uint64
}

// warm is what is kept of one entry. It is immutable.
type warm struct {
	record *record
	body   []byte
}

func openHot() (hot, error) {
	tier, err := otter.New(&otter.Options[hotKey, *warm]{
		MaximumWeight: hotLimit,
		Weigher:       func(_ hotKey, w *warm) uint32 { return uint32(len(w.body) + hotRecord) },
	})
	return hot{tier}, err
}

// get returns what is kept of e as it is now, or nil.
func (h hot) get(e *entry) *warm {
	w, _ := h.tier.GetIfPresent(hotKey{e.name, e.edition.Load()})
	return w
}

// put keeps r, as it was read from the index, and the trusted body f of e, if
// it is short.
func (h hot) put(e *entry, r *record, f file) {
	if r.digest.Length() > hotBody {
		return
	}
	octets := make([]byte, r.digest.Length())
	if n, err := f.ReadAt(octets, 0); n < len(octets) {
		_ = err // whoever reads the file will see it, too
		return
	}
	h.tier.Set(hotKey{e.name, r.version}, &warm{r, octets})
}

// drop forgets e.
func (h hot) drop(e *entry) { h.tier.Invalidate(hotKey{e.name, e.edition.Load()}) }

func (h hot) close() { h.tier.StopAllGoroutines() }

// open returns the body.
func (w *warm) open() body { return &warmBody{bytes.NewReader(w.body), w.body} }

// warmBody reads a body from memory.
type warmBody struct {
	*bytes.Reader
	all []byte
}

// Bytes returns the whole body, which nobody may change.
func (b *warmBody) Bytes() []byte { return b.all }

// Close does nothing: memory needs no closing.
func (*warmBody) Close() error { return nil }
