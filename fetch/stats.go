package fetch

import (
	"errors"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// Totals count since New.
type Totals struct {
	// Octets of bodies.
	ToClients, FromOrigin, FromPeers, ToPeers int64
	// Requests in all, and those answered from the cache.
	Requests, Hits int64
	// Rejected octets of peers, which no proof fitted.
	Rejected int64
}

// Totals returns the counts up to now.
func (f *Fetcher) Totals() Totals {
	s := f.stats
	return Totals{
		ToClients: s.toClients.Load(), FromOrigin: s.fromOrigin.Load(), FromPeers: s.fromPeers.Load(), ToPeers: s.toPeers.Load(),
		Requests: s.requests.Load(), Hits: s.hits.Load(), Rejected: s.rejected.Load(),
	}
}

type stats struct {
	toClients, fromOrigin, fromPeers, toPeers, requests, hits, rejected atomic.Int64

	bytes    *prometheus.CounterVec
	client   prometheus.Counter // of bytes: out to clients, which every request counts
	rejects  *prometheus.CounterVec
	unproven prometheus.Counter
	copies   prometheus.Histogram
	member   prometheus.Histogram
	regret   prometheus.Histogram
	alarms   prometheus.Counter
}

func newStats(r prometheus.Registerer) *stats {
	s := &stats{
		bytes: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "flashcrowd_bytes_total", Help: "Octets of bodies by direction and source.",
		}, []string{"direction", "source"}),
		rejects: prometheus.NewCounterVec(prometheus.CounterOpts{
			// The swarm counts what it throws away itself in the same metric.
			Name: "flashcrowd_rejected_bytes_total", Help: "Octets of peers that were thrown away, by reason.",
		}, []string{"reason"}),
		unproven: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "flashcrowd_unproven_bytes_delivered_total", Help: "Octets of peers delivered without proof; always 0.",
		}),
		copies: prometheus.NewHistogram(prometheus.HistogramOpts{
			Name: "flashcrowd_origin_copies", Help: "Octets from the origin over the length of the body, per flight.",
			Buckets: []float64{.01, .02, .05, .1, .2, .5, .9, 1, 1.1, 1.5, 2},
		}),
		alarms: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "flashcrowd_digest_alarms_total", Help: "Times that two bodies claimed one digest that can collide.",
		}),
		member: prometheus.NewHistogram(prometheus.HistogramOpts{
			Name: "flashcrowd_first_member_seconds", Help: "Time from the header fields of a body to the first member of its crowd that answered.",
			Buckets: []float64{.003, .01, .03, .1, .2, .3, .5, 1, 2, 5, 10, 30},
		}),
		regret: prometheus.NewHistogram(prometheus.HistogramOpts{
			Name: "flashcrowd_regret_seconds", Help: "Time of a flight minus its length over the observed origin rate.",
			Buckets: []float64{-100, -10, -1, -.1, 0, .1, 1, 10, 100},
		}),
	}
	s.client = s.bytes.WithLabelValues("out", "client")
	if r != nil {
		r.MustRegister(s.bytes, s.unproven, s.copies, s.member, s.regret, s.alarms)
		var there prometheus.AlreadyRegisteredError
		if err := r.Register(s.rejects); errors.As(err, &there) {
			s.rejects = there.ExistingCollector.(*prometheus.CounterVec)
		} else if err != nil {
			panic("fetch: internal error: register metrics: " + err.Error())
		}
	}
	return s
}

func (s *stats) sent(n int64) {
	s.toClients.Add(n)
	s.client.Add(float64(n))
}

func (s *stats) origin(n int64) {
	s.fromOrigin.Add(n)
	s.bytes.WithLabelValues("in", "origin").Add(float64(n))
}

func (s *stats) peer(n int64) {
	s.fromPeers.Add(n)
	s.bytes.WithLabelValues("in", "peer").Add(float64(n))
}

func (s *stats) reject(n int64, reason string) {
	s.rejected.Add(n)
	s.rejects.WithLabelValues(reason).Add(float64(n))
}

// flight notes how much of a body the origin sent and how the time compares
// with what the origin alone would have taken at its observed rate.
func (s *stats) flight(fromOrigin, length int64, took time.Duration, rate float64) {
	if length <= 0 {
		return
	}
	s.copies.Observe(float64(fromOrigin) / float64(length))
	if rate > 0 {
		s.regret.Observe(took.Seconds() - float64(length)/rate)
	}
}
