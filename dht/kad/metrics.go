package kad

import (
	"errors"
	"fmt"

	"github.com/prometheus/client_golang/prometheus"
)

// metrics are the numbers that this package declares.
type metrics struct {
	lookup prometheus.Histogram
	all    []prometheus.Collector
}

func newMetrics(kept func() int) *metrics {
	lookup := prometheus.NewHistogram(prometheus.HistogramOpts{
		Name:    "flashcrowd_dht_lookup_seconds",
		Help:    "Time from the start of a DHT look-up to its first member, or to its end when there was none.",
		Buckets: prometheus.ExponentialBuckets(0.01, 2, 13), // 10 ms to 41 s
	})
	provided := prometheus.NewGaugeFunc(prometheus.GaugeOpts{
		Name: "flashcrowd_provided_keys",
		Help: "Keys under which this node announces itself.",
	}, func() float64 { return float64(kept()) })
	return &metrics{lookup, []prometheus.Collector{lookup, provided}}
}

// register puts all metrics into reg, or none.
func (m *metrics) register(reg prometheus.Registerer) error {
	if reg == nil {
		return nil
	}
	var errs []error
	for i, c := range m.all {
		if err := reg.Register(c); err != nil {
			errs = append(errs, err)
			for _, done := range m.all[:i] {
				reg.Unregister(done)
			}
			break
		}
	}
	if err := errors.Join(errs...); err != nil {
		return fmt.Errorf("kad: register metrics: %w", err)
	}
	return nil
}

func (m *metrics) unregister(reg prometheus.Registerer) {
	if reg == nil {
		return
	}
	for _, c := range m.all {
		reg.Unregister(c)
	}
}
