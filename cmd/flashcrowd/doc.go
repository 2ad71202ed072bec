// Command flashcrowd runs a node of a peer-to-peer web cache without trackers,
// and asks a running one.
//
// It promises: what a program may read goes to standard output, what is said
// to a person to standard error; it exits with 0 when the thing is done, 1 when
// it failed and 2 when it was asked for something that cannot be meant. A flag
// wins over its environment variable, that over the configuration file, that
// over the default; a name that nobody knows is an error and not ignored.
//
// It never decides anything about bytes, peers or caches: it turns flags into a
// node.Config, and answers of the node's API into lines.
package main
