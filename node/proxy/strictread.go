package proxy

import (
	"bytes"
	"net"
	"strconv"
)

// stepHead reads a request up to its body. What is wrong is said as soon as it
// is seen.
func (c *strictConn) stepHead() error {
	for {
		if c.repeats != nil && len(c.raw) > 0 && c.idle.Load() {
			if err := c.repeat(); err != nil {
				return err
			}
		}
		done, err := c.scan()
		switch {
		case err != nil:
			return c.refuse(err)
		case done:
			return c.finishHead()
		case len(c.raw) > maxHead:
			return c.refuse(refuse(headerTooLarge, "more than %d octets of header fields", maxHead))
		}
		c.begin(len(c.raw) > 0)
		if err := c.fill(maxHead); err != nil {
			return err
		}
	}
}

// scan looks for the ends of lines in what came, and reports whether the head
// is complete. One empty line before it is passed over (RFC 9112 section 2.2).
func (c *strictConn) scan() (done bool, err error) {
	if len(c.raw) > 0 && c.raw[0] != '\r' && !isToken(c.raw[:1]) {
		return false, badRequest("request line")
	}
	for {
		i := bytes.IndexByte(c.raw[c.scanned:], '\n')
		if i < 0 {
			return false, nil
		}
		end, from := c.scanned+i, 0
		if n := len(c.lines); n > 0 {
			from = c.lines[n-1][1] + 2
		}
		if c.scanned = end + 1; end == 0 || c.raw[end-1] != '\r' {
			return false, badRequest("a line that ends without CR")
		}
		switch {
		case end > maxHead:
			return false, refuse(headerTooLarge, "more than %d octets of header fields", maxHead)
		case end-1 > from:
			c.lines = append(c.lines, [2]int{from, end - 1})
		case len(c.lines) > 0:
			return true, nil
		case len(c.raw) > 2 && c.raw[2] == '\r':
			return false, badRequest("request line")
		default:
			c.raw, c.scanned = c.raw[2:], 0
		}
		if len(c.lines) > maxFields+1 {
			return false, refuse(headerTooLarge, "more than %d header fields", maxFields)
		}
	}
}

// finishHead reads the lines that were found, and writes for the server what
// they mean.
func (c *strictConn) finishHead() error {
	c.parts = c.parts[:0]
	for _, l := range c.lines {
		c.parts = append(c.parts, c.raw[l[0]:l[1]])
	}
	if err := parseHead(c.parts, &c.head); err != nil {
		return c.refuse(err)
	}
	c.out = c.head.appendTo(c.out)
	switch {
	case string(c.head.method) == "CONNECT":
		c.next = readOpaque
	case c.head.length < 0:
		c.next, c.extras = readChunkSize, 0
	case c.head.length > 0:
		c.next, c.left = readBody, c.head.length
	}
	c.hand(c.raw[:c.scanned], c.head.length != 0)
	c.raw = c.raw[c.scanned:]
	c.scanned, c.lines = 0, c.lines[:0]
	c.tidy()
	c.begin(len(c.raw) > 0 && c.next == readHead)
	return nil
}

// tidy lets go of a large buffer that is no longer needed.
func (c *strictConn) tidy() {
	if cap(c.raw) > keptBuffer && len(c.raw) <= firstBuffer {
		c.raw = append(make([]byte, 0, firstBuffer), c.raw...)
		c.lines, c.parts, c.head.fields = nil, nil, nil
		c.buffer = c.raw[:0]
	}
	if len(c.raw) == 0 {
		c.raw = c.buffer[:0]
	}
}

// stepSize reads a chunk size (RFC 9112 section 7.1). Its extensions end here.
func (c *strictConn) stepSize() error {
	line, err := c.line(maxChunkLine)
	if err != nil {
		return err
	}
	size, extension, ok := parseSize(line)
	if c.extras += extension; !ok || c.extras > maxExtensions {
		return c.spoil(badRequest("chunk size"))
	}
	if size == 0 {
		c.next = readTrailer
		return nil
	}
	c.out = append(strconv.AppendInt(c.out, size, 16), '\r', '\n')
	c.next, c.left = readChunk, size
	return nil
}

// parseSize reads a line of hexadecimal digits and maybe extensions.
func parseSize(line []byte) (size int64, extension int, ok bool) {
	digits := 0
	for digits < len(line) && isHex(line[digits]) {
		digits++
	}
	n, err := strconv.ParseUint(string(line[:digits]), 16, 63)
	rest := bytes.TrimLeft(line[digits:], " \t")
	if err != nil || digits > 16 || len(line) > digits && (len(rest) == 0 || rest[0] != ';') {
		return 0, 0, false
	}
	for _, b := range rest {
		if b < ' ' && b != '\t' || b == 0x7f {
			return 0, 0, false
		}
	}
	return int64(n), len(line) - digits, true
}

func isHex(b byte) bool {
	return b >= '0' && b <= '9' || b >= 'a' && b <= 'f' || b >= 'A' && b <= 'F'
}

// stepChunkEnd reads the CRLF behind a chunk.
func (c *strictConn) stepChunkEnd() error {
	for len(c.raw) < 2 {
		if len(c.raw) == 1 && c.raw[0] != '\r' {
			break
		}
		if err := c.fill(maxChunkLine); err != nil {
			return err
		}
	}
	if !bytes.HasPrefix(c.raw, []byte("\r\n")) {
		return c.spoil(badRequest("end of chunk"))
	}
	c.raw = c.raw[2:]
	c.out, c.next = append(c.out, '\r', '\n'), readChunkSize
	return nil
}

// stepTrailer reads the trailer section as a whole, since what is wrong with
// it must not come after the end of the body.
func (c *strictConn) stepTrailer() error {
	for {
		end := bytes.Index(c.raw, []byte("\r\n\r\n"))
		if bytes.HasPrefix(c.raw, []byte("\r\n")) {
			end = -2
		}
		switch {
		case end == -2 || end >= 0 && end <= maxHead:
			return c.finishTrailer(c.raw[:max(end, 0)], end+4)
		case len(c.raw) > maxHead:
			return c.spoil(refuse(headerTooLarge, "trailer section"))
		}
		if err := c.fill(maxHead); err != nil {
			return err
		}
	}
}

func (c *strictConn) finishTrailer(section []byte, length int) error {
	c.out = append(c.out, "0\r\n"...)
	for i := 0; len(section) > 0; i++ {
		line, rest, _ := bytes.Cut(section, []byte("\r\n"))
		if section = rest; len(line) == 0 || i >= maxFields {
			return c.spoil(badRequest("trailer section"))
		}
		f, err := parseField(line)
		if err != nil {
			return c.spoil(err)
		}
		c.out = f.appendTo(c.out)
	}
	c.out = append(c.out, '\r', '\n')
	c.raw = c.raw[length:]
	c.next = readHead
	c.tidy()
	c.begin(len(c.raw) > 0)
	return nil
}

// isRefused reports whether the reading has ended with a refusal.
func (c *strictConn) isRefused() bool { return c.next == readNothing }

// release gives the connection up: it returns what lies beneath, and what came
// and the server has not seen, which is nothing but what the client sent ahead.
func (c *strictConn) release() (conn net.Conn, ahead []byte) {
	c.next = readOpaque
	ahead = append(append([]byte(nil), c.out[c.outFrom:]...), c.raw...)
	c.out, c.outFrom, c.raw = nil, 0, nil
	return c.Conn, ahead
}
