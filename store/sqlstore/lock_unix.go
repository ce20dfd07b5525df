//go:build unix

package sqlstore

import (
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"golang.org/x/sys/unix"
)

// lockFolder takes the folder for this process until the file is closed. The lock is the kernel's, so that a process that died leaves
// none behind; the process number within is for people.
func lockFolder(path string) (*os.File, error) {
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, err
	}
	if err := unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB); err != nil {
		holder, readErr := io.ReadAll(io.LimitReader(f, 32))
		err = errors.Join(err, readErr, f.Close())
		return nil, fmt.Errorf("%s: the data folder is in use by process %s: %w", path, strings.TrimSpace(string(holder)), err)
	}
	_, err = f.WriteAt(fmt.Appendf(nil, "%d\n", os.Getpid()), 0)
	if err = errors.Join(err, f.Truncate(int64(len(fmt.Sprint(os.Getpid()))+1))); err != nil {
		return nil, errors.Join(err, f.Close())
	}
	return f, nil
}
