//go:build !linux

package cache

import "os"

// punch does nothing here: what is not held of a part takes room until the
// body is complete or gone.
func punch(*os.File, int64, int64) {}
