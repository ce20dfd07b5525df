package c2s

import (
	"context"
	"crypto/tls"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"sync"
	"testing"
	"time"

	"stonechat/config"
	"stonechat/xmpp/ns"
)

// What a client may say by the time somebody makes it leave: as much as it can by each kind of door.
const (
	guestAuth = header + "<auth xmlns='" + ns.SASL + "' mechanism='ANONYMOUS'>=</auth>"
	guestIn   = header + "<authenticate xmlns='" + ns.SASL2 + "' mechanism='ANONYMOUS'><initial-response/><bind xmlns='" + ns.Bind2 + "'/></authenticate>"
	upgrading = "GET /ws HTTP/1.1\r\nHost: example.org\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n" +
		"Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\nSec-WebSocket-Protocol: xmpp\r\n\r\n"
)

// way is how a client comes, and how far.
type way struct{ address, alpn, say string }

// come goes that way, until the door or its patience ends it.
func (x way) come() {
	nc, err := net.Dial("tcp", x.address)
	if err != nil {
		return
	}
	defer nc.Close()
	_ = nc.SetDeadline(time.Now().Add(time.Duration(rand.IntN(600)) * time.Millisecond))
	if x.alpn != "" {
		nc = tls.Client(nc, &tls.Config{InsecureSkipVerify: true, NextProtos: []string{x.alpn}})
	}
	_, _ = fmt.Fprint(nc, x.say)
	_, _ = io.Copy(io.Discard, nc)
}

// everyWay opens every kind of door.
func (r *rig) everyWay() (all []way, shut func()) {
	r.t.Helper()
	var ends []func()
	listen := func(serve func(net.Listener) error) string {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			r.t.Fatal(err)
		}
		ended := make(chan error)
		go func() { ended <- serve(l) }()
		ends = append(ends, func() {
			_ = l.Close()
			if err := <-ended; err != nil {
				r.t.Error(err)
			}
		})
		return l.Addr().String()
	}
	site := func(secure bool) func(net.Listener) error {
		return func(l net.Listener) error {
			v := r.door.Visitors(l, secure)
			s := &http.Server{Handler: http.HandlerFunc(r.door.WebSocket), ReadHeaderTimeout: time.Second}
			go func() { _ = s.Serve(v) }()
			defer s.Close()
			return v.Serve()
		}
	}
	plain := listen(func(l net.Listener) error { return r.door.Serve(l, false) })
	direct := listen(func(l net.Listener) error { return r.door.Serve(l, true) })
	web, clear := listen(site(true)), listen(site(false))
	shut = func() {
		for _, end := range ends {
			end()
		}
	}
	return []way{
		{plain, "", header + "<starttls xmlns='" + ns.TLS + "'/>"},
		{direct, "xmpp-client", guestAuth},
		{direct, "xmpp-client", guestIn},
		{direct, "", ""},
		{web, "xmpp-client", guestIn},
		{web, "http/1.1", upgrading},
		{web, "http/1.1", "GET /ws HTTP/1.1\r\nHost: example.org\r\n\r\n"},
		{web, "", ""},
		{clear, "", upgrading},
		{clear, "", "GE"},
	}, shut
}

// Wherever a connection ends, by its client, by making room, or with the door, its places come back.
func TestPlacesComeBack(t *testing.T) {
	r := newRig(t, func(r *rig) {
		r.cfg.Limits.Handshakes, r.cfg.Limits.Connections, r.cfg.Limits.LoginTime = 3, 12, config.Duration(400*time.Millisecond)
		r.cfg.Guests = config.Guests{To: []string{juliet.String()}, Most: 5, MostPerSource: 5, Idle: config.Duration(time.Hour)}
	})
	ways, shut := r.everyWay()
	var all sync.WaitGroup
	for i := range 200 {
		all.Go(ways[i%len(ways)].come)
		time.Sleep(2 * time.Millisecond)
	}
	all.Wait()
	shut()
	r.door.StopReading()
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	defer cancel()
	if err := r.door.Wait(ctx); err != nil {
		t.Error(err)
	}
	left := func() int { return r.door.connections.size() + r.door.handshakes.size() + r.door.waiting.size() }
	for until := time.Now().Add(20 * time.Second); left() > 0 && time.Now().Before(until); {
		time.Sleep(10 * time.Millisecond)
	}
	if left() != 0 || len(r.door.connections.sources) != 0 {
		t.Errorf("%d connections and %d handshakes are never given back", r.door.connections.size(), r.door.handshakes.size())
	}
}
