package proxy

import (
	"os"
	"sync"
	"unsafe"
)

// To copy a longer body into the kernel costs more than all else of answering
// with it. So one that is answered with again and again is lent to the kernel
// once, as a file in memory, from which it is sent as often as it is asked for.

const (
	// lentAfter is how often a body was sent before it is lent.
	lentAfter = 3
	// maxLent is how many bodies a listener lends at once, where it may have
	// so many files open.
	maxLent = 64
)

// loan is a body that the kernel may have. The zero value is none yet.
type loan struct {
	mu   sync.Mutex // guards following
	uses int
	body *byte    // the first octet of that which file holds
	file *os.File // nil while it is not lent
	over bool     // it is not lent any more
}

// lent returns a file with the octets of body, or nil where there is none. The
// body stays as it is. A file that is sent may be closed meanwhile: the kernel
// has it until the end.
func (rs *repeats) lent(r *repeat, body []byte) *os.File {
	file, full := r.loan.of(rs, body)
	if full {
		rs.recall(r)
	}
	return file
}

// of is lent for one; full: there are as many as there may be.
func (l *loan) of(rs *repeats, body []byte) (f *os.File, full bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	first := unsafe.SliceData(body)
	if l.file != nil && l.body == first {
		return l.file, false
	}
	if l.uses++; l.uses < lentAfter || l.over {
		return nil, false
	}
	l.takeBackLocked(rs)
	if rs.loans.Add(1) > rs.maxLoans {
		rs.loans.Add(-1)
		return nil, true
	}
	file, err := memoryFile(body)
	if err != nil {
		rs.loans.Add(-1)
		return nil, false
	}
	l.file, l.body = file, first
	return file, false
}

// end takes the body back for good.
func (l *loan) end(rs *repeats) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.over = true
	l.takeBackLocked(rs)
}

func (l *loan) takeBackLocked(rs *repeats) {
	if l.file != nil {
		l.file.Close()
		rs.loans.Add(-1)
	}
	l.file, l.body, l.uses = nil, nil, 0
}

// recall takes any body back but that of r, so that another can be lent.
func (rs *repeats) recall(r *repeat) {
	rs.mu.RLock()
	defer rs.mu.RUnlock()
	for _, other := range rs.all {
		if other == r || !other.loan.mu.TryLock() {
			continue
		}
		had := other.loan.file != nil
		other.loan.takeBackLocked(rs)
		other.loan.mu.Unlock()
		if had {
			return
		}
	}
}
