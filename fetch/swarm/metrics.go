package swarm

import (
	"errors"
	"fmt"

	"github.com/prometheus/client_golang/prometheus"
)

// Reasons for which octets of peers are rejected here.
const (
	rejectLength    = "length"    // not as many as the peer announced
	rejectMalformed = "malformed" // in a frame that the protocol does not allow
)

type metrics struct {
	uploads  prometheus.Counter
	banned   prometheus.Gauge
	rejected *prometheus.CounterVec
	panics   prometheus.Counter
}

// newMetrics makes the metrics and registers them with reg, if there is one.
// A metric that another package has registered by the same name is shared.
func newMetrics(reg prometheus.Registerer) (*metrics, error) {
	m := &metrics{
		uploads: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "flashcrowd_uploads_bytes_total", Help: "Octets of bodies sent to other nodes.",
		}),
		banned: prometheus.NewGauge(prometheus.GaugeOpts{
			Name: "flashcrowd_banned_peers", Help: "Peers that are banned for a proven lie.",
		}),
		rejected: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "flashcrowd_rejected_bytes_total", Help: "Octets of peers that were thrown away, by reason.",
		}, []string{"reason"}),
		panics: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "flashcrowd_stream_panics_total", Help: "Streams of other nodes whose handler panicked.",
		}),
	}
	if reg == nil {
		return m, nil
	}
	err := errors.Join(register(reg, &m.uploads), register(reg, &m.banned), register(reg, &m.rejected), register(reg, &m.panics))
	if err != nil {
		return nil, fmt.Errorf("register metrics: %w", err)
	}
	return m, nil
}

func register[C prometheus.Collector](reg prometheus.Registerer, c *C) error {
	err := reg.Register(*c)
	var there prometheus.AlreadyRegisteredError
	if errors.As(err, &there) {
		if same, ok := there.ExistingCollector.(C); ok {
			*c = same
			return nil
		}
	}
	return err
}
