// Package cache keeps responses on disk.
//
// A [Store] is three things at once: the shared HTTP cache of RFC 9111
// (fetch.Cache), the memory of digests that outlives the bodies (fetch.Memory),
// and the shelf from which other nodes are served (fetch.Shelf).
//
// On disk a response is a body, a plain file under bodies/ with a random name,
// and three keys in a pebble index: its record (header fields, digest), its
// side data (state list, piece hashes) and when it was last used. A body is
// written to a temporary file, synced, renamed, and its folder synced, before
// the index names it; so after a crash whatever the index names is there, and
// everything else is swept at the next Open.
//
// Beside a body lies what the index knew of it then. OpenWith makes an index that
// is damaged or gone again from that; Scrub finds what a disk has changed. All
// work on the disk goes through a vfs.FS, which tests crash and let fail.
//
// Of an incomplete response the body stays the temporary file, and one key, its
// part, tells which octets are held and their checksums. It is written when the
// writer is suspended and at checkpoints while it writes, always after the
// octets were synced.
//
// Export writes bodies into an archive (archive.go says what it is made of), and
// Import takes one in. What came so waits under its digests, and is no response,
// until an origin states one of them.
//
// What it promises: a response is found from the moment Commit returns, also
// after kill -9 or a power cut; bodies and what is kept beside them never
// exceed the limit; no octet that no longer has its hash leaves a body that
// this process did not write itself (a rotten body is a miss, and blames
// nobody); bytes in the index that make no sense are a miss; a full or failing
// disk is an error to the one who writes, never to those who read.
//
// What it never does: ask the network, decide what is shared, judge bytes by
// itself (package verify does), store what RFC 9111 forbids a shared cache to
// store, or touch files outside its folder.
//
// control.go, dates.go, fresh.go, storable.go, vary.go and merge.go are
// RFC 9111 as pure functions.
package cache
