// Package report writes what came of a rehearsal as one HTML file that can be
// sent to somebody: table and plots are in it, nothing is loaded, and no
// script runs.
package report
