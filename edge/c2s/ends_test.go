package c2s

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"strings"
	"testing"
	"time"

	"stonechat/config"
	"stonechat/xmpp/stanza"
)

// readUntil reads byte by byte, so that nothing behind what is wanted is lost.
func readUntil(t *testing.T, nc net.Conn, want string) {
	t.Helper()
	var all strings.Builder
	for p := make([]byte, 1); !strings.HasSuffix(all.String(), want); all.Write(p) {
		if _, err := nc.Read(p); err != nil {
			t.Fatalf("%v after %s", err, all.String())
		}
	}
}

// The time for logging in counts behind STARTTLS, too.
func TestLoginTimeBehindStartTLS(t *testing.T) {
	r := newRig(t, func(r *rig) { r.cfg.Limits.LoginTime = config.Duration(time.Second) })
	nc, server, c := r.accept()
	go c.serve(arrival{nc: server})
	if _, err := fmt.Fprint(nc, header, "<starttls xmlns='urn:ietf:params:xml:ns:xmpp-tls'/>"); err != nil {
		t.Fatal(err)
	}
	readUntil(t, nc, "<proceed xmlns='urn:ietf:params:xml:ns:xmpp-tls'/>")
	client := tls.Client(nc, &tls.Config{InsecureSkipVerify: true})
	if err := client.Handshake(); err != nil {
		t.Fatal(err)
	}
	if err := nc.SetReadDeadline(time.Now().Add(time.Minute)); err != nil {
		t.Fatal(err)
	}
	if _, err := io.ReadAll(client); errors.Is(err, os.ErrDeadlineExceeded) {
		t.Error("still connected a minute later")
	}
	if err := r.door.Wait(t.Context()); err != nil {
		t.Error(err)
	}
}

// A mistake of ours ends the connection and, for the moment, its session; nothing of them is left.
func TestPanicEndsTheSession(t *testing.T) {
	r := newRig(t, nil)
	client, c := r.bound("")
	session := c.session
	c.session = nil // the mistake
	done := make(chan struct{})
	c.door.poller.Serve(c.stream, c.receive, func() {
		c.session = session
		c.half()
		c.leave()
		close(done)
	})
	if _, err := fmt.Fprint(client, "<message to='juliet@example.org' type='chat' id='m'><body>x</body></message>"); err != nil {
		t.Fatal(err)
	}
	<-done
	if n := r.sessions(); n != 0 {
		t.Errorf("%d sessions live on a connection that is closed and forgotten", n)
	}
	if err := r.door.Wait(t.Context()); err != nil {
		t.Error(err)
	}
}

// Wait returns when its context has ended, also when a session was not closed by its host.
func TestWaitHeedsItsContext(t *testing.T) {
	r := newRig(t, nil)
	_, c := r.bound("")
	c.attend()
	r.door.StopReading()
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
	defer cancel()
	if err := r.door.Wait(ctx); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("waited: %v", err)
	}
}

// A connection that was accepted just before reading stopped ends by itself.
func TestInterruptedEarly(t *testing.T) {
	r := newRig(t, func(r *rig) { r.cfg.Limits.LoginTime = config.Duration(time.Hour) })
	_, server, c := r.accept()
	r.door.StopReading()
	go c.serve(arrival{nc: server})
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	if err := r.door.Wait(ctx); err != nil {
		t.Errorf("not interrupted: %v", err)
	}
}

// An interruption is not taken back by the reading that is about to begin: every session sets its patience first.
func TestInterruptedBeforeItReads(t *testing.T) {
	r := newRig(t, nil)
	_, c := r.bound("")
	r.door.StopReading()
	c.stream.SetReadTimeout(c.patience())
	got := make(chan error, 1)
	c.door.poller.Serve(c.stream, func(_ *stanza.Stanza, err error) bool {
		if err != nil {
			got <- err
		}
		return err == nil
	}, c.leave)
	select {
	case err := <-got:
		if !errors.Is(err, os.ErrDeadlineExceeded) {
			t.Error(err)
		}
	case <-time.After(10 * time.Second):
		t.Fatal("it reads on")
	}
	if err := r.door.Wait(t.Context()); err != nil {
		t.Error(err)
	}
}
