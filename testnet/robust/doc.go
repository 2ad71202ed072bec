// Package robust holds a whole node against clients and origins that break the
// rules of HTTP, by accident or to do harm: octets as they stand on the socket,
// through each way in which a client can reach a node (forward proxy, gateway,
// mirror, intercepted https), and from origins that no web server library would
// play.
//
// Cases that need the node as a process are in testnet, under the tag system:
// OR02, OR12, PX06, and PX02 in the one of rebinding names. PX02 is also in
// fetch/origin, OR11 and OR14 in fetch, where look-ups, announcements and peers
// are seen; TL1 to TL7 in node/proxy, node/authority and testnet.
//
// It has nothing but tests. Their names begin with those of the cases: HC for
// clients, PX for the policy of a proxy, OR for origins. The long counts are
// behind the flag -full.
package robust
