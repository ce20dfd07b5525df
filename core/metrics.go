package core

import (
	"sync/atomic"

	"github.com/prometheus/client_golang/prometheus"

	"stonechat/obs"
)

// Metrics are the figures of all hosts of a server.
type Metrics struct {
	sessions atomic.Int64
	detached atomic.Int64
	inactive atomic.Int64
	held     prometheus.Counter
	spared   prometheus.Counter
	released *prometheus.CounterVec
	guests   atomic.Int64
	rooms    atomic.Int64
	resumed  prometheus.Counter
	parked   atomic.Int64
	restored atomic.Int64
	spoiled  atomic.Int64
	panics   prometheus.Counter
	failures prometheus.Counter
	refused  *prometheus.CounterVec
	windows  budget

	privileges *prometheus.CounterVec // uses of components
}

// NewMetrics registers the figures of core.
func NewMetrics(o obs.Obs) *Metrics {
	m := &Metrics{
		resumed:  o.Counter("sessions_resumed_total", "Sessions that were resumed after a lost connection."),
		panics:   o.Counter("panics_total", "Turns that ended in a panic; each is a mistake in the program."),
		failures: o.Counter("internal_errors_total", "Stanzas answered with internal-server-error."),
		held:     o.Counter("held_total", "Stanzas held for clients that nobody looks at (XEP-0352)."),
		spared:   o.Counter("held_spared_total", "Stanzas never sent to such clients, since newer ones took their places."),
		released: o.CounterVec("held_released_total", "Times that what was held for a client was sent, by reason.", "reason"),
		refused:  o.CounterVec("refused_total", "Things refused to protect the server, by reason.", "reason"),
	}
	m.privileges = o.CounterVec("component_privileges_total", "What components did in the name of accounts (XEP-0356), by use.", "use")
	count := func(name, help string, n *atomic.Int64) {
		o.CounterFunc(name, help, func() float64 { return float64(n.Load()) })
	}
	count("sessions_parked_total", "Times that a session without a connection was written to disk.", &m.parked)
	count("sessions_restored_total", "Sessions read back from before a restart.", &m.restored)
	count("sessions_unreadable_total", "Sessions on disk that could not be read; their clients log in anew.", &m.spoiled)
	o.CounterFunc("windows_shrunk_total", "Times that a client had to wait because all windows together were used up.", func() float64 {
		return float64(m.windows.shrunk.Load())
	})
	o.Gauge("window_bytes", "What clients have sent and is not settled, bytes.", func() float64 { return float64(m.windows.held.Load()) })
	o.Gauge("sessions", "Bound sessions, detached ones included.", func() float64 { return float64(m.sessions.Load()) })
	o.Gauge("sessions_inactive", "Sessions whose clients say that nobody looks at them.", func() float64 { return float64(m.inactive.Load()) })
	o.Gauge("guests", "People without an account that are here now.", func() float64 { return float64(m.guests.Load()) })
	o.Gauge("rooms", "Rooms in memory: those that somebody is in, or lately was.", func() float64 { return float64(m.rooms.Load()) })
	o.Gauge("sessions_detached", "Sessions without a connection that can be resumed.", func() float64 { return float64(m.detached.Load()) })
	return m
}

// Refused counts one refusal.
func (m *Metrics) Refused(reason string) { m.refused.WithLabelValues(reason).Inc() }

// Sessions is how many sessions are bound.
func (m *Metrics) Sessions() int { return int(m.sessions.Load()) }

// Panics counts one panic outside turns.
func (m *Metrics) Panics() { m.panics.Inc() }
