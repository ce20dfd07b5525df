//go:build !unix

package stream

import (
	"net"
	"syscall"
)

func rawConn(net.Conn) syscall.RawConn { return nil }

func (t *Transport) waitReady() error { return t.waitBlocking() }

func (t *Transport) poll() (int, error) { return 0, nil } // never: nothing is watched

func (t *Transport) writeNow([]byte) (int, error) { return 0, nil }
