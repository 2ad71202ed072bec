package node

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"sync"
	"sync/atomic"

	"github.com/cockroachdb/pebble/v2"
	dspebble "github.com/ipfs/go-ds-pebble"
	"github.com/libp2p/go-libp2p/core/host"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"

	"github.com/flashcrowd/flashcrowd/dht"
	"github.com/flashcrowd/flashcrowd/dht/kad"
	"github.com/flashcrowd/flashcrowd/dht/lan"
	"github.com/flashcrowd/flashcrowd/fetch"
	"github.com/flashcrowd/flashcrowd/fetch/cache"
	"github.com/flashcrowd/flashcrowd/fetch/origin"
	"github.com/flashcrowd/flashcrowd/fetch/swarm"
	"github.com/flashcrowd/flashcrowd/node/admin"
	"github.com/flashcrowd/flashcrowd/node/authority"
	"github.com/flashcrowd/flashcrowd/node/proxy"
	"github.com/flashcrowd/flashcrowd/verify"
)

// Node is a running flashcrowd node. New opens it, Run serves until its
// context ends, Close frees it.
type Node struct {
	cfg     Config
	log     *slog.Logger
	metrics *prometheus.Registry

	profiles verify.Profiles
	data     *DataDir
	db       *pebble.DB
	store    *cache.Store
	origin   *origin.Client
	host     host.Host     // nil with --swarm off
	router   *kad.Router   // nil with --swarm off
	kept     chan struct{} // closed once the memberships of an earlier run are named
	lan      *lan.Router   // nil with --swarm off or --lan off
	members  *dht.Pausable // over both, nil with --swarm off
	swarm    *swarm.Swarm  // nil with --swarm off
	fetch    *fetch.Fetcher

	authority *authority.Authority // nil where nothing is intercepted
	exempt    *authority.Exempt    // with authority

	faces   []*face
	relays  atomic.Pointer[kad.Router] // router, once it is there, for the host's goroutines
	paused  atomic.Bool                // a plain proxy for now
	pausing sync.Mutex                 // held while that changes
	ready   chan struct{}
	closers []func() error // in the order of opening
}

// New opens the data folder, the cache, the listeners and the libp2p host that
// cfg names, and wires them. It joins no network. After an error nothing is
// left open; otherwise the caller must call Close.
func New(ctx context.Context, cfg Config) (_ *Node, err error) {
	if err := cfg.Validate(); err != nil {
		return nil, err
	}
	cfg = cfg.WithDefaults()
	n := &Node{cfg: cfg, log: cfg.Logger, metrics: prometheus.NewRegistry(), ready: make(chan struct{})}
	if n.log == nil {
		n.log = slog.New(slog.DiscardHandler)
	}
	n.metrics.MustRegister(collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	defer func() {
		if err != nil {
			err = errors.Join(err, n.Close())
		}
	}()
	for _, open := range []func(context.Context) error{
		n.openData, n.openStore, n.openHost, n.openOrigin, n.openSwarm, n.openFetch, n.openAuthority, n.openFaces, n.openProxy, n.openAdmin, n.publish,
	} {
		if err := open(ctx); err != nil {
			return nil, err
		}
	}
	return n, nil
}

func (n *Node) openData(context.Context) error {
	data, err := OpenDataDir(n.cfg.Data)
	if err != nil {
		return err
	}
	n.data = data
	n.closing(data.Close)
	return nil
}

func (n *Node) openStore(context.Context) error {
	store, db, err := cache.OpenWith(cache.Config{
		Dir: n.data.Path(), Limit: int64(n.cfg.CacheSize),
		Logger: n.log, Metrics: n.metrics, OnRemove: n.removed,
	}, n.data.Index(), indexOptions(n.log))
	if err != nil {
		return fmt.Errorf("node: open cache: %w", err)
	}
	n.store, n.db = store, db
	n.closing(db.Close)
	n.closing(store.Close)
	return nil
}

// removed ends the membership for what the cache has dropped.
func (n *Node) removed(id dht.ID) {
	if n.members != nil {
		n.members.Leave(id.Key())
	}
}

func (n *Node) openHost(context.Context) error {
	if n.cfg.Swarm == Off {
		return nil
	}
	key, err := n.data.Identity()
	if err != nil {
		return err
	}
	private, err := n.cfg.swarmKey()
	if err != nil {
		return err
	}
	n.host, err = swarm.NewHost(swarm.HostConfig{
		Identity: key, Listen: n.cfg.Listen, Version: n.cfg.version(), Key: private, Reach: n.reach(),
	})
	if err != nil {
		return fmt.Errorf("node: listen for peers: %w", err)
	}
	n.closing(n.host.Close)
	return nil
}

func (n *Node) openOrigin(context.Context) error {
	if err := n.data.loadProfiles(&n.profiles); err != nil {
		n.log.Warn("profiles", "err", err) // they will be learned anew
	}
	n.closing(func() error { return n.data.saveProfiles(&n.profiles) })
	n.origin = origin.New(origin.Config{Resolve: n.cfg.Resolve, Profiles: &n.profiles, Via: "1.1 " + n.pseudonym(), Logger: n.log})
	n.closing(func() error { n.origin.Close(); return nil })
	return nil
}

func (n *Node) openSwarm(context.Context) error {
	if n.host == nil {
		return nil
	}
	records, err := dspebble.NewDatastore("", dspebble.WithPebbleDB(n.db))
	if err != nil {
		return fmt.Errorf("node: open records: %w", err)
	}
	boot, err := n.cfg.bootstrap()
	if err != nil {
		return err
	}
	n.kept = make(chan struct{})
	n.router, err = kad.New(kad.Config{
		Host: n.host, Network: n.cfg.Network, Bootstrap: boot, Datastore: records,
		BucketSize: n.cfg.BucketSize, Good: n.goodPeers, Kept: n.kept, Logger: n.log, Metrics: n.metrics,
	})
	if err != nil {
		return fmt.Errorf("node: open dht: %w", err)
	}
	n.closing(n.router.Close)
	n.relays.Store(n.router)
	if n.cfg.LAN == On {
		n.lan, err = lan.New(lan.Config{Host: n.host, Network: n.cfg.Network, Logger: n.log})
		if err != nil {
			return fmt.Errorf("node: open lan: %w", err)
		}
		n.closing(n.lan.Close)
	}
	n.members = dht.NewPausable(n.finder())
	n.swarm, err = swarm.New(swarm.Config{
		Host: n.host, Shelf: shelf{n}, DB: n.db, Upload: n.cfg.upload(), Logger: n.log, Metrics: n.metrics,
	})
	if err != nil {
		return fmt.Errorf("node: open swarm: %w", err)
	}
	n.closing(n.swarm.Close)
	return nil
}

// finder returns what finds other nodes: neighbours answer first. While this
// node gives nothing it joins no crowd.
func (n *Node) finder() dht.Router {
	var r dht.Router = n.router
	if n.lan != nil {
		r = dht.Several(n.lan, n.router)
	}
	return dht.Quiet(r, n.quiet)
}

func (n *Node) quiet() bool { return n.swarm.Giving().Refused != nil }

// shelf is the fetcher's, which is opened after the swarm that it asks.
type shelf struct{ n *Node }

// Open offers nothing while the node is paused.
func (s shelf) Open(id dht.ID, t verify.Token) (*fetch.Shelved, error) {
	if s.n.paused.Load() {
		return nil, fetch.ErrUnknown
	}
	return s.n.fetch.Open(id, t)
}

func (n *Node) openFetch(context.Context) error {
	cfg := fetch.Config{
		Cache: n.store, Judge: n.store.Judge, Memory: n.store, Carried: n.store, Shelf: n.store, Origin: n.origin,
		Policy: n.cfg.Policy, PolicyFor: n.cfg.PolicyFor, Publishers: n.cfg.Publishers, Profiles: &n.profiles,
		Sharing: n.sharing(), Logger: n.log, Metrics: n.metrics,
	}
	if n.swarm != nil {
		cfg.Swarm, cfg.Router, cfg.Self = n.swarm, n.members, n.host.ID().String()
	}
	n.fetch = fetch.New(cfg)
	n.closing(func() error { n.fetch.Close(); return nil })
	return nil
}

func (n *Node) sharing() fetch.Sharing {
	mode := fetch.ShareMode(n.cfg.Share)
	if n.cfg.Swarm == Off {
		mode = fetch.ShareOff
	}
	return fetch.Sharing{Mode: mode, Private: n.cfg.SharesPrivate()}
}

// openFaces opens the listeners, so that a taken port is known before anything
// is served.
func (n *Node) openFaces(context.Context) error {
	if err := n.listen("proxy", n.cfg.Proxy, nil); err != nil {
		return err
	}
	if err := n.listen("admin", n.cfg.Admin, nil); err != nil {
		return err
	}
	for _, m := range n.cfg.Mirrors {
		if err := n.listen("mirror", m.Listen, m.Origin); err != nil {
			return err
		}
	}
	return nil
}

func (n *Node) openProxy(context.Context) error {
	login, err := n.login()
	if err != nil {
		return err
	}
	token, err := n.data.Token()
	if err != nil {
		return err
	}
	p := proxy.New(proxy.Config{
		Login: login, Token: token, Fetcher: n.fetch, Dial: n.dialTunnel, Name: n.pseudonym(),
		ConnectPorts: n.cfg.ConnectPorts.Has, Allow: n.cfg.Allow, Own: n.addrs(),
		Intercept: n.interception(), Upgrade: n.origin.Upgrade, PAC: n.cfg.Intercept,
		Bypass: n.cfg.Bypass.Has, Deny: n.cfg.Deny.Has, Paused: n.paused.Load, Hosts: n.cfg.names(),
		Logger: n.log, Metrics: n.metrics,
	})
	n.closing(func() error { p.Close(); return nil })
	for _, f := range n.faces {
		if f.kind != "admin" {
			f.listener = p.Strict(f.listener)
		}
		switch f.kind {
		case "proxy":
			f.server = p.Server(p.Handler())
		case "mirror":
			f.server = p.Server(p.Mirror(f.origin))
		}
	}
	return nil
}

func (n *Node) openAdmin(context.Context) error {
	token, err := n.data.Token()
	if err != nil {
		return err
	}
	f := n.face("admin")
	f.server = admin.NewServer(admin.Config{
		Addr: f.addr(), Status: n.Status, Peers: n.Peers, Faces: n.where,
		Why: func(url string) (any, bool) { return n.fetch.Receipt(url) }, Metrics: n.metrics, Logger: n.log,
		Certificate: n.certificate(), Token: token, Pause: n.pause,
		Objects: n.objects, Remove: n.store.Remove, Pin: n.store.Pin, Unpin: n.store.Unpin, Verify: n.verifyCache,
		Export: n.exportCache, Import: n.importCache,
		Settings: n.settings(),
	})
	return nil
}

// publish tells the commands on this machine where the node is.
func (n *Node) publish(context.Context) error {
	return n.data.Publish(Endpoint{URL: n.face("admin").url(), PID: os.Getpid(), Proxy: n.face("proxy").url()})
}

// closing notes what Close does; the last that was opened closes first.
func (n *Node) closing(f func() error) { n.closers = append(n.closers, f) }

// Close frees everything. It is called once, after Run has returned.
func (n *Node) Close() error {
	var errs []error
	for len(n.closers) > 0 {
		last := len(n.closers) - 1
		errs = append(errs, n.closers[last]())
		n.closers = n.closers[:last]
	}
	return errors.Join(errs...)
}

// Ready is closed when Run serves.
func (n *Node) Ready() <-chan struct{} { return n.ready }

// Receipt returns how the latest response for url was made.
func (n *Node) Receipt(url string) (fetch.Receipt, bool) { return n.fetch.Receipt(url) }
