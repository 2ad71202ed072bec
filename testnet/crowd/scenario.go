package crowd

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"math"
	"math/rand/v2"
	"time"

	"go.yaml.in/yaml/v3"

	"github.com/flashcrowd/flashcrowd/node"
)

// Scenario is one rehearsal. Its YAML keys are fixed (design.md section 13).
// The zero value of a field is its default, as said beside it.
type Scenario struct {
	Name string `yaml:"name,omitempty"`
	// Seed of all that is drawn by lot; the same seed gives the same rehearsal.
	Seed uint64 `yaml:"seed,omitempty"`
	// Nodes in the crowd, liars included; 0 is 50.
	Nodes int `yaml:"nodes,omitempty"`
	// Object is one file that everybody wants; without Object and Site it is
	// one of 64 MiB.
	Object *Object `yaml:"object,omitempty"`
	// Site is many files of which everybody wants all.
	Site    *Site       `yaml:"site,omitempty"`
	Origin  Origin      `yaml:"origin,omitempty"`
	Peers   Peers       `yaml:"peers,omitempty"`
	Arrival Arrival     `yaml:"arrival,omitempty"`
	Assert  []Assertion `yaml:"assert,omitempty"`
}

// Object is a single file.
type Object struct {
	Size node.Size `yaml:"size"`
}

// Site is a web site of files whose sizes are log-normal.
type Site struct {
	Files int `yaml:"files"`
	// Median size; 0 is 32 KiB. Sigma is the deviation of the logarithm of the
	// sizes; 0 makes all of them the median.
	Median node.Size `yaml:"median,omitempty"`
	Sigma  float64   `yaml:"sigma,omitempty"`
}

// Origin is the web server.
type Origin struct {
	// Up is the rate of its line; 0 is 100Mbit.
	Up node.Rate `yaml:"up,omitempty"`
	// PerRequest is how long each request keeps the server busy, one after
	// another, before its first octet.
	PerRequest time.Duration `yaml:"per_request,omitempty"`
	// MaxConnections is how many requests are served at once; further ones are
	// refused with 503 and Retry-After. 0 is no limit.
	MaxConnections int `yaml:"max_connections,omitempty"`
	// Digest is what it says of its bodies; zero is repr-digest.
	Digest DigestKind `yaml:"digest,omitempty"`
	// RefuseAfter is from when on it refuses bodies with 429 and Retry-After.
	RefuseAfter Allowance `yaml:"refuse_after,omitempty"`
	// DiesAt is when it goes off line for good; 0 is never.
	DiesAt time.Duration `yaml:"dies_at,omitempty"`
}

// Peers are the members of the crowd.
type Peers struct {
	// Up and Down are the rates of each line; 0 is 20Mbit and 100Mbit.
	Up   node.Rate `yaml:"up,omitempty"`
	Down node.Rate `yaml:"down,omitempty"`
	// RTT between two parties, on average; 0 is 40ms.
	RTT time.Duration `yaml:"rtt,omitempty"`
	// NAT is the share of peers that cannot be dialled.
	NAT float64 `yaml:"nat,omitempty"`
	// Churn is the share of peers that leave at a random moment, up to twice
	// the fluid bound after they came, done or not.
	Churn float64 `yaml:"churn,omitempty"`
	Liars Liars   `yaml:"liars,omitempty"`
}

// Liars are peers that do not want the file, and do harm.
type Liars struct {
	Share float64 `yaml:"share,omitempty"`
	// Kind of lie; zero is flip.
	Kind LiarKind `yaml:"kind,omitempty"`
}

// ErrScenario: a scenario that cannot be played.
var ErrScenario = errors.New("crowd: scenario")

// Parse reads one scenario from YAML. An unknown key is an error.
func Parse(text []byte) (Scenario, error) {
	var s Scenario
	d := yaml.NewDecoder(bytes.NewReader(text))
	d.KnownFields(true)
	if err := d.Decode(&s); err != nil && !errors.Is(err, io.EOF) {
		return s, fmt.Errorf("%w: %w", ErrScenario, err)
	}
	return s, s.WithDefaults().Validate()
}

// WithDefaults returns s with the default in place of each zero value.
func (s Scenario) WithDefaults() Scenario {
	if s.Name == "" {
		s.Name = "custom"
	}
	if s.Nodes == 0 {
		s.Nodes = 50
	}
	if s.Object == nil && s.Site == nil {
		s.Object = &Object{}
	}
	if s.Object != nil {
		s.Object = &Object{Size: or(s.Object.Size, 64<<20)}
	}
	if s.Site != nil {
		s.Site = &Site{Files: or(s.Site.Files, 1), Median: or(s.Site.Median, 32<<10), Sigma: s.Site.Sigma}
	}
	s.Origin.Up = or(s.Origin.Up, 100e6)
	s.Origin.Digest = or(s.Origin.Digest, ReprDigest)
	s.Peers.Up, s.Peers.Down = or(s.Peers.Up, 20e6), or(s.Peers.Down, 100e6)
	s.Peers.RTT = or(s.Peers.RTT, 40*time.Millisecond)
	s.Peers.Liars.Kind = or(s.Peers.Liars.Kind, Flip)
	s.Arrival.Kind = or(s.Arrival.Kind, AllAtOnce)
	return s
}

func or[T comparable](v, otherwise T) T {
	var zero T
	if v == zero {
		return otherwise
	}
	return v
}

// Bounds of what is played: above them a rehearsal would not end.
const (
	MaxNodes = 100_000
	maxFiles = 100_000
	maxBody  = 1 << 40
)

// Validate says what makes s impossible; s has its defaults. Errors are
// ErrScenario.
func (s Scenario) Validate() error {
	share := func(v float64) bool { return v >= 0 && v <= 1 }
	rules := []struct {
		ok   bool
		what string
	}{
		{s.Nodes >= 1 && s.Nodes <= MaxNodes, fmt.Sprintf("nodes must be between 1 and %d", MaxNodes)},
		{s.Object == nil || s.Site == nil, "object and site exclude each other"},
		{s.Object == nil || s.Object.Size > 0 && s.Object.Size <= maxBody, "object.size must be between 1 and 1TiB"},
		{s.Site == nil || s.Site.Files >= 1 && s.Site.Files <= maxFiles, "site.files must be between 1 and 100000"},
		{s.Site == nil || s.Site.Median > 0 && s.Site.Sigma >= 0 && s.Site.Sigma <= 4, "site.median must be positive and site.sigma between 0 and 4"},
		{s.Origin.Up >= 8 && s.Peers.Up >= 8 && s.Peers.Down >= 8, "rates must be positive"},
		{s.Origin.PerRequest >= 0 && s.Origin.MaxConnections >= 0 && s.Origin.DiesAt >= 0, "origin has a negative setting"},
		{s.Peers.RTT > 0 && s.Peers.RTT <= time.Minute, "peers.rtt must be between 0 and 1m"},
		{share(s.Peers.NAT) && share(s.Peers.Churn), "peers.nat and peers.churn are shares between 0 and 1"},
		{share(s.Peers.Liars.Share), "peers.liars.share is a share between 0 and 1"},
		{s.Downloaders() >= 1, "there must be somebody who is not a liar"},
	}
	for _, r := range rules {
		if !r.ok {
			return fmt.Errorf("%w: %s", ErrScenario, r.what)
		}
	}
	return nil
}

// LiarCount is how many of the nodes lie.
func (s Scenario) LiarCount() int { return int(s.Peers.Liars.Share*float64(s.Nodes) + .5) }

// Downloaders is how many nodes want the file.
func (s Scenario) Downloaders() int { return s.Nodes - s.LiarCount() }

// Sizes draws the sizes of all files.
func (s Scenario) Sizes(r *rand.Rand) []int64 {
	if s.Object != nil {
		return []int64{int64(s.Object.Size)}
	}
	out := make([]int64, s.Site.Files)
	for i := range out {
		out[i] = max(int64(float64(s.Site.Median)*math.Exp(s.Site.Sigma*r.NormFloat64())), 1)
	}
	return out
}
