package swarm

import (
	"math"
	"time"

	"github.com/flashcrowd/flashcrowd/dht"
	"github.com/flashcrowd/flashcrowd/fetch"
	"github.com/flashcrowd/flashcrowd/verify"
	"google.golang.org/protobuf/encoding/protowire"
)

// longestAddr bounds one address, longestID one peer ID, in octets.
const (
	longestAddr = 256
	longestID   = 64
)

// encodeNews returns the body of the answer that tells n, and credit unless that is
// 0. last: no more follow.
func encodeNews(n fetch.News, credit int64, last bool) []byte {
	var b, m []byte
	for _, c := range n.Claims {
		m = appendUint(m[:0], 1, uint64(c.Piece))
		m = appendBytes(m, 2, c.Hash[:])
		if c.Own {
			m = appendUint(m, 3, 1)
		}
		b = appendBytes(b, 1, m)
	}
	for _, i := range n.Lost {
		b = appendUint(b, 2, uint64(i))
	}
	if n.Intends {
		b = appendUint(b, 3, 1)
	}
	for _, in := range n.Intents {
		m = appendUint(m[:0], 1, uint64(in.First))
		m = appendUint(m, 2, uint64(in.End-in.First))
		m = appendUint(m, 3, milliUint(in.Lease))
		b = appendBytes(b, 4, m)
	}
	for _, x := range n.Members {
		m = appendBytes(m[:0], 1, []byte(x.ID))
		for _, a := range x.Addrs[:min(len(x.Addrs), maxAddrs)] {
			m = appendBytes(m, 2, []byte(a))
		}
		b = appendBytes(b, 5, m)
	}
	if n.Backoff > 0 {
		b = appendUint(b, 6, milliUint(n.Backoff))
	}
	if n.Complete {
		b = appendUint(b, 7, 1)
	}
	if last {
		b = appendUint(b, 8, 1)
	}
	if credit > 0 {
		b = appendUint(b, 9, uint64(credit))
	}
	return b
}

func milliUint(d time.Duration) uint64 { return uint64(max(d.Milliseconds(), 0)) }

// takeNews reads the body of an answer that tells news. What it says of pieces
// is within what a body may have, and no more than that; everything that a
// member could keep this node from is cut to its limit.
func (a *answer) takeNews(b []byte) error {
	n := &fetch.News{}
	a.news = n
	m := message{rest: b}
	for len(m.rest) > 0 {
		f, err := m.next()
		if err != nil {
			return err
		}
		if err := a.takeNewsField(n, &m, f); err != nil {
			return err
		}
	}
	if len(n.Intents) > 0 && !n.Intends {
		return malformed("intents that replace none")
	}
	return nil
}

func (a *answer) takeNewsField(n *fetch.News, m *message, f field) (err error) {
	var v int64
	switch f.num {
	case 1:
		err = takeClaim(n, f)
	case 2:
		if f.typ != protowire.VarintType || f.varint >= verify.MaxPieces || len(n.Lost) == verify.MaxPieces {
			return malformed("lost piece")
		}
		n.Lost = append(n.Lost, int(f.varint))
	case 3:
		n.Intends, err = m.bool(f)
	case 4:
		err = takeIntent(n, f)
	case 5:
		err = takeMember(n, f)
	case 6:
		v, err = m.uint(f)
		n.Backoff = atMostMillis(v, fetch.MaxBackoffHint)
	case 7:
		n.Complete, err = m.bool(f)
	case 8:
		a.last, err = m.bool(f)
	case 9:
		a.credit, err = m.uint(f)
	}
	return err
}

// submessage walks through f, which must be a message, and gives each field to
// take.
func submessage(f field, take func(m *message, f field) error) error {
	if f.typ != protowire.BytesType {
		return malformed("field %d is no message", f.num)
	}
	m := message{rest: f.value}
	for len(m.rest) > 0 {
		inner, err := m.next()
		if err != nil {
			return err
		}
		if err := take(&m, inner); err != nil {
			return err
		}
	}
	return nil
}

func takeClaim(n *fetch.News, f field) error {
	if len(n.Claims) == verify.MaxPieces {
		return malformed("more claims than pieces")
	}
	piece, hash := int64(0), []byte(nil)
	var c fetch.Claim
	err := submessage(f, func(m *message, f field) (err error) {
		switch f.num {
		case 1:
			piece, err = m.uint(f)
		case 2:
			hash, err = m.octets(f, len(c.Hash), exactly)
		case 3:
			c.Own, err = m.bool(f)
		}
		return err
	})
	if err != nil {
		return err
	}
	if piece >= verify.MaxPieces || hash == nil {
		return malformed("claim of piece %d", piece)
	}
	c.Piece = int(piece)
	copy(c.Hash[:], hash)
	n.Claims = append(n.Claims, c)
	return nil
}

func takeIntent(n *fetch.News, f field) error {
	var first, pieces, lease int64
	err := submessage(f, func(m *message, f field) (err error) {
		switch f.num {
		case 1:
			first, err = m.uint(f)
		case 2:
			pieces, err = m.uint(f)
		case 3:
			lease, err = m.uint(f)
		}
		return err
	})
	switch {
	case err != nil:
		return err
	case len(n.Intents) == fetch.MaxNewsIntents, first >= verify.MaxPieces, pieces < 1, pieces > verify.MaxPieces-first:
		return malformed("intent of %d pieces from %d", pieces, first)
	}
	run := fetch.Run{First: int(first), End: int(first + pieces)}
	n.Intents = append(n.Intents, fetch.Announced{Run: run, Lease: atMostMillis(lease, fetch.MaxLease)})
	return nil
}

func takeMember(n *fetch.News, f field) error {
	if len(n.Members) == fetch.MaxNewsMembers {
		return malformed("more than %d members", fetch.MaxNewsMembers)
	}
	var x dht.Member
	err := submessage(f, func(m *message, f field) error {
		switch f.num {
		case 1:
			id, err := m.octets(f, longestID, atMost)
			x.ID = string(id)
			return err
		case 2:
			if f.typ != protowire.BytesType || len(f.value) > longestAddr || len(x.Addrs) == maxAddrs {
				return malformed("address of a member")
			}
			x.Addrs = append(x.Addrs, string(f.value))
		}
		return nil
	})
	if err == nil && x.ID == "" {
		err = malformed("member without an id")
	}
	n.Members = append(n.Members, x)
	return err
}

func atMostMillis(v int64, limit time.Duration) time.Duration {
	if v > math.MaxInt64/int64(time.Millisecond) {
		return limit
	}
	return min(time.Duration(v)*time.Millisecond, limit)
}
