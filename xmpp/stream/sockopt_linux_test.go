package stream

import (
	"errors"
	"net"
	"syscall"
	"testing"
	"time"
)

func TestSocketOptions(t *testing.T) {
	near, _ := sockets(t)
	tr := NewTransport(near)
	err := tr.SetOptions(SocketOptions{UserTimeout: 42 * time.Second, KeepAlive: net.KeepAliveConfig{Enable: true, Idle: 77 * time.Second}})
	if err != nil {
		t.Fatal(err)
	}
	for option, want := range map[int]int{tcpUserTimeout: 42_000, syscall.TCP_KEEPIDLE: 77, syscall.TCP_NODELAY: 1} {
		got := 0
		err := tr.raw.Control(func(fd uintptr) { got, err = syscall.GetsockoptInt(int(fd), syscall.IPPROTO_TCP, option) })
		if err != nil || got != want {
			t.Errorf("option %d is %d, not %d: %v", option, got, want, err)
		}
	}
	pipe, _ := net.Pipe()
	if err := NewTransport(pipe).SetOptions(SocketOptions{}); !errors.Is(err, ErrNotTCP) {
		t.Error(err)
	}
}
