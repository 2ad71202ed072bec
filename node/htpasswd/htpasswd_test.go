package htpasswd

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"golang.org/x/crypto/bcrypt"
)

// written is what `htpasswd -nbB -C 5 ann secret` of Apache 2.4 prints.
const written = "ann:$2y$05$sXDRxSKw0dvHeeScJfNnbeOUCRgx04vLPCnwq4QqKNV0JTO5Kajl.\n"

func hash(t testing.TB, name, password string) string {
	t.Helper()
	h, err := bcrypt.GenerateFromPassword([]byte(password), bcrypt.MinCost)
	if err != nil {
		t.Fatal(err)
	}
	return name + ":" + string(h) + "\n"
}

func write(t testing.TB, path, text string) {
	t.Helper()
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

func TestVerify(t *testing.T) {
	path := filepath.Join(t.TempDir(), "users")
	write(t, path, "# people\n\n"+hash(t, "ann", "secret")+hash(t, "böb", "pass:word"))
	u, err := Open(path, nil)
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		user, password string
		right          bool
	}{
		{"ann", "secret", true}, {"böb", "pass:word", true}, {"ann", "secret", true}, // by memory
		{"ann", "Secret", false}, {"ann", "", false}, {"", "", false}, {"eve", "secret", false},
		{"böb", "secret", false}, {"# people", "", false},
	} {
		if got := u.Verify(t.Context(), c.user, c.password); got != c.right {
			t.Errorf("%q %q: %t", c.user, c.password, got)
		}
	}
	if len(u.known) != 2 {
		t.Errorf("%d are known", len(u.known))
	}
}

// TestUnknownNamesTakeAsLong: the name that is held against the dummy costs
// as much as the dearest of the file.
func TestUnknownNamesTakeAsLong(t *testing.T) {
	path := filepath.Join(t.TempDir(), "users")
	dear, err := bcrypt.GenerateFromPassword([]byte("x"), 6)
	if err != nil {
		t.Fatal(err)
	}
	write(t, path, hash(t, "ann", "secret")+"bob:"+string(dear)+"\n")
	u, err := Open(path, nil)
	if err != nil {
		t.Fatal(err)
	}
	if cost, err := bcrypt.Cost(u.dummy); err != nil || cost != 6 {
		t.Errorf("cost %d, %v", cost, err)
	}
}

func TestGuessesWaitForEachOther(t *testing.T) {
	path := filepath.Join(t.TempDir(), "users")
	write(t, path, hash(t, "ann", "secret"))
	u, err := Open(path, nil)
	if err != nil {
		t.Fatal(err)
	}
	if !u.Verify(t.Context(), "ann", "secret") {
		t.Fatal("refused")
	}
	u.slot <- struct{}{} // somebody guesses
	ctx, cancel := context.WithCancel(t.Context())
	var wg sync.WaitGroup
	wg.Go(func() {
		if u.Verify(ctx, "ann", "guess") {
			t.Error("believed")
		}
	})
	if !u.Verify(t.Context(), "ann", "secret") {
		t.Error("who is known waits for who guesses")
	}
	cancel()
	wg.Wait()
	<-u.slot
}

// TestFileIsReadAgain: who was taken out is out, and a broken file changes
// nothing.
func TestFileIsReadAgain(t *testing.T) {
	path := filepath.Join(t.TempDir(), "users")
	write(t, path, hash(t, "ann", "secret"))
	synctest.Test(t, func(t *testing.T) {
		u, err := Open(path, nil)
		if err != nil {
			t.Fatal(err)
		}
		step := func(text string, ann, bob bool) {
			t.Helper()
			write(t, path, text)
			<-time.After(lookAgain)
			if got := u.Verify(t.Context(), "ann", "secret"); got != ann {
				t.Errorf("%q: ann %t", text, got)
			}
			if got := u.Verify(t.Context(), "bob", "hidden"); got != bob {
				t.Errorf("%q: bob %t", text, got)
			}
		}
		both := hash(t, "ann", "secret") + hash(t, "bob", "hidden")
		step(both, true, true)
		step("ann:plain\n", true, true)
		step(hash(t, "bob", "hidden"), false, true)
		if err := os.Remove(path); err != nil {
			t.Fatal(err)
		}
		<-time.After(lookAgain)
		if !u.Verify(t.Context(), "bob", "hidden") {
			t.Error("a file that is gone threw bob out")
		}
	})
}

func TestOpenRefuses(t *testing.T) {
	good := hash(t, "ann", "secret")
	for text, why := range map[string]string{
		"":                 "names no user",
		"# nobody\n":       "names no user",
		"ann:secret\n":     "line 1 has no bcrypt hash: make it with `htpasswd -B`",
		good + "bob:{SHA}": "line 2 has no bcrypt hash",
		good + "bob:$apr1$salt$1234567890123456789012\n": "line 2 has no bcrypt hash",
		strings.Replace(good, "ann", "", 1):              "line 1 has no name",
		good + good:                                      "line 2: the name stands twice",
		strings.Replace(good, "$04$", "$31$", 1):         "a cost of 31 takes too long",
		strings.TrimSuffix(good, "\n") + "x\n":           "line 1 has no bcrypt hash",
		"\xff\xfe":                                       "not UTF-8",
		strings.Repeat("#", maxFile+1):                   "is longer than",
	} {
		path := filepath.Join(t.TempDir(), "users")
		write(t, path, text)
		if _, err := Open(path, nil); err == nil || !strings.Contains(err.Error(), why) {
			t.Errorf("%.60q: %v, want %q", text, err, why)
		}
	}
	if _, err := Open(filepath.Join(t.TempDir(), "none"), nil); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("no file: %v", err)
	}
}

func TestApachesOwnLine(t *testing.T) {
	path := filepath.Join(t.TempDir(), "users")
	write(t, path, written)
	u, err := Open(path, nil)
	if err != nil {
		t.Fatal(err)
	}
	if !u.Verify(t.Context(), "ann", "secret") || u.Verify(t.Context(), "ann", "secre") {
		t.Error("a hash of Apache is read in another way")
	}
}

func FuzzParse(f *testing.F) {
	f.Add([]byte(written))
	f.Add([]byte("a:b\n#\n:$2y$"))
	f.Fuzz(func(t *testing.T, raw []byte) {
		hashes, cost, err := parse(raw)
		if err == nil && (len(hashes) == 0 || cost > maxCost) {
			t.Errorf("%d users, cost %d", len(hashes), cost)
		}
	})
}
