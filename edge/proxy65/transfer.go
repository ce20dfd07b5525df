package proxy65

import (
	"errors"
	"io"
	"net"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// pieceBytes are handed over at once.
const pieceBytes = 32 << 10

// transfer hands over bytes between two parties.
type transfer struct {
	parties []net.Conn
	limits  Limits
	bytes   prometheus.Counter
}

// run returns when both directions have ended, or one has failed.
func (t *transfer) run() {
	t.moves()
	var both sync.WaitGroup
	both.Go(func() { t.copy(t.parties[1], t.parties[0]) })
	both.Go(func() { t.copy(t.parties[0], t.parties[1]) })
	both.Wait()
	t.end()
}

// moves gives both parties time again: as long as something passes in one direction, the other may be silent.
func (t *transfer) moves() {
	until := time.Now().Add(t.limits.Idle)
	for _, p := range t.parties {
		_ = p.SetDeadline(until) // fails when it is gone, which whoever reads notices
	}
}

func (t *transfer) end() {
	for _, p := range t.parties {
		_ = p.Close()
	}
}

// copy hands over one direction to its end, which the other party is told; what fails ends both.
func (t *transfer) copy(to, from net.Conn) {
	pace := pace{rate: t.limits.Rate}
	piece := make([]byte, pieceBytes)
	for {
		n, err := from.Read(piece)
		if n > 0 {
			t.moves()
			if _, err := to.Write(piece[:n]); err != nil {
				t.end()
				return
			}
			t.bytes.Add(float64(n))
			time.Sleep(pace.pay(n, time.Now()))
		}
		switch {
		case errors.Is(err, io.EOF):
			if half, ok := to.(interface{ CloseWrite() error }); ok && half.CloseWrite() == nil {
				return
			}
			t.end()
			return
		case err != nil:
			t.end()
			return
		}
	}
}

// CloseWrite ends what is sent to a party: it may still send.
func (p *party) CloseWrite() error {
	half, ok := p.Conn.(*net.TCPConn)
	if !ok {
		return errors.ErrUnsupported
	}
	return half.CloseWrite()
}

// pace keeps a direction to its rate. It lets pass what comes within a moment at once.
type pace struct {
	rate int
	due  time.Time // when all that has passed would have passed at the rate
}

// burst is that moment.
const burst = 250 * time.Millisecond

// pay takes n bytes and returns how long to wait before the next.
func (p *pace) pay(n int, now time.Time) time.Duration {
	if p.due.Before(now) {
		p.due = now
	}
	p.due = p.due.Add(time.Duration(int64(n) * int64(time.Second) / int64(p.rate)))
	if ahead := p.due.Sub(now); ahead > burst {
		return ahead - burst
	}
	return 0
}
