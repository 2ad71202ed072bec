package kad

import (
	"time"

	ds "github.com/ipfs/go-datastore"
	kaddht "github.com/libp2p/go-libp2p-kad-dht"
	"github.com/libp2p/go-libp2p-kad-dht/amino"
	"github.com/libp2p/go-libp2p-kad-dht/provider"
	"github.com/libp2p/go-libp2p-kad-dht/records"
	"github.com/libp2p/go-libp2p/core/protocol"
	ma "github.com/multiformats/go-multiaddr"
	manet "github.com/multiformats/go-multiaddr/net"
)

// prefix is the protocol prefix of the network; kad-dht adds /kad/1.0.0.
func (c Config) prefix() protocol.ID {
	if c.public() {
		return amino.ProtocolPrefix
	}
	return protocol.ID("/flashcrowd/" + c.Network)
}

// protocol is what the servers of the network speak.
func (c Config) protocol() protocol.ID { return c.prefix() + "/kad/1.0.0" }

// options returns what kad-dht needs to know. It is not told of bootstrap
// peers: Run alone dials them.
func (c Config) options(store ds.Batching, g *guard) []kaddht.Option {
	common := []kaddht.Option{
		kaddht.ProtocolPrefix(c.prefix()),
		kaddht.BucketSize(c.BucketSize),
		kaddht.Datastore(store),
		kaddht.ProviderDatastore(shelter{store}),
		g.option(),
	}
	if c.public() {
		return append(common, c.publicOptions()...)
	}
	return append(common,
		kaddht.Mode(kaddht.ModeServer),
		kaddht.DisableValues(),
		kaddht.ProviderManagerOpts(
			records.ProvideValidity(ownValidity),
			records.ProviderAddrTTL(ownValidity),
			records.CleanupInterval(ownCleanup),
		),
	)
}

// publicOptions are those of the public half of kad-dht's package dual, which
// is how every other Amino node of this family behaves.
func (c Config) publicOptions() []kaddht.Option {
	diversity := kaddht.NewRTPeerDiversityFilter(c.Host, amino.DefaultMaxPeersPerIPGroupPerCpl, amino.DefaultMaxPeersPerIPGroup)
	return []kaddht.Option{
		kaddht.Mode(kaddht.ModeAuto),
		kaddht.QueryFilter(kaddht.PublicQueryFilter),
		kaddht.RoutingTableFilter(kaddht.PublicRoutingTableFilter),
		kaddht.RoutingTablePeerDiversityFilter(diversity),
		kaddht.AddressFilter(publicAddrs),
	}
}

// validity is how long a record lives.
func (c Config) validity() time.Duration {
	if c.public() {
		return amino.DefaultProvideValidity
	}
	return ownValidity
}

// reprovide returns how often records are renewed and by how much a renewal
// may be late. Their sum stays below the validity of a record.
func (c Config) reprovide() (interval, delay time.Duration) {
	if c.public() {
		return amino.DefaultReprovideInterval, provider.DefaultMaxReprovideDelay
	}
	return ownReprovide, ownDelay
}

func publicAddrs(addrs []ma.Multiaddr) []ma.Multiaddr {
	return ma.FilterAddrs(addrs, manet.IsPublicAddr)
}
