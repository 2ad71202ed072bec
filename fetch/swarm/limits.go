package swarm

import "time"

// Limits bound what peers may take and how long they are waited for. Fields
// that are zero have the value in brackets.
type Limits struct {
	Connect   time.Duration // to reach a peer and open a stream, or for a free stream [10 s]
	FirstByte time.Duration // from a request to the first octet of its answer [5 s]
	Idle      time.Duration // for each 16 KiB of an answer, or a whole request frame [10 s]
	Pause     time.Duration // of an asker between two requests [60 s]
	Write     time.Duration // for each 64 KiB that are written to an asker [30 s]
	Slot      time.Duration // of a request for a free slot, before it is told busy [1 s]

	StreamsIn  int // of one peer to this node [32]
	InboundAll int // of all peers to this node [1024]
	StreamsOut int // in use at a time to one peer [16]
	Answers    int // given at a time, to all peers [256]
	Peers      int // remembered [4096]
	Bans       int // remembered, the latest [10000]
}

const (
	// leastProgress is how many octets must come within Limits.Idle: about
	// 13 kbit/s, less than any line on which a peer is of use.
	leastProgress = 16 << 10
	// maxIdleStreams to one peer are kept open for idleStreamLife, which is
	// less than a server's Pause.
	maxIdleStreams = 4
	idleStreamLife = 10 * time.Second
	sweepEvery     = 5 * time.Second
	// peerLife is how long a peer is remembered after its last exchange.
	peerLife = time.Hour
	// maxAddrs of one member are taken.
	maxAddrs = 16
)

func (l *Limits) setDefaults() {
	orElse(&l.Connect, 10*time.Second)
	orElse(&l.FirstByte, 5*time.Second)
	orElse(&l.Idle, 10*time.Second)
	orElse(&l.Pause, 60*time.Second)
	orElse(&l.Write, 30*time.Second)
	orElse(&l.Slot, time.Second)
	orElse(&l.StreamsIn, 32)
	orElse(&l.InboundAll, 1024)
	orElse(&l.StreamsOut, 16)
	orElse(&l.Answers, 256)
	orElse(&l.Peers, 4096)
	orElse(&l.Bans, 10_000)
}

func orElse[T int | time.Duration](v *T, otherwise T) {
	if *v <= 0 {
		*v = otherwise
	}
}
