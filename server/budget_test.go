package server_test

import (
	"bytes"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"stonechat/xmpp/ns"
	"stonechat/xmpp/sasl"
)

// figure reads one of the store's metrics.
func (r *running) figure(name string) (n int) {
	r.t.Helper()
	resp, err := http.Get("http://" + r.Addresses("http")[0].String() + "/metrics")
	if err != nil {
		r.t.Fatal(err)
	}
	defer resp.Body.Close()
	var b bytes.Buffer
	if _, err := b.ReadFrom(resp.Body); err != nil {
		r.t.Fatal(err)
	}
	_, after, _ := strings.Cut(b.String(), "\nstonechat_store_"+name+" ")
	var f float64
	if _, err := fmt.Sscan(after, &f); err != nil {
		r.t.Fatal(err)
	}
	return int(f)
}

// idle waits until nothing waits for the disk and the store's figures stand still.
func (r *running) idle() (rows, commits, reads int) {
	for last, same := -1, 0; same < 5; time.Sleep(10 * time.Millisecond) {
		rows, commits, reads = r.figure("other_rows_total"), r.figure("commits_total"), r.figure("reads_total")
		if now := rows + commits + reads; now == last && r.figure("queued") == 0 {
			same++
		} else {
			last, same = now, 0
		}
	}
	return rows, commits, reads
}

// TestLoginBudget: what a log-in costs the disk. Phones come back many times a day, so their usual return must write next to nothing: when the
// device was seen, and when its session before was seen last, which ends by it.
func TestLoginBudget(t *testing.T) {
	r := start(t, "example.org")
	const bind = "<bind xmlns='urn:xmpp:bind:0'><enable xmlns='urn:xmpp:sm:3' resume='true'/></bind>"
	request := userAgent(agentID) + "<request-token xmlns='urn:xmpp:fast:0' mechanism='HT-SHA-256-NONE'/>"
	fast := userAgent(agentID) + "<fast xmlns='urn:xmpp:fast:0'/>"
	var token, id string
	scram := func(more string) {
		w := r.wire("alice@example.org")
		ok := w.login("alice", password, sasl.ScramSHA512Plus, more+bind)
		if ok.Local != "success" {
			t.Fatal(ok.Raw())
		}
		if s := first(tokenOf, ok); s != "" {
			token = s
		}
		w.send("<presence/>")
		w.conn.Close()
	}
	back := func(more string) {
		w := r.wire("alice@example.org")
		ok := w.byToken("alice", sasl.HTNone, token, fast+more+bind)
		if ok.Local != "success" || ok.Has(ns.StreamManagement, "resumed") != (more != "") {
			t.Fatal(ok.Raw())
		}
		if s := first(enabledOf, ok); s != "" {
			id = s
		}
		w.conn.Close()
	}
	rows, commits, reads := r.idle()
	none, budget := rows, 0
	for _, step := range []struct {
		name        string
		do          func()
		rows, reads int // at most
	}{
		{"SCRAM, the first time", func() { scram(userAgent(agentID)) }, 2, 9},
		{"SCRAM, again", func() { scram(userAgent(agentID)) }, 3, 4},
		{"SCRAM, which asks for a token", func() { scram(request) }, 3, 4},
		{"a token, the first time", func() { back("") }, 3, 5},
		{"a token, again", func() { back("") }, 2, 5},
		{"a token, and resumption", func() { back("<resume xmlns='urn:xmpp:sm:3' previd='" + id + "' h='0'/>") }, 1, 4},
		{"bob by SCRAM without a device", func() {
			w := r.wire("bob@example.org")
			if ok := w.login("bob", password, sasl.ScramSHA512Plus, bind); ok.Local != "success" {
				t.Fatal(ok.Raw())
			}
			w.conn.Close()
		}, 1, 5},
	} {
		budget += step.rows
		step.do()
		rows2, commits2, reads2 := r.idle()
		t.Logf("%s: %d rows in %d commits, %d reads", step.name, rows2-rows, commits2-commits, reads2-reads)
		// What a session leaves behind is written in the background, perhaps during the next step: rows are counted from the beginning.
		if rows2-none > budget || reads2-reads > step.reads {
			t.Errorf("%s: %d rows written until then, at most %d; %d reads, at most %d", step.name, rows2-none, budget, reads2-reads, step.reads)
		}
		rows, commits, reads = rows2, commits2, reads2
	}
}
