//go:build linux || darwin || freebsd

package blob

import (
	"errors"

	"golang.org/x/sys/unix"
)

// freeSpace is how many bytes an ordinary user may still write into a folder.
func freeSpace(folder string) (free int64, known bool, err error) {
	var s unix.Statfs_t
	if err := unix.Statfs(folder, &s); err != nil {
		return 0, false, err
	}
	return int64(s.Bavail) * int64(s.Bsize), true, nil
}

// noRoom tells whether an error says that the disk is full.
func noRoom(err error) bool {
	return errors.Is(err, unix.ENOSPC) || errors.Is(err, unix.EDQUOT) || errors.Is(err, unix.EFBIG)
}
