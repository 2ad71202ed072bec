package verify

// MaxScale keeps a scaled piece as long as a block of SHA-256: 64 octets.
const MaxScale = 10

// Scaled returns the same proof for a rehearsal in which an octet stands for
// 2^scale octets: the body is cut into pieces of 1/2^scale of their usual size,
// so that it has as many as the large body that it stands for. How a body is
// cut has no part in what the proof says: all of it still has to have the
// digest. A node never scales, since others would cut in another way. A scale
// above MaxScale, or of another algorithm than SHA-256, leaves p as it is.
func (p Proof) Scaled(scale uint8) Proof {
	if d := &p.evidence.digest; scale <= MaxScale && d.alg == SHA256 {
		d.scale = scale
	}
	return p
}

// Recorder returns a recorder for the body that p is about, cut as p says.
// Whatever p's algorithm, it keeps a state list: its own, or one of SHA-256.
func (p Proof) Recorder() *Recorder {
	d := p.Digest()
	alg := d.alg.listing()
	r := &Recorder{alg: alg, layout: d.Layout(), scale: d.scale, h: alg.new()}
	r.Observe(d)
	return r
}

// scaledLayout is how a body is cut whose octets stand for 2^scale each.
func scaledLayout(length int64, scale uint8) Layout {
	return Layout{Length: length, PieceSize: LayoutOf(length<<scale).PieceSize >> scale}
}
