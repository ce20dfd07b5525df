package web

import (
	"context"
	"errors"
	"io"
	"net/http"
	"time"

	"stonechat/core"
)

// A page's body and answer may be long. Each must go on by paceBytes in paceTime, so about a kilobyte a second; then it may take as long as it likes.
const (
	paceBytes = 32 << 10
	paceTime  = 30 * time.Second
)

// page has a module answer.
func (d *Door) page(w http.ResponseWriter, r *http.Request, page core.Page) {
	if core.Permit(core.Actor{}, page.Action, core.Object{}) != nil {
		http.Error(w, "", http.StatusForbidden)
		return
	}
	out := http.NewResponseController(w)
	in := pace{ending: d.ending, set: out.SetReadDeadline}
	back := pace{ending: d.ending, set: out.SetWriteDeadline}
	defer context.AfterFunc(d.ending, func() {
		in.cut()
		back.cut()
	})()
	body := r.Body
	paced := r.WithContext(r.Context()) // a copy: net/http looks into its own for what was not read
	paced.Body = &pacedBody{body, &in}
	page.Serve(&pacedWriter{w, &back}, paced)
	if r.ContentLength != 0 {
		linger(out, body)
		in.rest()
	}
}

// lingerTime is how long a client that was answered may go on sending what nobody reads.
const lingerTime = 500 * time.Millisecond

// linger has a client hear its answer although it is still sending: a connection that is closed with unread bytes takes the answer with it (RFC 9112 section 9.6).
func linger(out *http.ResponseController, body io.Reader) {
	// Whatever fails here, the connection is gone, or ends now.
	_ = out.EnableFullDuplex() // or what was not read would end the connection before
	_ = out.Flush()
	_ = out.SetReadDeadline(time.Now().Add(lingerTime))
	_, _ = io.Copy(io.Discard, body)
}

// pace moves a deadline on as bytes pass.
type pace struct {
	ending context.Context
	set    func(time.Time) error
	begun  bool
	passed int
}

// next is called before up to paceBytes pass.
func (p *pace) next() {
	if p.begun && p.passed < paceBytes {
		return
	}
	p.begun, p.passed = true, 0
	_ = p.set(time.Now().Add(paceTime)) // fails when the connection is gone, which whoever reads or writes notices
	if p.ending.Err() != nil {
		p.cut() // it has ended meanwhile, and what was set before may have been undone
	}
}

// rest takes the deadline away: all has passed, and whoever answers may take the time that takes.
func (p *pace) rest() {
	_ = p.set(time.Time{})
	if p.ending.Err() != nil {
		p.cut()
	}
}

// cut ends what is under way.
func (p *pace) cut() { _ = p.set(time.Unix(1, 0)) }

type pacedBody struct {
	io.ReadCloser
	pace *pace
}

// Read implements io.Reader.
func (b *pacedBody) Read(to []byte) (int, error) {
	b.pace.next()
	n, err := b.ReadCloser.Read(to[:min(len(to), paceBytes)])
	b.pace.passed += n
	if errors.Is(err, io.EOF) {
		b.pace.rest()
	}
	return n, err
}

type pacedWriter struct {
	http.ResponseWriter
	pace *pace
}

// WriteHeader implements http.ResponseWriter.
func (w *pacedWriter) WriteHeader(status int) {
	w.pace.next()
	w.ResponseWriter.WriteHeader(status)
}

// Write implements io.Writer. Whoever copies through it does so in pieces of paceBytes at most, as io.Copy does.
func (w *pacedWriter) Write(p []byte) (int, error) {
	w.pace.next()
	n, err := w.ResponseWriter.Write(p)
	w.pace.passed += n
	return n, err
}
