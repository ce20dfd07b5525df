package port

import (
	"fmt"
	"net"
	"testing"
)

func TestFree(t *testing.T) {
	seen := make(map[int]bool)
	for range 200 {
		n, err := Free()
		if err != nil {
			t.Fatal(err)
		}
		if seen[n] || n < first || n >= end {
			t.Fatalf("port %d, given before: %v", n, seen[n])
		}
		seen[n] = true
		l, err := net.Listen("tcp", fmt.Sprintf("127.0.0.1:%d", n))
		if err != nil {
			t.Fatal(err)
		}
		defer l.Close()
		if other, err := net.Listen("unix", fmt.Sprintf("@stonechat-port-%d", n)); err == nil {
			_ = other.Close()
			t.Fatalf("another process could claim %d", n)
		}
	}
}
