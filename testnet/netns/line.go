//go:build linux

package netns

import (
	"context"
	"encoding/json"
	"fmt"
	"os/exec"
	"strconv"
	"time"
)

// Rate is bits a second, of whole Ethernet frames: a TCP body gets 4 to 5 %
// less.
type Rate int64

// Mbit is one million bits a second.
const Mbit Rate = 1e6

// DefaultQueue is what the queue of a line holds at most: between a good home
// router and a bad one.
const DefaultQueue = 100 * time.Millisecond

// Line is what joins a host to the switch.
type Line struct {
	// Up and Down are its rates away from the host and towards it; zero is no
	// limit.
	Up, Down Rate
	// Queue is how long what waits at either end may need to be sent; what does
	// not fit is dropped. If zero, DefaultQueue.
	Queue time.Duration
}

// SetLine changes the host's line. It sets its counters to zero.
func (h *Host) SetLine(ctx context.Context, l Line) error {
	if l.Queue == 0 {
		l.Queue = DefaultQueue
	}
	if err := h.net.tc(ctx, h.Name, qdisc("eth0", l.Up, l.Queue)...); err != nil {
		return err
	}
	return h.net.tc(ctx, h.at, qdisc(h.port, l.Down, l.Queue)...)
}

// qdisc shapes what leaves by a device. The bucket holds 5 ms: enough for the
// kernel's timers, little beside any queue. Without a limit there is a plain
// queue, which counts too.
func qdisc(device string, rate Rate, queue time.Duration) []string {
	args := []string{"qdisc", "replace", "dev", device, "root"}
	if rate == 0 {
		return append(args, "pfifo", "limit", "10000")
	}
	const frame = 1514
	burst := max(int64(rate)/8*5/1000, 3*frame)
	limit := max(int64(queue.Seconds()*float64(rate)/8), 3*frame) + burst
	return append(args, "tbf", "rate", strconv.FormatInt(int64(rate), 10)+"bit",
		"burst", strconv.FormatInt(burst, 10), "limit", strconv.FormatInt(limit, 10))
}

// Traffic is what a line carried, in octets of whole frames, and the packets
// that its queues dropped.
type Traffic struct {
	Sent, Received               int64
	SentDropped, ReceivedDropped int64
	// SentBody is Sent without the headers that each frame of TCP has.
	SentBody int64
}

// headers of a frame: Ethernet, IPv4, and TCP with its time stamps.
const headers = 14 + 20 + 32

// Traffic returns what the host's line has carried since it was set.
func (h *Host) Traffic(ctx context.Context) (Traffic, error) {
	up, err := h.net.count(ctx, h.Name, "eth0")
	if err != nil {
		return Traffic{}, err
	}
	down, err := h.net.count(ctx, h.at, h.port)
	return Traffic{
		Sent: up.Bytes, Received: down.Bytes, SentDropped: up.Drops, ReceivedDropped: down.Drops,
		SentBody: max(up.Bytes-headers*up.Packets, 0),
	}, err
}

// queue is what tc says of one.
type queue struct{ Bytes, Packets, Drops int64 }

// count reads the counters of a device's queue: unlike those of the device
// they know the frames that a large segment becomes.
func (n *Net) count(ctx context.Context, host, device string) (queue, error) {
	out, err := exec.CommandContext(ctx, "tc", "-n", n.Prefix+host, "-s", "-j", "qdisc", "show", "dev", device, "root").Output()
	if err != nil {
		return queue{}, fmt.Errorf("netns: count %s of %s: %w", device, host, err)
	}
	var queues []queue
	if err := json.Unmarshal(out, &queues); err != nil || len(queues) == 0 {
		return queue{}, fmt.Errorf("netns: count %s of %s: tc said %q", device, host, out)
	}
	return queues[0], nil
}
