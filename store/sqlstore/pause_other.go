//go:build !linux

package sqlstore

import "runtime"

// pause lets others run.
func pause() { runtime.Gosched() }
