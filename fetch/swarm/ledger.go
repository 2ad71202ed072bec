package swarm

import (
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"github.com/cockroachdb/pebble/v2"
)

// ledgerKey is where a ledger lies in the database.
var ledgerKey = []byte("swarm/uploaded")

// inAdvance is how much is written down before it is spent: a process that
// dies has at most so much less to give this month, and never more.
const inAdvance = 4 << 20

// ledger counts the octets that were given in this month, over restarts.
type ledger struct {
	db *pebble.DB // nil keeps them in memory

	mu      sync.Mutex // guards following
	month   string     // "2006-01"
	spent   int64
	written int64 // what the database says: at least spent
}

type ledgerEntry struct {
	Month string `json:"month"`
	Spent int64  `json:"spent"`
}

// openLedger reads what was given so far. A record that does not read is passed
// over: a broken disk may cost a month's count, and must not cost the start.
func openLedger(db *pebble.DB, log *slog.Logger) (*ledger, error) {
	l := &ledger{db: db}
	if db == nil {
		return l, nil
	}
	raw, closer, err := db.Get(ledgerKey)
	if errors.Is(err, pebble.ErrNotFound) {
		return l, nil
	}
	if err != nil {
		return nil, fmt.Errorf("read ledger: %w", err)
	}
	defer closer.Close()
	var e ledgerEntry
	if err := json.Unmarshal(raw, &e); err != nil || e.Spent < 0 {
		log.Warn("count of uploads unreadable", "err", err)
		return l, nil
	}
	l.month, l.spent, l.written = e.Month, e.Spent, e.Spent
	return l, nil
}

// used returns what was given in the month of now.
func (l *ledger) used(now time.Time) int64 {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.turnLocked(now)
	return l.spent
}

// spend counts up to n octets, as many as quota leaves, and returns how many.
// After an error of the database nothing is counted.
func (l *ledger) spend(now time.Time, n, quota int64) (int64, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.turnLocked(now)
	if n = min(n, quota-l.spent); n <= 0 {
		return 0, nil
	}
	if l.spent+n > l.written {
		if err := l.writeLocked(min(l.spent+max(n, inAdvance), quota)); err != nil {
			return 0, err
		}
	}
	l.spent += n
	return n, nil
}

// turnLocked begins a new month. A clock that goes back does not: its month
// would be one that was paid for.
func (l *ledger) turnLocked(now time.Time) {
	if month := now.Format("2006-01"); month > l.month {
		l.month, l.spent, l.written = month, 0, 0
	}
}

func (l *ledger) writeLocked(spent int64) error {
	l.written = spent
	if l.db == nil {
		return nil
	}
	raw, err := json.Marshal(ledgerEntry{l.month, spent})
	if err == nil {
		err = l.db.Set(ledgerKey, raw, pebble.Sync)
	}
	if err != nil {
		l.written = l.spent
		return fmt.Errorf("write ledger: %w", err)
	}
	return nil
}

// close writes down what was really spent.
func (l *ledger) close() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.spent == l.written {
		return nil
	}
	return l.writeLocked(l.spent)
}
