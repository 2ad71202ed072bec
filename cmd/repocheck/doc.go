// Repocheck tests the promises that the whole repository makes about its own
// source: which package may import which, one package comment each, sizes,
// and the ways in which tests must be honest.
//
//	repocheck [ROOT]
//
// prints one line for each violation and exits 1, or exits 0 in silence. The
// same rules run under go test, so a change that breaks one fails there first.
//
// The rules read the files and parse them; they never ask the go command,
// whose answers to a test may come from a cache that does not know about the
// files behind them. A rule never changes a file and never opens a connection.
//
// To add a rule: write its function, name it in rules, and give it an example
// that it accepts and one that it refuses in its test file.
package main
