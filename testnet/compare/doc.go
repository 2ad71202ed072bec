// Package compare measures a node beside the caches that people use today:
// nginx proxy_cache, Varnish and Squid, each in front of one and the same
// origin, in one run, on one core of its own.
//
// It has only benchmarks, under the tag system, and a test that each of the
// caches is set up so that the comparison is fair: the second request for a
// page does not reach the origin. Figures are per second of CPU time of the
// server's processes, which a noisy machine changes least.
//
// The test process moves itself into a network namespace (so it needs root)
// where congestion control is reno, which every kernel has and allows there:
// bbr paces loopback.
package compare
