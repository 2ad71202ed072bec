package verify

import "math/bits"

// The steps of MD5 (RFC 1321 section 3.4), written out so that the states stay
// in registers, and kept for those who look for the marks of an attack.

// md5States are the states of one block: q[t+3] is Q_t of the literature, from
// Q_-3 to Q_64, of which Q_1 to Q_64 are what the 64 steps make.
type md5States [68]uint32

// md5Compress returns the chaining value behind the block w, and leaves all
// states in q.
func md5Compress(q *md5States, in [4]uint32, w *[16]uint32) [4]uint32 {
	q[0], q[1], q[2], q[3] = in[0], in[3], in[2], in[1]
	a, b, c, d := md5Round1(q, w, in[0], in[1], in[2], in[3])
	a, b, c, d = md5Round2(q, w, a, b, c, d)
	a, b, c, d = md5Round3(q, w, a, b, c, d)
	a, b, c, d = md5Round4(q, w, a, b, c, d)
	return [4]uint32{in[0] + a, in[1] + b, in[2] + c, in[3] + d}
}

// md5Round1 does steps 0 to 15 and keeps their states.
func md5Round1(q *md5States, w *[16]uint32, a, b, c, d uint32) (uint32, uint32, uint32, uint32) {
	a = b + bits.RotateLeft32((d^(b&(c^d)))+(a+w[0]+0xd76aa478), 7)
	d = a + bits.RotateLeft32((c^(a&(b^c)))+(d+w[1]+0xe8c7b756), 12)
	c = d + bits.RotateLeft32((b^(d&(a^b)))+(c+w[2]+0x242070db), 17)
	b = c + bits.RotateLeft32((a^(c&(d^a)))+(b+w[3]+0xc1bdceee), 22)
	q[4], q[5], q[6], q[7] = a, d, c, b
	a = b + bits.RotateLeft32((d^(b&(c^d)))+(a+w[4]+0xf57c0faf), 7)
	d = a + bits.RotateLeft32((c^(a&(b^c)))+(d+w[5]+0x4787c62a), 12)
	c = d + bits.RotateLeft32((b^(d&(a^b)))+(c+w[6]+0xa8304613), 17)
	b = c + bits.RotateLeft32((a^(c&(d^a)))+(b+w[7]+0xfd469501), 22)
	q[8], q[9], q[10], q[11] = a, d, c, b
	a = b + bits.RotateLeft32((d^(b&(c^d)))+(a+w[8]+0x698098d8), 7)
	d = a + bits.RotateLeft32((c^(a&(b^c)))+(d+w[9]+0x8b44f7af), 12)
	c = d + bits.RotateLeft32((b^(d&(a^b)))+(c+w[10]+0xffff5bb1), 17)
	b = c + bits.RotateLeft32((a^(c&(d^a)))+(b+w[11]+0x895cd7be), 22)
	q[12], q[13], q[14], q[15] = a, d, c, b
	a = b + bits.RotateLeft32((d^(b&(c^d)))+(a+w[12]+0x6b901122), 7)
	d = a + bits.RotateLeft32((c^(a&(b^c)))+(d+w[13]+0xfd987193), 12)
	c = d + bits.RotateLeft32((b^(d&(a^b)))+(c+w[14]+0xa679438e), 17)
	b = c + bits.RotateLeft32((a^(c&(d^a)))+(b+w[15]+0x49b40821), 22)
	q[16], q[17], q[18], q[19] = a, d, c, b
	return a, b, c, d
}

// md5Round2 does steps 16 to 31 and keeps their states.
func md5Round2(q *md5States, w *[16]uint32, a, b, c, d uint32) (uint32, uint32, uint32, uint32) {
	a = b + bits.RotateLeft32((b&d)+(c&^d+a+w[1]+0xf61e2562), 5)
	d = a + bits.RotateLeft32((a&c)+(b&^c+d+w[6]+0xc040b340), 9)
	c = d + bits.RotateLeft32((d&b)+(a&^b+c+w[11]+0x265e5a51), 14)
	b = c + bits.RotateLeft32((c&a)+(d&^a+b+w[0]+0xe9b6c7aa), 20)
	q[20], q[21], q[22], q[23] = a, d, c, b
	a = b + bits.RotateLeft32((b&d)+(c&^d+a+w[5]+0xd62f105d), 5)
	d = a + bits.RotateLeft32((a&c)+(b&^c+d+w[10]+0x02441453), 9)
	c = d + bits.RotateLeft32((d&b)+(a&^b+c+w[15]+0xd8a1e681), 14)
	b = c + bits.RotateLeft32((c&a)+(d&^a+b+w[4]+0xe7d3fbc8), 20)
	q[24], q[25], q[26], q[27] = a, d, c, b
	a = b + bits.RotateLeft32((b&d)+(c&^d+a+w[9]+0x21e1cde6), 5)
	d = a + bits.RotateLeft32((a&c)+(b&^c+d+w[14]+0xc33707d6), 9)
	c = d + bits.RotateLeft32((d&b)+(a&^b+c+w[3]+0xf4d50d87), 14)
	b = c + bits.RotateLeft32((c&a)+(d&^a+b+w[8]+0x455a14ed), 20)
	q[28], q[29], q[30], q[31] = a, d, c, b
	a = b + bits.RotateLeft32((b&d)+(c&^d+a+w[13]+0xa9e3e905), 5)
	d = a + bits.RotateLeft32((a&c)+(b&^c+d+w[2]+0xfcefa3f8), 9)
	c = d + bits.RotateLeft32((d&b)+(a&^b+c+w[7]+0x676f02d9), 14)
	b = c + bits.RotateLeft32((c&a)+(d&^a+b+w[12]+0x8d2a4c8a), 20)
	q[32], q[33], q[34], q[35] = a, d, c, b
	return a, b, c, d
}

// md5Round3 does steps 32 to 47 and keeps their states.
func md5Round3(q *md5States, w *[16]uint32, a, b, c, d uint32) (uint32, uint32, uint32, uint32) {
	a = b + bits.RotateLeft32((b^(c^d))+(a+w[5]+0xfffa3942), 4)
	d = a + bits.RotateLeft32((a^(b^c))+(d+w[8]+0x8771f681), 11)
	c = d + bits.RotateLeft32((d^(a^b))+(c+w[11]+0x6d9d6122), 16)
	b = c + bits.RotateLeft32((c^(d^a))+(b+w[14]+0xfde5380c), 23)
	q[36], q[37], q[38], q[39] = a, d, c, b
	a = b + bits.RotateLeft32((b^(c^d))+(a+w[1]+0xa4beea44), 4)
	d = a + bits.RotateLeft32((a^(b^c))+(d+w[4]+0x4bdecfa9), 11)
	c = d + bits.RotateLeft32((d^(a^b))+(c+w[7]+0xf6bb4b60), 16)
	b = c + bits.RotateLeft32((c^(d^a))+(b+w[10]+0xbebfbc70), 23)
	q[40], q[41], q[42], q[43] = a, d, c, b
	a = b + bits.RotateLeft32((b^(c^d))+(a+w[13]+0x289b7ec6), 4)
	d = a + bits.RotateLeft32((a^(b^c))+(d+w[0]+0xeaa127fa), 11)
	c = d + bits.RotateLeft32((d^(a^b))+(c+w[3]+0xd4ef3085), 16)
	b = c + bits.RotateLeft32((c^(d^a))+(b+w[6]+0x04881d05), 23)
	q[44], q[45], q[46], q[47] = a, d, c, b
	a = b + bits.RotateLeft32((b^(c^d))+(a+w[9]+0xd9d4d039), 4)
	d = a + bits.RotateLeft32((a^(b^c))+(d+w[12]+0xe6db99e5), 11)
	c = d + bits.RotateLeft32((d^(a^b))+(c+w[15]+0x1fa27cf8), 16)
	b = c + bits.RotateLeft32((c^(d^a))+(b+w[2]+0xc4ac5665), 23)
	q[48], q[49], q[50], q[51] = a, d, c, b
	return a, b, c, d
}

// md5Round4 does steps 48 to 63 and keeps their states.
func md5Round4(q *md5States, w *[16]uint32, a, b, c, d uint32) (uint32, uint32, uint32, uint32) {
	a = b + bits.RotateLeft32((c^(b|^d))+(a+w[0]+0xf4292244), 6)
	d = a + bits.RotateLeft32((b^(a|^c))+(d+w[7]+0x432aff97), 10)
	c = d + bits.RotateLeft32((a^(d|^b))+(c+w[14]+0xab9423a7), 15)
	b = c + bits.RotateLeft32((d^(c|^a))+(b+w[5]+0xfc93a039), 21)
	q[52], q[53], q[54], q[55] = a, d, c, b
	a = b + bits.RotateLeft32((c^(b|^d))+(a+w[12]+0x655b59c3), 6)
	d = a + bits.RotateLeft32((b^(a|^c))+(d+w[3]+0x8f0ccc92), 10)
	c = d + bits.RotateLeft32((a^(d|^b))+(c+w[10]+0xffeff47d), 15)
	b = c + bits.RotateLeft32((d^(c|^a))+(b+w[1]+0x85845dd1), 21)
	q[56], q[57], q[58], q[59] = a, d, c, b
	a = b + bits.RotateLeft32((c^(b|^d))+(a+w[8]+0x6fa87e4f), 6)
	d = a + bits.RotateLeft32((b^(a|^c))+(d+w[15]+0xfe2ce6e0), 10)
	c = d + bits.RotateLeft32((a^(d|^b))+(c+w[6]+0xa3014314), 15)
	b = c + bits.RotateLeft32((d^(c|^a))+(b+w[13]+0x4e0811a1), 21)
	q[60], q[61], q[62], q[63] = a, d, c, b
	a = b + bits.RotateLeft32((c^(b|^d))+(a+w[4]+0xf7537e82), 6)
	d = a + bits.RotateLeft32((b^(a|^c))+(d+w[11]+0xbd3af235), 10)
	c = d + bits.RotateLeft32((a^(d|^b))+(c+w[2]+0x2ad7d2bb), 15)
	b = c + bits.RotateLeft32((d^(c|^a))+(b+w[9]+0xeb86d391), 21)
	q[64], q[65], q[66], q[67] = a, d, c, b
	return a, b, c, d
}
