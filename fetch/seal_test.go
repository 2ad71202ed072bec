package fetch

import (
	"bytes"
	"context"
	"errors"
	"net/http"
	"testing"

	"github.com/flashcrowd/flashcrowd/verify"
)

// sealed is a Writer that nobody may write to.
type sealed struct{ Writer }

func (sealed) WriteAt([]byte, int64) (int, error) {
	return 0, errors.New("written after it was sealed")
}

// TestNothingIsWrittenAfterLanding has octets of the origin come when peers
// have completed the body: they were on their way while the last piece was
// kept. They must neither be written nor move the end back.
func TestNothingIsWrittenAfterLanding(t *testing.T) {
	const length = 4 * verify.MinPieceSize
	m := &Meta{URL: "https://bank.example/x", Status: http.StatusOK, Length: length, Header: http.Header{}}
	f := New(Config{Origin: nowhere{}})
	defer f.Close()
	fl := f.newFlight("key", &Request{Header: http.Header{}})
	fl.meta, fl.writer, fl.body = m, sealed{}, newBody(m, verify.Proof{})
	c := newCrowd(fl)
	defer c.close()

	fl.landed, fl.body.front, fl.body.end = true, 100, length
	over, err := c.advance(bytes.Repeat([]byte{1}, 100), "origin")
	if !over || err != nil || fl.body.front != 100 || fl.body.end != length {
		t.Errorf("advance = %v, %v; front %d, end %d", over, err, fl.body.front, fl.body.end)
	}
	if n, err := fl.await(context.Background(), length-1); n != length || err != nil {
		t.Errorf("await = %d, %v; want %d octets", n, err, length)
	}
}

// nowhere is an Origin that is never asked.
type nowhere struct{}

func (nowhere) Send(context.Context, *Request, http.Header) (*Answer, error) {
	return nil, &Failure{Refused, errors.New("nowhere")}
}
func (nowhere) Probe(context.Context, *Request) (*Answer, error) { return nil, ErrNoRanges }
func (nowhere) Source(*Request, *Meta) Source                    { return nil }
