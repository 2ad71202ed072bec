//go:build unix

package cache

import (
	"io/fs"
	"syscall"
)

// inodeOf returns the number of a file on its disk, 0 where there is none.
func inodeOf(info fs.FileInfo) uint64 {
	if st, ok := info.Sys().(*syscall.Stat_t); ok {
		return uint64(st.Ino)
	}
	return 0
}
