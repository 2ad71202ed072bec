//go:build !linux

package authority

// afresh has nothing to do where a store is no folder of links.
func afresh() (undo func()) { return func() {} }
