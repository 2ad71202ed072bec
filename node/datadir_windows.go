package node

import (
	"errors"
	"os"

	"golang.org/x/sys/windows"
)

// hasModes: the folders of a user's profile are closed to others by their
// access lists; permission bits say nothing.
const hasModes = false

// TryLock locks f for as long as it is open, or fails with ErrLocked. A locked
// octet cannot be read, so it is one far behind the pid.
func TryLock(f *os.File) error {
	const flags = windows.LOCKFILE_EXCLUSIVE_LOCK | windows.LOCKFILE_FAIL_IMMEDIATELY
	err := windows.LockFileEx(windows.Handle(f.Fd()), flags, 0, 1, 0, &windows.Overlapped{OffsetHigh: 1})
	if errors.Is(err, windows.ERROR_LOCK_VIOLATION) || errors.Is(err, windows.ERROR_IO_PENDING) {
		return ErrLocked
	}
	return err
}

// syncDir does nothing: Windows writes renames through.
func syncDir(string) error { return nil }
