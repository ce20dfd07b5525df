package server_test

import (
	"bufio"
	"encoding/binary"
	"io"
	"net"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"

	"stonechat/config"
	"stonechat/xmpp/jid"
	"stonechat/xmpp/stanza"
)

// looker speaks as much of clamd's protocol as it takes. It finds malware in whatever says so, and is silent when it is told to.
type looker struct {
	net.Listener
	asked  atomic.Int32
	silent atomic.Bool
}

func look(t *testing.T) *looker {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	k := &looker{Listener: l}
	t.Cleanup(func() { _ = l.Close() })
	go func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			k.serve(conn)
		}
	}()
	return k
}

func (k *looker) serve(conn net.Conn) {
	defer conn.Close()
	k.asked.Add(1)
	if k.silent.Load() {
		return
	}
	in := bufio.NewReader(conn)
	if _, err := in.ReadString(0); err != nil {
		return
	}
	var all strings.Builder
	for {
		var n uint32
		if err := binary.Read(in, binary.BigEndian, &n); err != nil {
			return
		}
		if n == 0 {
			break
		}
		if _, err := io.CopyN(&all, in, int64(n)); err != nil {
			return
		}
	}
	said := "stream: OK\x00"
	if strings.Contains(all.String(), "malware") {
		said = "stream: Test.Malware FOUND\x00"
	}
	_, _ = io.WriteString(conn, said)
}

// What the scanner finds something in is not kept, its slot is gone, and counts no longer.
func TestUploadIsScanned(t *testing.T) {
	k := look(t)
	r := startWith(t, uploadDomain, func(c *config.Config) {
		c.Files.Scanner, c.Files.ScanBytes, c.Upload.Files = "tcp:"+k.Addr().String(), 1000, 1
	})
	alice := r.dial("alice", nil)
	s := mustAsk(t, alice, "a.txt", 12, "")
	a, text := r.do("PUT", s.Put.URL, strings.NewReader("some malware"), nil)
	if a.StatusCode != http.StatusUnprocessableEntity || !strings.Contains(text, "Malware was found") || a.Header.Get("Access-Control-Allow-Origin") != "*" {
		t.Errorf("malware: %s %s", a.Status, text)
	}
	if all := contents(t, r.data); len(all) != 0 {
		t.Errorf("it was kept: %v", all)
	}
	for _, method := range []string{"GET", "PUT"} {
		if a, _ := r.do(method, s.Put.URL, strings.NewReader("harmless now"), nil); a.StatusCode != http.StatusNotFound && a.StatusCode != http.StatusGone {
			t.Errorf("then %s: %s", method, a.Status)
		}
	}
	// It is found whatever the pieces in which it comes.
	s = mustAsk(t, alice, "a.txt", 12, "")
	if a := r.appendTo(s, "0", "some mal", nil); a.StatusCode != http.StatusNoContent {
		t.Errorf("a piece: %s", a.Status)
	}
	if a := r.appendTo(s, "8", "ware", nil); a.StatusCode != http.StatusUnprocessableEntity {
		t.Errorf("malware in pieces: %s", a.Status)
	}
	if all := append(contents(t, r.data), incoming(t, r.data)...); len(all) != 0 {
		t.Errorf("it was kept: %v", all)
	}
	address := r.upload(alice, "b.txt", "text/plain", "harmless")
	if a, body := r.do("GET", address, nil, nil); a.StatusCode != http.StatusOK || body != "harmless" {
		t.Errorf("GET: %s %q", a.Status, body)
	}
	// Clients know beforehand what is too large to be looked into.
	if _, err := ask(t, alice, "c.txt", "1001", "", ""); condition(err) != stanza.NotAcceptable {
		t.Errorf("too large: %v", err)
	}
	st, err := alice.IQ(t.Context(), jid.MustParse("upload."+uploadDomain), stanza.Get, "<query xmlns='http://jabber.org/protocol/disco#info'/>")
	if err != nil || !strings.Contains(st.Inner(), "<value>1000</value>") {
		t.Errorf("it says %v, %v", st, err)
	}
	r.hasMetrics(`stonechat_upload_refused_total{reason="malware"} 2`, `stonechat_upload_unscanned_total 0`)
}

// A scanner that does not answer: what it should look into waits, or is taken and counted, as it is configured.
func TestUploadWithoutScanner(t *testing.T) {
	for _, all := range []bool{true, false} {
		k := look(t)
		r := startWith(t, uploadDomain, func(c *config.Config) {
			c.Files.Scanner, c.Files.ScanBytes, c.Files.ScanAll = "tcp:"+k.Addr().String(), 10, all
		})
		k.silent.Store(true)
		alice := r.dial("alice", nil)
		s := mustAsk(t, alice, "a.txt", 5, "")
		a, _ := r.do("PUT", s.Put.URL, strings.NewReader("hello"), nil)
		if want := map[bool]int{true: http.StatusServiceUnavailable, false: http.StatusCreated}[all]; a.StatusCode != want || all != (a.Header.Get("Retry-After") != "") {
			t.Errorf("all %v: %s", all, a.Status)
		}
		k.silent.Store(false)
		if all {
			if a, _ := r.do("PUT", s.Put.URL, strings.NewReader("hello"), nil); a.StatusCode != http.StatusCreated {
				t.Errorf("when it answers: %s", a.Status)
			}
			r.hasMetrics(`stonechat_upload_unscanned_total 0`, `stonechat_upload_refused_total{reason="scanner"} 1`)
			continue
		}
		asked := k.asked.Load()
		r.upload(alice, "b.txt", "text/plain", "longer than what it looks into")
		if k.asked.Load() != asked {
			t.Error("it was shown what is too large")
		}
		r.hasMetrics(`stonechat_upload_unscanned_total 2`)
	}
}
