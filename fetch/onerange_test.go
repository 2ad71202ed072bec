package fetch

import (
	"fmt"
	"testing"
)

// FuzzOneRange holds that a range is within the body, and is what a client
// wrote.
func FuzzOneRange(f *testing.F) {
	for _, s := range []string{"bytes=0-0", "bytes=5-", "bytes=-3", "bytes=-0", "bytes=0-99", "bytes=9-5", "bytes=", "Bytes=1-2", "bytes=0-1,3-4", "bytes=-99999999999999999999", "bytes= 1-2"} {
		f.Add(s, int64(10))
		f.Add(s, int64(0))
	}
	f.Fuzz(func(t *testing.T, line string, length int64) {
		length &= 1<<40 - 1
		s, ok := oneRange(line, length)
		if !ok {
			return
		}
		if s.Offset < 0 || s.Len() <= 0 || s.End > length {
			t.Fatalf("%q of %d: %v", line, length, s)
		}
		if again, ok := oneRange(fmt.Sprintf("bytes=%d-%d", s.Offset, s.End-1), length); !ok || again != s {
			t.Errorf("%q of %d: %v, and then %v", line, length, s, again)
		}
	})
}
