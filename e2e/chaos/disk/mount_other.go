//go:build !linux

package disk

import "errors"

// A Mounted disk appears under a folder of this machine.
type Mounted struct{}

// Lacking says that only Linux can mount a Disk.
func Lacking() error { return errors.New("no simulated disk: it is mounted through Linux FUSE only") }

// Mount fails: see Lacking.
func Mount(*Disk, string) (*Mounted, error) { return nil, Lacking() }

// Unmount does nothing, since nothing can be mounted.
func (*Mounted) Unmount() error { return nil }
