package stream

import "stonechat/xmpp/stanza"

// Serve reads until handle returns false, and gives it each element, or an
// error of Read instead; it may go on after os.ErrDeadlineExceeded only.
//
// A goroutine's stack grows with the deepest call it ever made and seldom
// shrinks below 4 KB again. So the calling goroutine only waits, and each time
// that something has arrived, handle runs in a goroutine of its own, until
// nothing more is there. The calls never overlap, and within handle the
// connection may be used as by the reading goroutine. Start Serve in a fresh
// goroutine: that is the one that stays.
func (c *Conn) Serve(handle func(st *stanza.Stanza, err error) (more bool)) {
	for {
		c.working.Add(1)
		go c.work(handle)
		c.working.Wait()
		if c.over {
			return
		}
		if err := c.await(); err != nil {
			c.readErr = err
		}
	}
}

// work handles what is in hand.
func (c *Conn) work(handle func(*stanza.Stanza, error) bool) {
	defer c.working.Done()
	for {
		st, err := c.read(false)
		if err == errAgain {
			return
		}
		if !handle(st, err) {
			c.over = true
			return
		}
	}
}
