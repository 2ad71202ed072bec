//go:build !sabotage

package cache

import "github.com/cockroachdb/pebble/v2"

// What this package promises to survive a power cut goes through this file and
// nothing else. Its twin under the build tag sabotage leaves the syncs out, and
// the fault tests must fail there.

// durable makes a write of the index last before it returns.
var durable = pebble.Sync

// syncFile makes the octets of a file, or the names in a folder, last.
func syncFile(f interface{ Sync() error }) error { return f.Sync() }
