// Package proxy is the HTTP face of a node: forward proxy, CONNECT tunnels,
// gateway and mirrors.
//
// A [Proxy] turns what a client sends into a [fetch.Request], lets a [Fetcher]
// answer it, and writes the answer out:
//
//	p := proxy.New(proxy.Config{
//		Fetcher:      fetcher, // *fetch.Fetcher
//		Name:         "fc-1a2b3c4d",
//		Dial:         dial,    // DialTunnel of fetch/origin
//		ConnectPorts: ports.Has,
//		Own:          []netip.AddrPort{admin, mirror},
//	})
//	main := p.Server(p.Handler())        // 127.0.0.1:3128
//	apt := p.Server(p.Mirror(debian))    // one for each --mirror
//	go main.Serve(p.Strict(listener))
//	…
//	main.Shutdown(ctx)
//	p.Close() // ends the tunnels, for which Shutdown does not wait
//
// What it promises: a response whose body fails is aborted and never ends as
// if it were whole; each failure has a name in Proxy-Status and one status,
// both from the table in errors.go, the only such table; hop-by-hop fields do
// not pass, in either direction, and no field that caching or safety rests on
// can be declared hop-by-hop; a request to this node itself is never proxied;
// a page on the web can neither use this node under a name of its own (DNS
// rebinding) nor, through the gateway, read what belongs to another site;
// files go to the client by sendfile.
//
// What it never does: judge whether a byte is right, decide what is stored or
// shared, follow a redirect, change a body, log the query of a URL, or dial.
package proxy
