package node

import (
	"bufio"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"testing"
)

// holdEnv makes TestHold, run as a process of its own, take a data folder.
const holdEnv = "FLASHCROWD_TEST_HOLD"

func open(t *testing.T, dir string) *DataDir {
	t.Helper()
	d, err := OpenDataDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := d.Close(); err != nil {
			t.Error(err)
		}
	})
	return d
}

func mode(t *testing.T, path string) fs.FileMode {
	t.Helper()
	info, err := os.Stat(path)
	if err != nil {
		t.Fatal(err)
	}
	return info.Mode().Perm()
}

func TestDefaultData(t *testing.T) {
	home := t.TempDir()
	t.Setenv("HOME", home)
	t.Setenv("USERPROFILE", home)
	for xdg, want := range map[string]string{
		"":         filepath.Join(home, ".local", "share", "flashcrowd"),
		"relative": filepath.Join(home, ".local", "share", "flashcrowd"),
		home:       filepath.Join(home, "flashcrowd"),
	} {
		t.Setenv("XDG_DATA_HOME", xdg)
		if got, err := DefaultData(); err != nil || got != want {
			t.Errorf("XDG_DATA_HOME=%q: %q, %v; want %q", xdg, got, err, want)
		}
	}
}

func TestOpenMakesPrivateFolder(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "a", "b")
	d := open(t, dir)
	if _, err := d.Token(); err != nil {
		t.Fatal(err)
	}
	if _, err := d.Identity(); err != nil {
		t.Fatal(err)
	}
	if err := d.Publish(Endpoint{URL: "http://127.0.0.1:1", PID: 2}); err != nil {
		t.Fatal(err)
	}
	if !hasModes {
		return
	}
	for name, want := range map[string]fs.FileMode{
		"": 0o700, "index": 0o700, "bodies": 0o700, "identity.key": 0o600, "token": 0o600, "admin.json": 0o600, "lock": 0o600,
	} {
		if got := mode(t, filepath.Join(dir, name)); got != want {
			t.Errorf("%q has mode %o, want %o", name, got, want)
		}
	}
}

func TestOpenUsesDefault(t *testing.T) {
	base := t.TempDir()
	t.Setenv("XDG_DATA_HOME", base)
	if got, want := open(t, "").Path(), filepath.Join(base, "flashcrowd"); got != want {
		t.Errorf("path %q, want %q", got, want)
	}
}

func TestOpenClosesItsOwnFolderToOthers(t *testing.T) {
	if !hasModes {
		t.Skip("no modes on " + runtime.GOOS)
	}
	dir := t.TempDir()
	d := open(t, dir)
	if _, err := d.Identity(); err != nil {
		t.Fatal(err)
	}
	if err := d.Close(); err != nil {
		t.Fatal(err)
	}
	key := filepath.Join(dir, "identity.key")
	if err := errors.Join(os.Chmod(dir, 0o755), os.Chmod(key, 0o644)); err != nil {
		t.Fatal(err)
	}
	open(t, dir)
	if mode(t, dir) != 0o700 || mode(t, key) != 0o600 {
		t.Errorf("modes %o and %o, want 700 and 600", mode(t, dir), mode(t, key))
	}
}

func TestOpenLeavesOtherFoldersAlone(t *testing.T) {
	if !hasModes {
		t.Skip("no modes on " + runtime.GOOS)
	}
	dir := t.TempDir()
	if err := errors.Join(os.WriteFile(filepath.Join(dir, "letter"), nil, 0o644), os.Chmod(dir, 0o755)); err != nil {
		t.Fatal(err)
	}
	if _, err := OpenDataDir(dir); err == nil || !strings.Contains(err.Error(), dir) {
		t.Errorf("error %v, want one that names the folder", err)
	}
	if got := mode(t, dir); got != 0o755 {
		t.Errorf("mode became %o", got)
	}
	if _, err := os.Stat(filepath.Join(dir, "lock")); !errors.Is(err, fs.ErrNotExist) {
		t.Error("a lock was left in a folder that is not ours")
	}
}

func TestSecondOpenNamesTheHolder(t *testing.T) {
	dir := t.TempDir()
	d := open(t, dir)
	_, err := OpenDataDir(dir)
	var used *DataInUseError
	if !errors.As(err, &used) {
		t.Fatalf("second open: %v, want DataInUseError", err)
	}
	if want := fmt.Sprintf("data folder %s is in use by pid %d", dir, os.Getpid()); err.Error() != want {
		t.Errorf("error %q, want %q", err, want)
	}
	if err := d.Close(); err != nil {
		t.Fatal(err)
	}
	open(t, dir)
}

func TestHold(t *testing.T) {
	dir := os.Getenv(holdEnv)
	if dir == "" {
		t.Skip("only as another process of TestKilledHolderIsNoHindrance")
	}
	d := open(t, dir)
	if err := d.Publish(Endpoint{URL: "http://127.0.0.1:1", PID: os.Getpid()}); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, tempPrefix+"half"), []byte("x"), 0o600); err != nil {
		t.Fatal(err)
	}
	fmt.Println("held")
	select {}
}

func TestKilledHolderIsNoHindrance(t *testing.T) {
	dir := t.TempDir()
	holder := exec.Command(os.Args[0], "-test.run=^TestHold$")
	holder.Env = append(os.Environ(), holdEnv+"="+dir)
	out, err := holder.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := holder.Start(); err != nil {
		t.Fatal(err)
	}
	kill := func() {
		holder.Process.Kill()
		holder.Wait()
	}
	defer kill()
	if line, err := bufio.NewReader(out).ReadString('\n'); line != "held\n" {
		t.Fatalf("other process said %q, %v", line, err)
	}

	_, err = OpenDataDir(dir)
	if want := fmt.Sprintf("data folder %s is in use by pid %d", dir, holder.Process.Pid); err == nil || err.Error() != want {
		t.Errorf("error %v, want %q", err, want)
	}
	kill()
	open(t, dir)
	if _, err := FindEndpoint(dir); !errors.Is(err, ErrNoNode) {
		t.Errorf("endpoint of the killed node: %v, want ErrNoNode", err)
	}
	if _, err := os.Stat(filepath.Join(dir, tempPrefix+"half")); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("half-written file: %v, want none", err)
	}
	raw, err := os.ReadFile(filepath.Join(dir, "lock"))
	if want := strconv.Itoa(os.Getpid()) + "\n"; err != nil || string(raw) != want {
		t.Errorf("lock holds %q, %v; want %q", raw, err, want)
	}
}

func TestToken(t *testing.T) {
	dir := t.TempDir()
	d := open(t, dir)
	first, err := d.Token()
	if err != nil {
		t.Fatal(err)
	}
	if raw, err := hex.DecodeString(first); err != nil || len(raw) != 32 {
		t.Errorf("token %q is not 32 octets in hexadecimal", first)
	}
	if again, err := d.Token(); err != nil || again != first {
		t.Errorf("token became %q, %v; want %q", again, err, first)
	}
	if other, _ := open(t, t.TempDir()).Token(); other == first {
		t.Error("two folders have one token")
	}
	path := filepath.Join(dir, "token")
	for _, damage := range []string{"", "abc", first[:62], first + "00"} {
		if err := os.WriteFile(path, []byte(damage), 0o600); err != nil {
			t.Fatal(err)
		}
		_, err := d.Token()
		var damaged *DamagedError
		if !errors.As(err, &damaged) || damaged.File != path {
			t.Errorf("token %q: %v, want DamagedError of %s", damage, err, path)
		}
	}
}

func TestEndpoint(t *testing.T) {
	dir := t.TempDir()
	if _, err := FindEndpoint(dir); !errors.Is(err, ErrNoNode) {
		t.Errorf("before: %v, want ErrNoNode", err)
	}
	if _, err := FindEndpoint(filepath.Join(dir, "none")); !errors.Is(err, ErrNoNode) {
		t.Errorf("no folder: %v, want ErrNoNode", err)
	}
	d := open(t, dir)
	want := Endpoint{URL: "http://127.0.0.1:3129", PID: 7, Proxy: "http://127.0.0.1:3128"}
	if err := d.Publish(want); err != nil {
		t.Fatal(err)
	}
	if got, err := FindEndpoint(dir); err != nil || got != want {
		t.Errorf("got %+v, %v; want %+v", got, err, want)
	}
	if err := d.Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := FindEndpoint(dir); !errors.Is(err, ErrNoNode) {
		t.Errorf("after close: %v, want ErrNoNode", err)
	}
	for _, damage := range []string{"", "{", "{}", "null", strings.Repeat(" ", 1<<20) + "{}"} {
		if err := os.WriteFile(filepath.Join(dir, "admin.json"), []byte(damage), 0o600); err != nil {
			t.Fatal(err)
		}
		var damaged *DamagedError
		if _, err := FindEndpoint(dir); !errors.As(err, &damaged) {
			t.Errorf("%.10q: %v, want DamagedError", damage, err)
		}
	}
}

func TestWriteFileLeavesNothingBehind(t *testing.T) {
	dir := t.TempDir()
	taken := filepath.Join(dir, "taken")
	if err := os.MkdirAll(filepath.Join(taken, "x"), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := writeFile(taken, []byte("data")); err == nil {
		t.Error("a file replaced a folder")
	}
	entries, err := os.ReadDir(dir)
	if err != nil || len(entries) != 1 {
		t.Errorf("folder holds %v, %v; want taken alone", entries, err)
	}
}
