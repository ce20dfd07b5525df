// Package port gives test servers ports that nothing else takes before the
// server binds them, or while it is down between two starts.
package port

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"strconv"
	"sync"
)

// first and end bound the ports given out: below those that Linux gives to
// outgoing connections and to listeners on port 0
// (net.ipv4.ip_local_port_range begins at 32768).
const first, end = 10000, 32768

// claims holds what keeps other test processes off a port for as long as this
// process lives: an abstract Unix socket of its number, which the kernel takes
// back with the process.
var claims struct {
	sync.Mutex
	held []net.Listener
}

// Free returns a TCP port on 127.0.0.1 that nobody listens on and that no other
// caller gets while this process lives.
func Free() (int, error) {
	for range 1000 {
		n := first + rand.IntN(end-first)
		claim, err := net.Listen("unix", "@stonechat-port-"+strconv.Itoa(n))
		if err != nil {
			continue
		}
		l, err := net.Listen("tcp", fmt.Sprintf("127.0.0.1:%d", n))
		if err != nil {
			_ = claim.Close()
			continue
		}
		claims.Lock()
		claims.held = append(claims.held, claim)
		claims.Unlock()
		return n, l.Close()
	}
	return 0, errors.New("port: none is free")
}

// FreeAddress returns the loopback address of a port from Free.
func FreeAddress() (string, error) {
	n, err := Free()
	return fmt.Sprintf("127.0.0.1:%d", n), err
}
