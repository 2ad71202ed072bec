//go:build linux || darwin

package cache

import "syscall"

// freeSpace returns how many octets this user may still write to the file
// system that holds dir.
func freeSpace(dir string) (int64, error) {
	var st syscall.Statfs_t
	if err := syscall.Statfs(dir, &st); err != nil {
		return 0, err
	}
	return int64(st.Bavail * uint64(st.Bsize)), nil
}
