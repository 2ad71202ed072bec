package fetchtest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"sync"
	"testing"
	"time"

	"github.com/flashcrowd/flashcrowd/fetch"
	"github.com/flashcrowd/flashcrowd/verify"
)

// sourcePatience is how long anything here may take before it counts as hung.
const sourcePatience = 20 * time.Second

// Sources makes the sources that Source tests. What it starts it ends by
// t.Cleanup. A nil function leaves its tests out, except Serve.
type Sources struct {
	// Serve returns a source of body whose far side is honest.
	Serve func(t *testing.T, body []byte) fetch.Source
	// Cut returns a source of body whose far side breaks off each transfer
	// after octets of it.
	Cut func(t *testing.T, body []byte, octets int) fetch.Source
	// Stall returns a source of body whose far side sends octets of each
	// transfer and then waits until it is given up; then it sends on gone,
	// which has room.
	Stall func(t *testing.T, body []byte, octets int) (s fetch.Source, gone <-chan struct{})
	// AnySpan: spans need not begin and end at borders of pieces.
	AnySpan bool
}

// Source holds the contract of fetch.Source against what far makes.
func Source(t *testing.T, far Sources) {
	body := sourceBody(5*piece+1234, 1)
	t.Run("spans", func(t *testing.T) { exactSpans(t, far.Serve(t, body), body, far.AnySpan) })
	t.Run("at once", func(t *testing.T) { manySpans(t, far.Serve(t, body), body) })
	t.Run("no span", func(t *testing.T) { noSpan(t, far.Serve(t, body), body) })
	t.Run("name", func(t *testing.T) {
		if far.Serve(t, body).String() == "" {
			t.Error("a source without a name")
		}
	})
	t.Run("context over before", func(t *testing.T) { cancelledBefore(t, far.Serve(t, body)) })
	if far.Cut != nil {
		t.Run("cut", func(t *testing.T) { cutShort(t, far, body) })
	}
	if far.Stall != nil {
		t.Run("context over during open", func(t *testing.T) { cancelledOpen(t, far, body) })
		t.Run("context over during read", func(t *testing.T) { cancelledRead(t, far, body) })
		t.Run("closed during read", func(t *testing.T) { closedRead(t, far, body) })
	}
}

const piece = verify.MinPieceSize

// sourceBody returns n octets that look random and are the same for the same seed.
func sourceBody(n int, seed uint64) []byte {
	key := [32]byte{byte(seed), byte(seed >> 8)}
	b := make([]byte, n)
	if _, err := rand.NewChaCha8(key).Read(b); err != nil {
		panic("fetchtest: internal error: " + err.Error())
	}
	return b
}

func exactSpans(t *testing.T, s fetch.Source, body []byte, anySpan bool) {
	n := int64(len(body))
	spans := [][2]int64{{0, n}, {0, piece}, {piece, 2 * piece}, {piece, 4 * piece}, {4 * piece, n}, {5 * piece, n}}
	if anySpan {
		spans = append(spans, [][2]int64{
			{0, 1}, {n - 1, n}, {7, 8}, {piece - 1, piece + 1}, {1, n - 1}, {piece / 2, 3*piece + 17},
		}...)
	}
	for _, ends := range spans {
		span := fetch.Span{Offset: ends[0], End: ends[1]}
		if err := readSpan(t.Context(), s, body, span); err != nil {
			t.Error(err)
		}
	}
}

// readSpan reads span of s and compares it.
func readSpan(ctx context.Context, s fetch.Source, body []byte, span fetch.Span) error {
	ctx, cancel := context.WithTimeout(ctx, sourcePatience)
	defer cancel()
	r, err := s.Open(ctx, span)
	if err != nil {
		return fmt.Errorf("open %v: %w", span, err)
	}
	defer r.Close()
	got, err := io.ReadAll(r)
	if err != nil {
		return fmt.Errorf("read %v: %w after %d octets", span, err, len(got))
	}
	if !bytes.Equal(got, body[span.Offset:span.End]) {
		return fmt.Errorf("read %v: %d octets, other than those of the body", span, len(got))
	}
	if n, err := r.Read(make([]byte, 1)); n != 0 || err != io.EOF {
		return fmt.Errorf("read %v: after the end %d, %v", span, n, err)
	}
	return nil
}

func manySpans(t *testing.T, s fetch.Source, body []byte) {
	var wg sync.WaitGroup
	for i := range 4 {
		wg.Go(func() {
			if err := readSpan(t.Context(), s, body, fetch.Span{Offset: int64(i) * piece, End: int64(i+1) * piece}); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
}

// noSpan: what is no span of the body is refused, or empty where it is empty.
func noSpan(t *testing.T, s fetch.Source, body []byte) {
	n := int64(len(body))
	empty := fetch.Span{Offset: piece, End: piece}
	for _, ends := range [][2]int64{{piece, piece}, {n, n + piece}, {4 * piece, n + piece}, {2 * piece, piece}, {-piece, piece}} {
		span := fetch.Span{Offset: ends[0], End: ends[1]}
		r, err := s.Open(t.Context(), span)
		if err != nil {
			continue
		}
		got, err := io.ReadAll(r)
		r.Close()
		if span != empty && err == nil || len(got) > 0 {
			t.Errorf("span %v of %d octets: %d octets, error %v", span, n, len(got), err)
		}
	}
}

func cancelledBefore(t *testing.T, s fetch.Source) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	r, err := s.Open(ctx, fetch.Span{Offset: 0, End: piece})
	if err == nil {
		_, err = io.ReadAll(r)
		r.Close()
	}
	if !errors.Is(err, context.Canceled) {
		t.Errorf("got %v, want the context's error", err)
	}
}

func cutShort(t *testing.T, far Sources, body []byte) {
	for _, octets := range []int{0, 1, piece, 2*piece - 1} {
		s := far.Cut(t, body, octets)
		ctx, cancel := context.WithTimeout(t.Context(), sourcePatience)
		defer cancel()
		r, err := s.Open(ctx, fetch.Span{Offset: piece, End: 3 * piece})
		if err != nil {
			continue // broken off so early that it never opened
		}
		got, err := io.ReadAll(r)
		r.Close()
		if !errors.Is(err, io.ErrUnexpectedEOF) {
			t.Errorf("cut after %d: got %v, want io.ErrUnexpectedEOF", octets, err)
		}
		if !bytes.HasPrefix(body[piece:3*piece], got) {
			t.Errorf("cut after %d: %d octets, other than those of the body", octets, len(got))
		}
	}
}

// cancelledOpen: the far side accepts and then says nothing.
func cancelledOpen(t *testing.T, far Sources, body []byte) {
	s, gone := far.Stall(t, body, 0)
	ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
	defer cancel()
	err := finishes(t, "open or read", func() error {
		r, err := s.Open(ctx, fetch.Span{Offset: 0, End: 2 * piece})
		if err != nil {
			return err
		}
		defer r.Close()
		_, err = io.ReadAll(r)
		return err
	})
	if !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("got %v, want the context's error", err)
	}
	seesEnd(t, gone)
}

func cancelledRead(t *testing.T, far Sources, body []byte) {
	s, gone := far.Stall(t, body, piece)
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	r := openStalled(t, ctx, s, body)
	defer r.Close()
	blocked := make(chan error, 1)
	go func() {
		_, err := r.Read(make([]byte, 1))
		blocked <- err
	}()
	cancel()
	if err := finishes(t, "read", func() error { return <-blocked }); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v, want the context's error", err)
	}
	seesEnd(t, gone)
}

func closedRead(t *testing.T, far Sources, body []byte) {
	s, gone := far.Stall(t, body, piece)
	r := openStalled(t, t.Context(), s, body)
	blocked := make(chan error, 1)
	go func() {
		_, err := r.Read(make([]byte, 1))
		blocked <- err
	}()
	if err := finishes(t, "close", r.Close); err != nil {
		t.Logf("close: %v", err)
	}
	if err := finishes(t, "read", func() error { return <-blocked }); err == nil || err == io.EOF {
		t.Errorf("a read under which the source was closed returned %v", err)
	}
	seesEnd(t, gone)
}

// openStalled opens two pieces of s and reads the first of them.
func openStalled(t *testing.T, ctx context.Context, s fetch.Source, body []byte) io.ReadCloser {
	t.Helper()
	var r io.ReadCloser
	err := finishes(t, "open", func() (err error) {
		r, err = s.Open(ctx, fetch.Span{Offset: piece, End: 3 * piece})
		return err
	})
	if err != nil {
		t.Fatalf("open: %v", err)
	}
	first := make([]byte, piece)
	err = finishes(t, "first piece", func() error {
		_, err := io.ReadFull(r, first)
		return err
	})
	if err != nil || !bytes.Equal(first, body[piece:2*piece]) {
		t.Fatalf("first piece: %v", err)
	}
	return r
}

func seesEnd(t *testing.T, gone <-chan struct{}) {
	t.Helper()
	select {
	case <-gone:
	case <-time.After(sourcePatience):
		t.Error("the far side does not see that the transfer was given up")
	}
}

// finishes fails the test if f takes longer than sourcePatience.
func finishes(t *testing.T, what string, f func() error) error {
	t.Helper()
	done := make(chan error, 1)
	go func() { done <- f() }()
	select {
	case err := <-done:
		return err
	case <-time.After(sourcePatience):
		t.Fatalf("%s hangs", what)
		return nil
	}
}
