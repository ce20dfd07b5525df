package server_test

import (
	"bufio"
	"crypto/tls"
	"fmt"
	"net"
	"net/http"
	"testing"

	"stonechat/config"
)

// Whoever holds connections for HTTP open, which takes no log-in, does not fill the room: the oldest make room as handshakes do.
func TestVisitorsDoNotFillTheRoom(t *testing.T) {
	r := startWith(t, "example.org", func(c *config.Config) {
		c.Limits.Connections, c.Limits.Handshakes = 8, 4
	})
	for i := range 12 {
		d := net.Dialer{LocalAddr: &net.TCPAddr{IP: net.IPv4(127, 0, 0, byte(2+i))}}
		socket, err := d.Dial("tcp", r.Addresses("https")[0].String())
		if err != nil {
			t.Skip("loopback has one address only: ", err)
		}
		defer socket.Close()
		nc := tls.Client(socket, &tls.Config{InsecureSkipVerify: true, NextProtos: []string{"http/1.1"}})
		if _, err := fmt.Fprint(nc, "GET /.well-known/host-meta.json HTTP/1.1\r\nHost: example.org\r\n\r\n"); err != nil {
			t.Fatal(err)
		}
		a, err := http.ReadResponse(bufio.NewReader(nc), nil)
		if err != nil || a.StatusCode != http.StatusOK {
			t.Fatalf("visitor %d: %v", i, err)
		}
	}
	r.dial("alice", nil)
	r.dial("bob", r.overWebSocket)
}
