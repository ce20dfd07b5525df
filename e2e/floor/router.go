package main

import (
	"bytes"
	"errors"
	"net"
	"sync"
)

// maxLine bounds an unfinished line, in bytes.
const maxLine = 64 << 10

var errLine = errors.New("line too long")

// router finds the connection that belongs to a name.
type router struct {
	mu      sync.RWMutex
	clients map[string]*client
}

func newRouter() *router { return &router{clients: make(map[string]*client)} }

// client is one connection; name is empty until it has logged in.
type client struct {
	conn   net.Conn
	router *router
	name   string
	rest   []byte // an unfinished line
}

// take handles bytes that arrived: the login line, then lines to route.
func (c *client) take(b []byte) error {
	if len(c.rest) > 0 {
		b = append(c.rest, b...)
		c.rest = nil
	}
	for {
		i := bytes.IndexByte(b, '\n')
		if i < 0 {
			break
		}
		if err := c.line(b[:i+1]); err != nil {
			return err
		}
		b = b[i+1:]
	}
	if len(b) > maxLine {
		return errLine
	}
	if len(b) > 0 {
		c.rest = bytes.Clone(b)
	}
	return nil
}

func (c *client) line(line []byte) error {
	if c.name == "" {
		c.name = string(line[:len(line)-1])
		c.router.mu.Lock()
		c.router.clients[c.name] = c
		c.router.mu.Unlock()
		_, err := c.conn.Write([]byte("<ok/>"))
		return err
	}
	to := bytes.Index(line, []byte("to='"))
	if to < 0 {
		return nil
	}
	name := line[to+len("to='"):]
	end := bytes.IndexByte(name, '\'')
	if end < 0 {
		return nil
	}
	if string(name[:end]) == "*" {
		return c.everybody(line)
	}
	c.router.mu.RLock()
	peer := c.router.clients[string(name[:end])]
	c.router.mu.RUnlock()
	if peer == nil {
		return nil
	}
	// A peer that went away is its own reader's business, not the sender's.
	_, _ = peer.conn.Write(line)
	return nil
}

// everybody passes a line on to all other clients.
func (c *client) everybody(line []byte) error {
	c.router.mu.RLock()
	peers := make([]*client, 0, len(c.router.clients))
	for _, peer := range c.router.clients {
		if peer != c {
			peers = append(peers, peer)
		}
	}
	c.router.mu.RUnlock()
	for _, peer := range peers {
		_, _ = peer.conn.Write(line)
	}
	return nil
}

func (c *client) close() {
	c.router.mu.Lock()
	if c.router.clients[c.name] == c {
		delete(c.router.clients, c.name)
	}
	c.router.mu.Unlock()
	_ = c.conn.Close()
}
