//go:build unix

package node

import (
	"errors"
	"os"

	"golang.org/x/sys/unix"
)

// hasModes: permission bits say who may read a file.
const hasModes = true

// TryLock locks f for as long as it is open, or fails with ErrLocked. The
// system lets go of it when the process ends, however it ends.
func TryLock(f *os.File) error {
	for {
		err := unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB)
		switch {
		case errors.Is(err, unix.EINTR):
			continue
		case errors.Is(err, unix.EWOULDBLOCK):
			return ErrLocked
		}
		return err
	}
}

// syncDir makes renames in dir outlast a power cut.
func syncDir(dir string) error {
	f, err := os.Open(dir)
	if err != nil {
		return err
	}
	defer f.Close()
	return f.Sync()
}
