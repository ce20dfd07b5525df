package sqlstore

import (
	"errors"
	"syscall"

	"golang.org/x/sys/unix"
)

// unconfirmed bounds how long sent bytes may stay unconfirmed before a connection counts as broken, milliseconds: keep-alives are not sent
// meanwhile.
func unconfirmed(network, _ string, c syscall.RawConn) error {
	if network == "unix" {
		return nil
	}
	var err error
	controlErr := c.Control(func(fd uintptr) { err = unix.SetsockoptInt(int(fd), unix.IPPROTO_TCP, unix.TCP_USER_TIMEOUT, 30_000) })
	return errors.Join(controlErr, err)
}
