//go:build race

package cache

// crashStride: with the race detector each crash takes ten times as long.
const crashStride = 7
