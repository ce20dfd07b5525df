package stream

import (
	"errors"
	"net"
	"time"
)

// SocketOptions tune how a dead TCP connection is found out.
type SocketOptions struct {
	// UserTimeout ends the connection when sent bytes stay without an
	// acknowledgement of the peer's system for so long (TCP_USER_TIMEOUT, RFC
	// 5482). 0 leaves the system's choice. It works on Linux only.
	UserTimeout time.Duration
	// KeepAlive are the probes on a silent connection; the zero value turns
	// them off.
	KeepAlive net.KeepAliveConfig
}

// ErrNotTCP says that the connection has no such options.
var ErrNotTCP = errors.New("stream: not a TCP connection")

// SetOptions sets socket options. It returns ErrNotTCP or the system's error;
// the connection can be used all the same.
func (t *Transport) SetOptions(o SocketOptions) error {
	tc, ok := t.nc.(*net.TCPConn)
	if !ok {
		return ErrNotTCP
	}
	if err := tc.SetKeepAliveConfig(o.KeepAlive); err != nil {
		return err
	}
	if o.UserTimeout <= 0 || t.raw == nil {
		return nil
	}
	return setUserTimeout(t.raw, o.UserTimeout)
}
