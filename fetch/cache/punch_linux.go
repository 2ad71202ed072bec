package cache

import (
	"os"

	"golang.org/x/sys/unix"
)

// punch gives n octets of f from off back to the disk, where the file system
// can; they read as zero then. Where it cannot nothing is lost but room.
func punch(f file, off, n int64) {
	plain, ok := f.(*os.File)
	if !ok {
		return
	}
	conn, err := plain.SyscallConn()
	if err != nil {
		return
	}
	conn.Control(func(fd uintptr) {
		unix.Fallocate(int(fd), unix.FALLOC_FL_PUNCH_HOLE|unix.FALLOC_FL_KEEP_SIZE, off, n)
	})
}
