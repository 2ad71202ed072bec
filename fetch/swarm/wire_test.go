package swarm

import (
	"bytes"
	"errors"
	"io"
	"math"
	"os"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/flashcrowd/flashcrowd/fetch"
	"github.com/google/go-cmp/cmp"
	"google.golang.org/protobuf/encoding/protowire"
)

var cmpRequest = cmp.AllowUnexported(request{})

// TestRequestRoundTrip: what is sent is what is read.
func TestRequestRoundTrip(t *testing.T) {
	o := newObject(t, "wire", piece)
	lent := o.request(6, askGet, fetch.Span{Offset: 0, End: 1})
	lent.credit = true
	for _, r := range []request{
		lent,
		o.request(1, askHave),
		o.request(math.MaxInt64, askStates),
		o.request(2, askGet, fetch.Span{Offset: 0, End: 1}),
		o.request(3, askGet, fetch.Span{Offset: 5, End: 7}, fetch.Span{Offset: 7, End: math.MaxInt64}),
		{number: 4, id: o.id, coding: "gzip", kind: askHave},
		o.request(5, 0),
	} {
		f := &frames{r: newReader(bytes.NewReader(appendRequest(nil, r)))}
		msg, err := f.next(maxRequest)
		if err != nil {
			t.Fatal(err)
		}
		got, err := decodeRequest(msg)
		if err != nil || !cmp.Equal(got, r, cmpRequest) {
			t.Errorf("%v\n%s", err, cmp.Diff(r, got, cmpRequest))
		}
	}
}

// TestDataHeader: for all sizes that matter the header is no longer than the
// room for it, and says what is right.
func TestDataHeader(t *testing.T) {
	for _, number := range []uint64{1, 127, 128, math.MaxInt64} {
		for _, n := range []int{0, 1, 110, 127, 128, 16383, 16384, dataSize} {
			for _, last := range []bool{n == 0, true} {
				b := appendDataHeader(nil, number, n, last)
				if len(b) > maxDataHeader {
					t.Errorf("header of %d octets", len(b))
				}
				f := &frames{r: newReader(bytes.NewReader(append(b, make([]byte, n)...)))}
				msg, err := f.next(maxFrame)
				if err != nil {
					t.Fatal(err)
				}
				a, err := decodeAnswer(msg)
				if err != nil || a.kind != ansData || a.number != number || len(a.octets) != n || a.last != last {
					t.Errorf("number %d, %d octets: %v", number, n, err)
				}
			}
		}
	}
}

// TestLargestHave: what a body of the most pieces has fits into one frame.
func TestLargestHave(t *testing.T) {
	h := fetch.Have{Complete: true, Has: fetch.AllPieces(8192)}
	b := appendHave(nil, math.MaxInt64, h)
	if len(b) > maxFrame {
		t.Errorf("%d octets", len(b))
	}
}

// TestFramesInParts: frames do not depend on how their octets arrive.
func TestFramesInParts(t *testing.T) {
	var b []byte
	sizes := []int{1, 127, 128, 16383, 16384, 100_000, maxFrame}
	for _, n := range sizes {
		b = appendFrame(b, make([]byte, n))
	}
	for _, r := range []io.Reader{iotest.OneByteReader(bytes.NewReader(b)), iotest.HalfReader(bytes.NewReader(b)), iotest.DataErrReader(bytes.NewReader(b))} {
		f := &frames{r: newReader(r)}
		for _, n := range sizes {
			if msg, err := f.next(maxFrame); len(msg) != n || err != nil {
				t.Errorf("frame of %d octets: %d, %v", n, len(msg), err)
			}
		}
		if _, err := f.next(maxFrame); err != io.EOF {
			t.Errorf("got %v at the end", err)
		}
	}
}

// TestBadLengths: what is refused by its length alone, before anything else of
// the frame is read.
func TestBadLengths(t *testing.T) {
	for _, b := range [][]byte{
		{0}, {0x81, 0}, {0x80, 0}, {0x81, 0x80, 0}, {0x80, 0x80, 0x80, 1}, {0xff, 0xff, 0xff}, {0xff, 0xff, 0x7f},
		protowire.AppendVarint(nil, maxRequest+1), protowire.AppendVarint(nil, 1<<63), protowire.AppendVarint(nil, math.MaxUint64),
	} {
		f := &frames{r: newReader(bytes.NewReader(append(b, make([]byte, 1<<20)...)))}
		if _, err := f.next(maxRequest); !errors.Is(err, ErrMalformed) || f.size != 0 {
			t.Errorf("length %x: %v after %d octets", b, err, f.size)
		}
	}
	f := &frames{r: newReader(bytes.NewReader(appendFrame(nil, make([]byte, maxRequest))))}
	if _, err := f.next(maxRequest); err != nil {
		t.Errorf("the longest frame: %v", err)
	}
}

// TestAnnouncementTakesNoMemory: a frame that is announced and does not come
// takes no more memory than what came.
func TestAnnouncementTakesNoMemory(t *testing.T) {
	b := appendFrame(nil, make([]byte, maxFrame))[:10_000]
	f := &frames{r: newReader(bytes.NewReader(b))}
	if _, err := f.next(maxFrame); !errors.Is(err, io.ErrUnexpectedEOF) {
		t.Errorf("got %v", err)
	}
	if cap(f.buf) > 2*len(b) {
		t.Errorf("%d octets of memory for %d", cap(f.buf), len(b))
	}
}

// TestProtocolIsDocumented: docs/protocol.md shows the very block of wire.go.
func TestProtocolIsDocumented(t *testing.T) {
	wire, err := os.ReadFile("wire.go")
	if err != nil {
		t.Fatal(err)
	}
	var block strings.Builder
	for line := range strings.Lines(string(wire)) {
		text, isComment := strings.CutPrefix(line, "//")
		if !isComment {
			break
		}
		block.WriteString(strings.TrimPrefix(strings.TrimPrefix(text, " "), "\t"))
	}
	doc, err := os.ReadFile("../../docs/protocol.md")
	if err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(string(doc), "```\n"+block.String()+"```\n") {
		t.Error("docs/protocol.md does not have the block with which wire.go begins:\n" + block.String())
	}
	if !strings.Contains(string(doc), string(Protocol)) {
		t.Error("docs/protocol.md does not name the protocol")
	}
}

func FuzzDecodeRequest(f *testing.F) {
	o := newObject(f, "fuzz", piece)
	lent := o.request(5, askGet, fetch.Span{Offset: 0, End: piece})
	lent.credit = true
	for _, r := range []request{o.request(1, askHave), o.request(2, askStates), o.request(3, askGet, fetch.Span{Offset: 0, End: piece}), o.request(4, 0), lent} {
		b := appendRequest(nil, r)
		fr := &frames{r: newReader(bytes.NewReader(b))}
		msg, _ := fr.next(maxRequest)
		f.Add(msg)
	}
	f.Add([]byte{0x0b, 0x0b, 0x0c})
	f.Fuzz(func(t *testing.T, b []byte) {
		r, err := decodeRequest(b)
		if err != nil {
			if !errors.Is(err, ErrMalformed) {
				t.Errorf("got %v, want ErrMalformed", err)
			}
			return
		}
		end := int64(0)
		for _, s := range r.spans {
			if s.Offset < end || s.Len() <= 0 {
				t.Errorf("spans %v", r.spans)
			}
			end = s.End
		}
		if len(r.spans) > maxSpans || (r.kind == askGet) != (len(r.spans) > 0) || len(r.coding) > maxCoding || r.number == 0 {
			t.Errorf("request %+v", r)
		}
		again, err := (&frames{r: newReader(bytes.NewReader(appendRequest(nil, r)))}).next(maxFrame)
		if err != nil {
			t.Fatal(err)
		}
		if got, err := decodeRequest(again); err != nil || !cmp.Equal(got, r, cmpRequest) {
			t.Errorf("not the same after encoding: %v", err)
		}
	})
}

func FuzzDecodeResponse(f *testing.F) {
	o := newObject(f, "fuzz", 3*piece)
	layout := o.proof.Digest().Layout()
	complete := fetch.Have{Complete: true, Has: fetch.AllPieces(3)}
	for _, b := range [][]byte{
		appendHave(nil, 1, complete),
		appendHave(nil, 1, fetch.Have{Has: fetch.NewPieces(3)}),
		head(2, 3*piece), data(3, []byte("hello"), true), appendAnswer(nil, 4, ansGone, nil), appendAnswer(nil, 5, 13, []byte("x")),
		head(6, -1), appendAnswer(nil, 7, ansHead, encodeHead(piece, 3*piece)),
	} {
		fr := &frames{r: newReader(bytes.NewReader(b))}
		msg, _ := fr.next(maxFrame)
		f.Add(msg)
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		a, err := decodeAnswer(b)
		if err == nil && a.kind == ansHave {
			var h fetch.Have
			if h, err = readHave(layout, a); err == nil {
				if len(h.Has) != 1 || h.Complete && h.Has.Count() != 3 {
					t.Errorf("have %+v", h)
				}
			}
		}
		if err != nil {
			if !errors.Is(err, ErrMalformed) {
				t.Errorf("got %v, want ErrMalformed", err)
			}
			return
		}
		if a.number == 0 || a.total < 0 || a.kind == ansData && len(a.octets) == 0 && !a.last {
			t.Errorf("answer %+v", a)
		}
	})
}

func FuzzReadFrame(f *testing.F) {
	f.Add(appendFrame(appendFrame(nil, []byte("hello")), make([]byte, 5000)))
	f.Add([]byte{0x81, 0x00, 0x55})
	f.Add([]byte{0x80, 0x80, 0x20})
	f.Add([]byte{0xff, 0xff, 0xff, 0xff})
	f.Fuzz(func(t *testing.T, b []byte) {
		fr := &frames{r: newReader(bytes.NewReader(b))}
		var again []byte
		for {
			msg, err := fr.next(maxRequest)
			if err == io.EOF {
				if !bytes.Equal(again, b) {
					t.Errorf("read %x of %x", again, b)
				}
				return
			}
			if err != nil {
				if !errors.Is(err, ErrMalformed) && !errors.Is(err, io.ErrUnexpectedEOF) {
					t.Errorf("got %v", err)
				}
				if cap(fr.buf) > 2*len(b)+2*readAhead {
					t.Errorf("%d octets of memory for %d", cap(fr.buf), len(b))
				}
				return
			}
			again = appendFrame(again, msg)
		}
	})
}

// FuzzDataHeader: the short way of reading a data frame takes nothing for one of
// which the decoder of all answers says anything else, and all that this node
// writes.
func FuzzDataHeader(f *testing.F) {
	for _, n := range []int{1, 100, dataSize} {
		f.Add(data(3, make([]byte, n), n == 100), uint64(3))
		f.Add(data(1<<40, make([]byte, n), n == 100)[:8], uint64(1<<40))
	}
	f.Add(head(2, piece), uint64(2))
	f.Fuzz(func(t *testing.T, b []byte, number uint64) {
		size, octets, last, verdict := dataHeader(b[:min(len(b), maxDataHeader)], number)
		if verdict != headerData || number == 0 || number > math.MaxInt64 { // such numbers are never asked for
			return
		}
		frame := append(bytes.Clone(b[:size]), make([]byte, octets)...)
		fr := &frames{r: newReader(bytes.NewReader(frame))}
		msg, err := fr.next(maxFrame)
		if err != nil || len(frame)-len(msg) > 3 || fr.r.Buffered() > 0 {
			t.Fatalf("frame of %d octets: %v", len(frame), err)
		}
		a, err := decodeAnswer(msg)
		if octets == 0 && !last && errors.Is(err, ErrMalformed) {
			return
		}
		if err != nil || a.kind != ansData || a.number != number || a.last != last || len(a.octets) != octets {
			t.Errorf("header says %d octets, last %v; the frame is %+v: %v", octets, last, a, err)
		}
	})
}

// TestShortWay: the header of each data frame that this node writes is read on
// the short way, however few of its octets have come, and no more than it.
func TestShortWay(t *testing.T) {
	for _, number := range []uint64{1, 127, 128, 1<<63 - 1} {
		for _, n := range []int{1, 127, 128, dataSize} {
			for _, last := range []bool{false, true} {
				frame := data(number, make([]byte, n), last)
				fr := &frames{r: newReader(iotest.OneByteReader(bytes.NewReader(frame)))}
				most := int64(n)
				if !last {
					most++
				}
				octets, ended, ok, err := fr.data(number, most)
				rest, _ := io.ReadAll(fr.r)
				if octets != n || ended != last || !ok || err != nil || len(rest) != n {
					t.Errorf("frame of %d octets, last %v: %d, %v, %v, %v; %d left", n, last, octets, ended, ok, err, len(rest))
				}
			}
		}
	}
}

// TestFramesForTheLongWay: what is no plain data frame, or is more or less than was
// announced, is left as it is to be judged as a whole.
func TestFramesForTheLongWay(t *testing.T) {
	for name, frame := range map[string][]byte{
		"another answer":  data(4, []byte("hello"), true),
		"head":            head(3, 5),
		"gone":            appendAnswer(nil, 3, ansGone, nil),
		"more":            data(3, []byte("hello!"), true),
		"fewer":           data(3, []byte("hell"), true),
		"last not marked": data(3, []byte("hello"), false),
		"no octets":       data(3, nil, true),
	} {
		fr := &frames{r: newReader(bytes.NewReader(frame))}
		if _, _, ok, err := fr.data(3, 5); ok || err != nil {
			t.Errorf("%s: %v, %v", name, ok, err)
		}
		if rest, _ := io.ReadAll(fr.r); !bytes.Equal(rest, frame) {
			t.Errorf("%s: %d of %d octets left", name, len(rest), len(frame))
		}
	}
}
