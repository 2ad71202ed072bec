package verify

import (
	"crypto/md5" //nolint:gosec // its sizes
	"encoding/binary"
	"hash"
)

// safeMD5 is MD5 that knows the marks of the known collision attacks
// (md5marks.go). crypto/md5 does not show the states in which they are.
type safeMD5 struct {
	chain  [4]uint32
	block  [md5.BlockSize]byte // begun
	begun  int
	length uint64
	marked bool
}

func newSafeMD5() *safeMD5 {
	m := &safeMD5{}
	m.Reset()
	return m
}

// Reset forgets the octets and the marks.
func (m *safeMD5) Reset() {
	*m = safeMD5{chain: [4]uint32{0x67452301, 0xefcdab89, 0x98badcfe, 0x10325476}}
}

func (m *safeMD5) Size() int      { return md5.Size }
func (m *safeMD5) BlockSize() int { return md5.BlockSize }

// Write never fails.
func (m *safeMD5) Write(p []byte) (int, error) {
	n := len(p)
	m.length += uint64(n)
	if m.begun > 0 {
		some := copy(m.block[m.begun:], p)
		m.begun += some
		p = p[some:]
		if m.begun < len(m.block) {
			return n, nil
		}
		m.blocks(m.block[:])
		m.begun = 0
	}
	whole := len(p) &^ (md5.BlockSize - 1)
	m.blocks(p[:whole])
	m.begun = copy(m.block[:], p[whole:])
	return n, nil
}

// blocks hashes whole blocks.
func (m *safeMD5) blocks(p []byte) {
	var q md5States
	var w [16]uint32
	for ; len(p) >= md5.BlockSize; p = p[md5.BlockSize:] {
		for i := range w {
			w[i] = binary.LittleEndian.Uint32(p[4*i:])
		}
		next := md5Compress(&q, m.chain, &w)
		m.marked = m.marked || md5Marked(&q, &w, next)
		m.chain = next
	}
}

// Sum leaves m as it was.
func (m *safeMD5) Sum(b []byte) []byte {
	chain := m.end().chain
	for _, v := range chain {
		b = binary.LittleEndian.AppendUint32(b, v)
	}
	return b
}

// collides reports whether a collision attack made what was written, with what
// MD5 itself puts behind it.
func (m *safeMD5) collides() bool { return isAttack(m.end().marked) }

// end returns m behind the padding (RFC 1321 section 3.1).
func (m *safeMD5) end() *safeMD5 {
	last := *m
	pad := [2 * md5.BlockSize]byte{0x80}
	n := (2*md5.BlockSize - 8 - 1 - m.begun) & (md5.BlockSize - 1)
	binary.LittleEndian.PutUint64(pad[1+n:], m.length<<3)
	_, _ = last.Write(pad[:1+n+8])
	return &last
}

// Clone implements hash.Cloner.
func (m *safeMD5) Clone() (hash.Cloner, error) {
	next := *m
	return &next, nil
}
