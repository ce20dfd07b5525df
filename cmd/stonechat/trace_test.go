package main

import (
	"strings"
	"testing"
)

func TestPrintSpan(t *testing.T) {
	for line, want := range map[string]string{
		`{"watching":"a@b"}`:               "watching a@b\n",
		`{"ended":"count","lost_spans":2}`: "ended: count; 2 spans lost, 0 stanzas skipped\n",
		`{"trace":7,"hop":1,"name":"Poller.Serve","owner":"a@b/c","at_us":0,"stanza":{"kind":"message","type":"chat","id":"\u001b[2J","from":"a@b/c","to":"d@e","payload":["body \u001b]0;x\u0007"],"bytes":9}}`: "#7 message type=\"chat\" id=\"\\x1b[2J\" a@b/c -> d@e, 9 bytes: body \uFFFD]0;x\uFFFD\n" +
			"#7  1   0.000ms  Poller.Serve             a@b/c\n",
		`{"trace":7,"hop":5,"name":"Account.deliver","owner":"d@e","at_us":1500,"outcome":"next","hooks":[{"point":"Receiving","module":"archive","verdict":"next","took_us":20}]}`: "#7  5   1.500ms  Account.deliver          d@e  next\n" +
			"#7     +0.020ms    Receiving archive next\n",
	} {
		var b strings.Builder
		if err := printSpan(&b, []byte(line)); err != nil || b.String() != want {
			t.Errorf("%s:\n%q, want\n%q, %v", line, b.String(), want, err)
		}
	}
}
