//go:build !linux

package cache

// punch does nothing here: what is not held of a part takes room until the
// body is complete or gone.
func punch(file, int64, int64) {}
