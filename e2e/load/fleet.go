package main

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"stonechat/e2e/load/target"
	"stonechat/e2e/load/wire"
)

const (
	loginWait    = 60 * time.Second
	loginsAtOnce = 16
	available    = "<presence/>"
)

// login logs one user in; no presence is sent.
func (c *cell) login(ctx context.Context, user string, security wire.Security, acks bool) (*wire.Session, error) {
	return c.dial(ctx, user, "load", security, acks)
}

func (c *cell) dial(ctx context.Context, user, resource string, security wire.Security, acks bool) (*wire.Session, error) {
	ctx, cancel := context.WithTimeout(ctx, loginWait)
	defer cancel()
	return wire.Dial(ctx, wire.Login{
		Addr: c.server.Addr(security), Host: target.Host, User: user, Password: target.Password, Resource: resource,
		Security: security, Acks: acks, Floor: c.server.Floor, Keys: c.bench.keys,
	})
}

// online logs a user in as clients do: roster, then presence.
func (c *cell) online(ctx context.Context, user string, security wire.Security, acks bool) (*wire.Session, error) {
	session, err := c.login(ctx, user, security, acks)
	if err != nil || c.server.Floor {
		return session, err
	}
	_, err = session.IQ("roster", "get", "", "<query xmlns='jabber:iq:roster'/>")
	if err == nil {
		err = session.Send([]byte(available))
	}
	if err != nil {
		return nil, errors.Join(err, session.Drop())
	}
	return session, nil
}

// present returns when the server has taken in the session's presence: it
// answers in order, so a ping (XEP-0199) tells. Without it a message could
// overtake the presence and be kept for an absent user instead of delivered.
func (c *cell) present(session *wire.Session) error {
	if c.server.Floor {
		return nil
	}
	if _, err := session.IQ("present", "get", target.Host, "<ping xmlns='urn:xmpp:ping'/>"); err != nil {
		return errors.Join(err, session.Drop())
	}
	return nil
}

// member is one session of a fleet, with a goroutine that reads it.
type member struct {
	*wire.Session
	done chan struct{}
}

// fleet is a set of sessions that are all online.
type fleet struct {
	members []*member
}

// handler sees every stanza that member i receives, in the member's own
// goroutine. The slice is valid during the call.
type handler func(i int, stanza []byte)

// gather brings n users online, user by user from names, and reads for them.
// On an error the sessions opened so far are closed.
func (c *cell) gather(ctx context.Context, n int, name func(int) string, security wire.Security, acks bool, handle handler) (*fleet, error) {
	f := &fleet{members: make([]*member, n)}
	return f, c.extend(ctx, f, 0, name, security, acks, handle)
}

// extend brings the members from index first on online.
func (c *cell) extend(ctx context.Context, f *fleet, first int, name func(int) string, security wire.Security, acks bool, handle handler) error {
	var wait sync.WaitGroup
	var once sync.Once
	var failed error
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	turns := make(chan int)
	for range loginsAtOnce {
		wait.Go(func() {
			for i := range turns {
				session, err := c.online(ctx, name(i), security, acks)
				if err == nil && handle != nil {
					err = c.present(session)
				}
				if err != nil {
					once.Do(func() { failed = err; cancel() })
					continue
				}
				f.members[i] = read(i, session, handle)
			}
		})
	}
	for i := first; i < len(f.members); i++ {
		turns <- i
	}
	close(turns)
	wait.Wait()
	if failed != nil {
		f.drop()
		return fmt.Errorf("bringing %d users online: %w", len(f.members), failed)
	}
	return nil
}

func read(i int, session *wire.Session, handle handler) *member {
	m := &member{Session: session, done: make(chan struct{})}
	go func() {
		defer close(m.done)
		for {
			stanza, err := session.Next()
			if err != nil {
				return
			}
			if handle != nil {
				handle(i, stanza)
			}
		}
	}()
	return m
}

// leave stops the reader and logs out in order.
func (m *member) leave() error {
	if err := m.SetReadDeadline(time.Now()); err != nil {
		return err
	}
	<-m.done
	return m.Close()
}

// close logs everybody out in order, so that no server keeps a session for
// resumption into the next figure.
func (f *fleet) close() error {
	var wait sync.WaitGroup
	errs := make([]error, len(f.members))
	slots := make(chan struct{}, loginsAtOnce)
	for i, m := range f.members {
		if m == nil {
			continue
		}
		slots <- struct{}{}
		wait.Go(func() {
			errs[i] = m.leave()
			<-slots
		})
	}
	wait.Wait()
	return errors.Join(errs...)
}

// drop closes the connections without a word; for sessions whose server is
// about to be stopped, and after an error.
func (f *fleet) drop() {
	for _, m := range f.members {
		if m != nil {
			_ = m.Drop()
			<-m.done
		}
	}
}
