// Command floor measures what the machine, the kernel and the Go runtime cost
// without XMPP. It accepts connections, with or without TLS, reads a one-line
// login and then does one of two things: it keeps the connection and nothing
// else, or it routes: each line is passed on, byte for byte, to the name in
// its to='…' attribute, or to everybody else when that name is '*'. No server
// that does more can be cheaper, so its figures are the floor of a benchmark.
//
// Two ways to wait are offered: a goroutine parked in Read per connection
// (park), and a descriptor in an epoll set with no goroutine while nothing
// arrives (hand).
package main

import (
	"crypto/tls"
	"errors"
	"flag"
	"fmt"
	"net"
	"os"
	"runtime/debug"
	"time"
)

func main() {
	fmt.Fprintln(os.Stderr, "floor:", run())
	os.Exit(1)
}

// run serves until something fails.
func run() error {
	address := flag.String("listen", "127.0.0.1:0", "address to listen on")
	mode := flag.String("mode", "park", "park: a goroutine per connection; hand: none while idle")
	certificate := flag.String("cert", "", "certificate file; no TLS when empty")
	key := flag.String("key", "", "key file")
	plain := flag.String("plain", "", "second address to listen on, without TLS; none when empty")
	trim := flag.Duration("trim", 0, "give free memory back to the system this often; 0 is never")
	flag.Parse()
	if *mode != "park" && *mode != "hand" {
		return errors.New("-mode is park or hand")
	}
	var config *tls.Config
	if *certificate != "" {
		pair, err := tls.LoadX509KeyPair(*certificate, *key)
		if err != nil {
			return err
		}
		config = &tls.Config{
			Certificates: []tls.Certificate{pair},
			MinVersion:   tls.VersionTLS13,
			NextProtos:   []string{"xmpp-client"},
		}
	}
	listener, err := net.Listen("tcp", *address)
	if err != nil {
		return err
	}
	fmt.Println(listener.Addr())
	if *plain != "" {
		second, err := net.Listen("tcp", *plain)
		if err != nil {
			return err
		}
		go func() { _ = serve(second, nil, *mode == "hand") }()
	}
	if *trim > 0 {
		go func() {
			for range time.Tick(*trim) {
				debug.FreeOSMemory()
			}
		}()
	}
	return serve(listener, config, *mode == "hand")
}

func serve(listener net.Listener, config *tls.Config, hand bool) error {
	router := newRouter()
	var waiter *waiter
	if hand {
		var err error
		if waiter, err = newWaiter(); err != nil {
			return err
		}
		go waiter.run()
	}
	for {
		conn, err := listener.Accept()
		if err != nil {
			return err
		}
		go func() {
			if waiter != nil {
				waiter.accept(conn, config, router)
				return
			}
			if config != nil {
				conn = tls.Server(conn, config)
			}
			park(conn, router)
		}()
	}
}

// park serves a connection from a goroutine that waits in Read.
func park(conn net.Conn, router *router) {
	client := &client{conn: conn, router: router}
	defer client.close()
	buffer := make([]byte, 1024)
	for {
		n, err := conn.Read(buffer)
		if err != nil || client.take(buffer[:n]) != nil {
			return
		}
	}
}
