//go:build linux || darwin || freebsd

package backup

import (
	"os"

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

// createPartial makes the file, or takes over what a backup has left that was killed. Another that is under way holds its lock.
func createPartial(name string) (*os.File, error) {
	f, err := os.OpenFile(name, os.O_RDWR|os.O_CREATE|unix.O_NOFOLLOW, 0o600)
	if err != nil {
		return nil, err
	}
	if err = unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB); err == nil {
		err = f.Chmod(0o600)
	}
	// The other may have finished between our opening and locking: then this file has its last name by now.
	if err == nil && !stillAt(f, name) {
		err = unix.EAGAIN
	}
	if err == nil {
		err = f.Truncate(0)
	}
	if err != nil {
		_ = f.Close() // nothing was written
		return nil, &os.PathError{Op: "lock", Path: name, Err: err}
	}
	return f, nil
}

// stillAt tells whether an open file has this name.
func stillAt(f *os.File, name string) bool {
	here, err1 := f.Stat()
	there, err2 := os.Lstat(name)
	return err1 == nil && err2 == nil && os.SameFile(here, there)
}
