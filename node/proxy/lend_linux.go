package proxy

import (
	"io"
	"net"
	"os"

	"golang.org/x/sys/unix"
)

// memoryFile returns a file in memory that holds octets and will not change.
func memoryFile(octets []byte) (*os.File, error) {
	fd, err := unix.MemfdCreate("flashcrowd", unix.MFD_CLOEXEC|unix.MFD_ALLOW_SEALING)
	if err != nil {
		return nil, err
	}
	f := os.NewFile(uintptr(fd), "memory")
	if _, err := f.Write(octets); err != nil {
		f.Close()
		return nil, err
	}
	_, err = unix.FcntlInt(f.Fd(), unix.F_ADD_SEALS, unix.F_SEAL_WRITE|unix.F_SEAL_SHRINK|unix.F_SEAL_GROW|unix.F_SEAL_SEAL)
	if err != nil {
		f.Close()
		return nil, err
	}
	return f, nil
}

// loansAllowed is how many files may be open for loans: one for each 64 that the
// process may have.
func loansAllowed() int64 {
	var limit unix.Rlimit
	if err := unix.Getrlimit(unix.RLIMIT_NOFILE, &limit); err != nil {
		return 0
	}
	return int64(min(limit.Cur/64, maxLent))
}

// sendLent sends head and then n octets of f, from its first on. done reports
// whether conn can be sent to so; if not, nothing was sent.
func sendLent(conn net.Conn, head []byte, f *os.File, n int) (done bool, err error) {
	tcp, ok := conn.(*net.TCPConn)
	if !ok {
		return false, nil
	}
	to, err := tcp.SyscallConn()
	if err != nil {
		return false, nil
	}
	from, err := f.SyscallConn()
	if err != nil {
		return false, nil // closed meanwhile
	}
	began := false
	var failed error
	sent := from.Control(func(src uintptr) {
		began = true
		out := outgoing{head: head, src: int(src), left: n}
		err = to.Write(func(dst uintptr) bool {
			var again bool
			again, failed = out.step(int(dst))
			return !again
		})
	})
	if sent != nil && !began {
		return false, nil
	}
	if err == nil {
		err = failed
	}
	return true, err
}

// outgoing is what is still to be sent.
type outgoing struct {
	head []byte
	src  int
	off  int64
	left int
}

// step sends until all is out, the socket takes no more (again), or it fails.
func (o *outgoing) step(dst int) (again bool, err error) {
	for len(o.head) > 0 {
		n, err := unix.SendmsgN(dst, o.head, nil, nil, unix.MSG_MORE|unix.MSG_NOSIGNAL)
		if err == unix.EINTR {
			continue
		}
		if err != nil {
			return err == unix.EAGAIN, ignoreAgain(err)
		}
		o.head = o.head[n:]
	}
	for o.left > 0 {
		n, err := unix.Sendfile(dst, o.src, &o.off, o.left)
		switch {
		case err == unix.EINTR:
			continue
		case err != nil:
			return err == unix.EAGAIN, ignoreAgain(err)
		case n == 0:
			return false, io.ErrUnexpectedEOF
		}
		o.left -= n
	}
	return false, nil
}

func ignoreAgain(err error) error {
	if err == unix.EAGAIN {
		return nil
	}
	return os.NewSyscallError("sendfile", err)
}
