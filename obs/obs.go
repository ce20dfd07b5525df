// Package obs is how we see inside: one value with the logger and the metrics, passed to every constructor.
package obs

import (
	"fmt"
	"io"
	"log/slog"
	"strings"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
)

// Fixed keys of log records. A record never carries a message body or a secret.
const (
	Conn   = "conn"   // number of a connection
	JID    = "jid"    // address it is about
	Peer   = "peer"   // network address or other party
	Stanza = "stanza" // id of the stanza
	Err    = "err"    // what went wrong
	Reason = "reason" // why something was refused or ended
)

// Obs is passed by value; its zero value is not usable, see New and Discard.
type Obs struct {
	Log     *slog.Logger
	Metrics *prometheus.Registry
	Trace   *Trace
}

// New returns an Obs that writes records of at least level ("debug" … "error") to w in format "text" or "json".
// Both formats quote control characters, so that input cannot forge a line.
func New(w io.Writer, level, format string) (Obs, error) {
	var l slog.Level
	if err := l.UnmarshalText([]byte(strings.ToUpper(level))); err != nil {
		return Obs{}, fmt.Errorf("log level: %w", err)
	}
	opts := &slog.HandlerOptions{Level: l}
	var h slog.Handler = slog.NewTextHandler(w, opts)
	if format == "json" {
		h = slog.NewJSONHandler(w, opts)
	}
	o := Obs{Log: slog.New(h), Metrics: prometheus.NewRegistry(), Trace: &Trace{}}
	o.Metrics.MustRegister(collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	return o, nil
}

// Discard returns an Obs whose records go nowhere, for tests and tools.
func Discard() Obs {
	return Obs{Log: slog.New(slog.DiscardHandler), Metrics: prometheus.NewRegistry(), Trace: &Trace{}}
}

// Counter registers a counter; help says what one count means.
func (o Obs) Counter(name, help string) prometheus.Counter {
	c := prometheus.NewCounter(prometheus.CounterOpts{Namespace: "stonechat", Name: name, Help: help})
	o.Metrics.MustRegister(c)
	return c
}

// CounterVec registers counters by label.
func (o Obs) CounterVec(name, help string, labels ...string) *prometheus.CounterVec {
	c := prometheus.NewCounterVec(prometheus.CounterOpts{Namespace: "stonechat", Name: name, Help: help}, labels)
	o.Metrics.MustRegister(c)
	return c
}

// Gauge registers a gauge that asks f at each scrape.
func (o Obs) Gauge(name, help string, f func() float64) {
	o.Metrics.MustRegister(prometheus.NewGaugeFunc(prometheus.GaugeOpts{Namespace: "stonechat", Name: name, Help: help}, f))
}

// CounterFunc registers a counter that asks f at each scrape.
func (o Obs) CounterFunc(name, help string, f func() float64) {
	o.Metrics.MustRegister(prometheus.NewCounterFunc(prometheus.CounterOpts{Namespace: "stonechat", Name: name, Help: help}, f))
}
