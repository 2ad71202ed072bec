package cache

import (
	"fmt"

	"github.com/prometheus/client_golang/prometheus"
)

// Stats is how full the store is.
type Stats struct {
	// Objects that are stored.
	Objects int
	// Bytes they take, with all that is kept beside the bodies, and those
	// that are reserved: for bodies being written, and for removed ones that
	// somebody still reads.
	Bytes, Reserved int64
	// Limit on the sum of both.
	Limit int64
}

// Stats returns how full the store is.
func (s *Store) Stats() Stats {
	s.mu.Lock()
	defer s.mu.Unlock()
	es := &s.entries
	return Stats{es.count, es.bytes, es.reserved + es.lingering, es.limit}
}

// register adds the gauges of design.md section 11.
func (s *Store) register() error {
	if s.cfg.Metrics == nil {
		return nil
	}
	for _, g := range []prometheus.Collector{
		prometheus.NewGaugeFunc(prometheus.GaugeOpts{
			Name: "flashcrowd_cache_bytes", Help: "Octets that stored responses take on disk.",
		}, func() float64 { return float64(s.Stats().Bytes) }),
		prometheus.NewGaugeFunc(prometheus.GaugeOpts{
			Name: "flashcrowd_cache_objects", Help: "Stored responses.",
		}, func() float64 { return float64(s.Stats().Objects) }),
	} {
		if err := s.cfg.Metrics.Register(g); err != nil {
			s.unregister()
			return fmt.Errorf("register metrics: %w", err)
		}
		s.gauges = append(s.gauges, g)
	}
	return nil
}

func (s *Store) unregister() {
	for _, g := range s.gauges {
		s.cfg.Metrics.Unregister(g)
	}
}
