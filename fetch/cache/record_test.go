package cache

import (
	"bytes"
	"encoding/base64"
	"errors"
	"net/http"
	"reflect"
	"testing"
	"time"

	"github.com/flashcrowd/flashcrowd/fetch"
	"github.com/flashcrowd/flashcrowd/fetch/fetchtest"
	"github.com/flashcrowd/flashcrowd/verify"
)

// fullRecord has something in each field.
func fullRecord() *record {
	body := fetchtest.Body(1, 1000)
	seal := fetchtest.Seal(body)
	m := response("Cache-Control", "max-age=60", "X-Latin", "caf\xe9\x00", "X-Two", "b", "X-Two", "a", "X-Empty", "",
		"Repr-Digest", "sha-256=:"+base64.StdEncoding.EncodeToString(seal.Whole.Digest.Sum())+":")
	m.Vary = http.Header{"X-A": {"1", ""}}
	m.Authorized, m.PublicOrigin, m.Shared, m.Moved, m.Anyone = true, true, true, true, true
	m.RequestTime = t0.Add(123 * time.Nanosecond)
	m.Evidence = verify.Read(verify.Exchange{
		URL: m.ParsedURL(), Method: "GET", Status: 200, Header: m.Header, Length: 1000, At: t0,
	})
	return &record{
		meta: m, digest: seal.Whole.Digest, side: 77, invalid: true,
		sources: []fetch.SourceBytes{{Kind: "peer", Peer: "x", Bytes: 5}, {Kind: "origin", Bytes: 995}},
	}
}

func TestRecord(t *testing.T) {
	none := fullRecord()
	none.meta.Vary, none.meta.Evidence, none.meta.Header, none.sources = nil, nil, nil, nil
	none.meta.Authorized, none.meta.PublicOrigin, none.meta.Shared, none.meta.Moved, none.invalid = false, false, false, false, false
	none.meta.Anyone = false
	none.meta.Length, none.side, none.meta.RequestTime = -1, 0, time.Time{}
	waiting := *none
	waiting.meta = &fetch.Meta{URL: "http://example.com/", ID: none.meta.ID, Method: "GET", RequestTime: t0, ResponseTime: t0, Length: 1000}
	waiting.also = []verify.Digest{digestBy(t, verify.BLAKE2b256, fetchtest.Body(1, 1000))}
	variant := fullRecord()
	variant.meta.Header = http.Header{"Vary": {"Accept-Encoding, X-A"}, "Content-Encoding": {"gzip"}, "Etag": {`"a"`}}
	variant.meta.Vary = http.Header{"Accept-Encoding": {"gzip"}, "X-A": {"1"}}
	for _, want := range []*record{fullRecord(), none, &waiting, variant} {
		b, err := want.encode()
		if err != nil {
			t.Fatal(err)
		}
		got, err := decodeRecord(b)
		if err != nil {
			t.Fatal(err)
		}
		if !reflect.DeepEqual(got, want) {
			t.Errorf("got  %+v %+v\nwant %+v %+v", got, got.meta, want, want.meta)
		}
		lean, err := decodeSome(b, true)
		if err != nil || !reflect.DeepEqual(newEntry(name{}, lean, len(b), 0), newEntry(name{}, want, len(b), 0)) {
			t.Errorf("a lean record makes another entry: %v", err)
		}
		for i := range b { // any octet changed, any tail missing
			c := bytes.Clone(b)
			c[i] ^= 0x40
			for _, bad := range [][]byte{c, b[:i]} {
				if _, err := decodeRecord(bad); !errors.Is(err, errGarbage) {
					t.Fatalf("octet %d changed or cut: %v, want garbage", i, err)
				}
			}
		}
	}
	if fullRecord().meta.Evidence == nil {
		t.Error("no evidence in the test")
	}
}

func TestSide(t *testing.T) {
	for _, alg := range []verify.Algorithm{verify.SHA256, verify.SHA512} {
		for _, n := range []int{0, 1, verify.MinPieceSize, verify.MinPieceSize + 1, 9 * verify.MinPieceSize} {
			r := verify.NewRecorder(alg, int64(n))
			r.Write(fetchtest.Body(1, n))
			w := r.Whole()
			for form, sd := range [][]byte{oldSideOf(w), sideOf(w)} {
				got, err := decodeSide(sd, w.Digest)
				if err != nil || !bytes.Equal(got.states, w.States) || got.list == nil || !bytes.Equal(got.list.States(), w.States) {
					t.Errorf("%s, %d octets, version %d: side data differ, %v", alg, n, form+1, err)
				}
			}
		}
	}
}

// oldSideOf returns the side data of w as stores before had them, with a hash of
// each piece.
func oldSideOf(w verify.Whole) []byte {
	e := newEncoder(1)
	e.text(string(w.States))
	e.raw(make([]byte, 32*w.Digest.Layout().Pieces()))
	return e.seal()
}

// FuzzRecord feeds octets to all decoders of the index, as they are and under
// a right checksum: nothing but garbage or a value that encodes again.
func FuzzRecord(f *testing.F) {
	full, _ := fullRecord().encode()
	seal := fetchtest.Seal(fetchtest.Body(1, 3*verify.MinPieceSize)).Whole
	f.Add(full)
	f.Add(sideOf(seal))
	f.Add(oldSideOf(seal))
	f.Add(memo{seal.Digest, t0}.encode())
	f.Add(access{5, true, 2}.encode())
	f.Add([]byte{})
	f.Fuzz(func(t *testing.T, b []byte) {
		sealed := newEncoder(1)
		if len(b) > sealSize {
			sealed.raw(b[sealSize:])
		}
		for _, v := range [][]byte{b, sealed.seal()} {
			if r, err := decodeRecord(v); err == nil {
				again, err := r.encode()
				if err != nil {
					t.Fatal(err)
				}
				same, err := decodeRecord(again)
				if err != nil || !reflect.DeepEqual(same.meta.Header, r.meta.Header) || same.digest != r.digest {
					t.Errorf("decoded once, not twice: %v", err)
				}
				judge(control{}, fetch.Forward, r.meta, r.invalid, t0)
				newEntry(name{}, r, len(v), 0)
				decodeSide(v, r.digest)
			}
			decodeSide(v, seal.Digest)
			decodeMemo(v)
			decodeAccess(v)
		}
	})
}

func TestKeys(t *testing.T) {
	id, n := response().ID, newName()
	if gotID, gotName, ok := parseObjectKey(prefixRecord, recordKey(id, n)); !ok || gotID != id || gotName != n {
		t.Error("record key")
	}
	m := memoIDOf(id, `"a"`, "gzip")
	if got, at, ok := parseAgeKey(m.ageKey(t0)); !ok || got != m || !at.Equal(t0) {
		t.Error("age key")
	}
	if memoIDOf(id, "a", "b") == memoIDOf(id, "ab", "") {
		t.Error("etag and coding run together")
	}
	if got := after([]byte{'a', 0xff}); !bytes.Equal(got, []byte{'b'}) {
		t.Errorf("after = %q", got)
	}
}
