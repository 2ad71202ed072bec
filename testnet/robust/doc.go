// Package robust holds a whole node against clients and origins that break the
// rules of HTTP, by accident or to do harm: octets as they stand on the socket,
// through each way in which a client can reach a node (forward proxy, gateway,
// mirror, intercepted https), and from origins that no web server library would
// play.
//
// It has nothing but tests. Their names begin with those of the cases: HC for
// clients, PX for the policy of a proxy, OR for origins. The long counts are
// behind the flag -full.
package robust
