package cache

import (
	"io/fs"
	"os"
	"path/filepath"
	"testing"
)

// checkAccount holds the account of s against the files in dir and the values
// in the index, and the modes of the files.
func checkAccount(t testing.TB, s opened, dir string) {
	t.Helper()
	var size int64
	objects := 0
	err := filepath.WalkDir(filepath.Join(dir, "bodies"), func(path string, e fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		info, err := e.Info()
		if err != nil {
			return err
		}
		if e.IsDir() {
			if info.Mode().Perm() != 0o700 {
				t.Errorf("%s has mode %v", path, info.Mode())
			}
			return nil
		}
		if info.Mode().Perm() != 0o600 {
			t.Errorf("%s has mode %v", path, info.Mode())
		}
		if filepath.Base(filepath.Dir(path)) != "tmp" {
			size += info.Size()
			if filepath.Ext(path) != besideSuffix {
				objects++
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	records := 0
	for _, prefix := range []string{prefixRecord, prefixSide, prefixPart} {
		err := s.scan(prefix, func(key, value []byte) {
			size += int64(len(value))
			if prefix == prefixRecord {
				records++
			}
			if prefix == prefixPart {
				records++
				objects++
				size += heldOf(t, s, key, value)
			}
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	st := s.Stats()
	if st.Bytes != size || st.Objects != objects || records != objects {
		t.Errorf("account: %d objects of %d octets; on disk: %d bodies, %d records, %d octets", st.Objects, st.Bytes, objects, records, size)
	}
	if st.Bytes+st.Reserved > st.Limit {
		t.Errorf("%d octets and %d reserved, over the limit of %d", st.Bytes, st.Reserved, st.Limit)
	}
}

// heldOf returns how many octets a part holds, whose file must be there.
func heldOf(t testing.TB, s opened, key, value []byte) int64 {
	t.Helper()
	_, n, _ := parseObjectKey(prefixPart, key)
	p, err := decodePart(value)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(s.bodies.temp(n)); err != nil {
		t.Error(err)
	}
	return lengthOf(p.held())
}

func files(t *testing.T, dir string) (paths []string) {
	t.Helper()
	err := filepath.WalkDir(filepath.Join(dir, "bodies"), func(path string, e fs.DirEntry, err error) error {
		if err == nil && !e.IsDir() && filepath.Ext(path) != besideSuffix {
			paths = append(paths, path)
		}
		return err
	})
	if err != nil && !os.IsNotExist(err) {
		t.Fatal(err)
	}
	return paths
}
