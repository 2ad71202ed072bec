package swarm

import (
	"sync"

	"github.com/flashcrowd/flashcrowd/dht"
)

// partialWindow is how many answers with pieces of one body that is not complete
// are given at a time to askers that do not know of credit. Members of a crowd ask
// many of them: whoever cannot be served soon is told so and asks another, rather
// than waiting in line while the pieces that it waits for become the last ones.
const partialWindow = 8

// windows counts, by object, the answers under way. The zero value is ready.
type windows struct {
	mu   sync.Mutex // guards byID
	byID map[dht.ID]int
}

// enter reports whether there is room for another answer, whose end is leave.
func (w *windows) enter(id dht.ID) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.byID[id] >= partialWindow {
		return false
	}
	if w.byID == nil {
		w.byID = make(map[dht.ID]int)
	}
	w.byID[id]++
	return true
}

func (w *windows) leave(id dht.ID) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.byID[id]--; w.byID[id] == 0 {
		delete(w.byID, id)
	}
}
