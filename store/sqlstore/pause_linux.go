package sqlstore

import "golang.org/x/sys/unix"

// pause sleeps for well under 100 µs (20 µs and the kernel's slack of 50). Timers of the runtime would round it up to a millisecond.
// Being woken early by a signal is as good.
func pause() {
	if unix.Nanosleep(&unix.Timespec{Nsec: 20_000}, nil) != nil {
		return
	}
}
