package push

import (
	"encoding/json"
	"strings"
	"testing"
	"time"

	"stonechat/store"
	"stonechat/webpush"
	"stonechat/xmpp/jid"
	"stonechat/xmpp/ns"
	"stonechat/xmpp/stanza"
	"stonechat/xmpp/xmltok"
)

func TestHear(t *testing.T) {
	for inner, want := range map[string]notice{
		"<body>hello</body>": {Kind: ofMessage, Body: "hello"},
		"<body>hello</body><encryption xmlns='urn:xmpp:eme:0' namespace='x'/>": {Kind: ofMessage, Encrypted: true},
		"<encrypted xmlns='" + ns.OMEMO + "'/><body>no</body>":                 {Kind: ofMessage, Encrypted: true},
		"<propose xmlns='" + ns.JingleMessage + "' id='1'/>":                   {Kind: ofCall},
		"<invite xmlns='" + ns.CallInvites + "'/>":                             {Kind: ofCall},
		"<body>" + strings.Repeat("é", maxBody) + "</body>":                    {Kind: ofMessage, Body: strings.Repeat("é", maxBody/2)},
	} {
		st, err := stanza.Parse("<message>" + inner + "</message>")
		if err != nil {
			t.Fatal(err)
		}
		want.Chat = "romeo@example.org"
		if got := hear(st, jid.MustParse("romeo@example.org"), "", time.Time{}).notice; got != want {
			t.Errorf("%.80s: %+v", inner, got)
		}
	}
}

// TestText: whatever is said, the message fits, is JSON, and keeps what matters.
func TestText(t *testing.T) {
	for _, body := range []string{"", "short", strings.Repeat("x", maxBody), strings.Repeat("\x01<", maxBody/2), strings.Repeat("é\"", maxBody/3)} {
		n := notice{Kind: ofMessage, Account: "juliet@example.org", Chat: strings.Repeat("r", 1000) + "@example.org", Title: strings.Repeat("<", maxName), Sender: strings.Repeat("&", maxName), Body: body}
		b, err := n.text(counts{Unread: 3, More: true, Total: 12345})
		if err != nil || len(b) > webpush.MaxText {
			t.Fatalf("%d bytes, %v", len(b), err)
		}
		var m message
		if err := json.Unmarshal(b, &m); err != nil || m.From != n.Chat || m.Unread != 3 || m.Total != 12345 || !m.More || !strings.HasPrefix(body, m.Body) || body != "" && m.Body == "" {
			t.Errorf("%s: %v", b, err)
		}
	}
}

// TestPublication: what goes to the server of an app has nothing of what was said, and whatever a client has chosen stays in its place.
func TestPublication(t *testing.T) {
	n := notice{Kind: ofMessage, Account: "juliet@example.org", Chat: "romeo@example.org", Title: "Romeo", Sender: "Romeo", Body: "secret"}
	x := target{PushTarget: store.PushTarget{Node: "n'><&\""}, wants: wants{Options: "<x xmlns='jabber:x:data' type='submit'/>"}}
	text := n.publication(&x, counts{})
	tree, err := xmltok.Tree(text, "")
	if err != nil {
		t.Fatal(err)
	}
	publish := tree.Child(ns.PubSub, "publish")
	if publish.Attr("node") != x.Node || len(tree.Children) != 2 || tree.Child(ns.PubSub, "publish-options").Child(ns.DataForm, "x") == nil {
		t.Errorf("%s", text)
	}
	for _, secret := range []string{"omeo", "uliet", "secret"} {
		if strings.Contains(text, secret) {
			t.Errorf("%s has %s", text, secret)
		}
	}
	if !strings.Contains(text, "<value>1</value>") || strings.Contains(n.publication(&target{}, counts{Total: 7}), "publish-options") {
		t.Errorf("%s", text)
	}
}

func TestBackoff(t *testing.T) {
	last := time.Duration(0)
	for tries := range 100 {
		d := backoff(tries)
		if d < last || d < firstRetry || d > longRetry {
			t.Errorf("%d tries: %v", tries, d)
		}
		last = d
	}
	if last != longRetry {
		t.Errorf("at last %v", last)
	}
}
