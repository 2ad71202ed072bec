package cache

import (
	"archive/tar"
	"encoding/json"
	"fmt"
	"io"
	"time"
)

// archiveWriter puts an archive together.
type archiveWriter struct {
	tar *tar.Writer
	n   int
}

func (t *archiveWriter) object(m *manifest, body io.Reader) error {
	raw, err := json.Marshal(m)
	if err != nil {
		return err
	}
	t.n++
	if err := t.member(memberName(t.n, "manifest"), raw); err != nil {
		return err
	}
	if err := t.header(memberName(t.n, "body"), m.Length); err != nil {
		return err
	}
	_, err = io.CopyN(t.tar, body, m.Length)
	return err
}

// end closes the archive.
func (t *archiveWriter) end() error {
	if err := t.member(archiveEnd, fmt.Appendf(nil, "%d\n", t.n)); err != nil {
		return err
	}
	return t.tar.Close()
}

func (t *archiveWriter) member(name string, octets []byte) error {
	if err := t.header(name, int64(len(octets))); err != nil {
		return err
	}
	_, err := t.tar.Write(octets)
	return err
}

// header begins a member. It says nothing of the machine that it was made on.
func (t *archiveWriter) header(name string, size int64) error {
	return t.tar.WriteHeader(&tar.Header{
		Typeflag: tar.TypeReg, Name: name, Size: size, Mode: 0o600, ModTime: time.Unix(0, 0), Format: tar.FormatPAX,
	})
}
