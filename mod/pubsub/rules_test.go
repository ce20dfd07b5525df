package pubsub

import (
	"slices"
	"strings"
	"testing"

	"stonechat/config"
	"stonechat/core"
	"stonechat/xmpp/form"
	"stonechat/xmpp/jid"
	"stonechat/xmpp/ns"
	"stonechat/xmpp/stanza"
	"stonechat/xmpp/xmltok"
)

// The whole table of who may what (XEP-0060 sections 4.1, 4.5, 6.1.3, 6.5.9 and 7.1.3.1): subscribe, read, publish, and whether only what is theirs. A
// small letter stands for refused, w for one that waits for the owner.
func TestAccess(t *testing.T) {
	people := []struct {
		name string
		person
	}{
		{"owner", person{affiliation: isOwner}},
		{"publisher", person{affiliation: isPublisher}},
		{"publish-only", person{affiliation: isPublishOnly, contact: true}},
		{"member", person{affiliation: isMember}},
		{"outcast", person{affiliation: isOutcast, contact: true, groups: []string{"Friends"}, state: stateSubscribed}},
		{"stranger", person{affiliation: isNone}},
		{"contact", person{affiliation: isNone, contact: true, groups: []string{"Work"}}},
		{"friend", person{affiliation: isNone, contact: true, groups: []string{"Work", "Friends"}}},
		{"group without presence", person{affiliation: isNone, groups: []string{"Friends"}}},
		{"subscriber", person{affiliation: isNone, state: stateSubscribed}},
		{"pending", person{affiliation: isNone, state: statePending}},
	}
	for access, want := range map[string]string{
		//              owner publ  only  memb  outc  stra  cont  frie  grou  subs  pend
		accessOpen:      "SRPn SRPn srPo SRpo srpo SRpo SRpo SRpo SRpo SRPo SRpo",
		accessPresence:  "SRPn SRPn srPo SRpo srpo srpo SRpo SRpo srpo srPo srpo",
		accessRoster:    "SRPn SRPn srPo SRpo srpo srpo srpo SRpo srpo srPo srpo",
		accessWhitelist: "SRPn SRPn srPo SRpo srpo srpo srpo srpo srpo srPo srpo",
		accessAuthorize: "SRPn SRPn srPo SRpo srpo wrpo wrpo wrpo wrpo SRPo srpo",
	} {
		for i, cell := range strings.Fields(want) {
			p := people[i]
			o := options{Access: access, Groups: []string{"Friends"}, Publish: publishSubscribers, Subscribe: true}
			got := ""
			switch state, refused := maySubscribe(&o, p.person); {
			case refused != nil:
				got = "s"
			case state == statePending:
				got = "w"
			default:
				got = "S"
			}
			got += map[bool]string{true: "R", false: "r"}[mayRead(&o, p.person) == nil]
			own, refused := mayPublish(&o, p.person)
			got += map[bool]string{true: "P", false: "p"}[refused == nil] + map[bool]string{true: "o", false: "n"}[own]
			if got != cell {
				t.Errorf("%s at a node of access %s: %s, want %s", p.name, access, got, cell)
			}
			if implicit(&o, p.person) && (!p.contact || mayRead(&o, p.person) != nil) {
				t.Errorf("%s at a node of access %s is told", p.name, access)
			}
			if o.Publish = publishOpen; p.affiliation != isOutcast {
				if _, refused := mayPublish(&o, p.person); refused != nil {
					t.Errorf("%s may not publish to everybody's node", p.name)
				}
			}
			if o.Publish = publishPublishers; p.affiliation == isNone || p.affiliation == isMember {
				if _, refused := mayPublish(&o, p.person); refused == nil {
					t.Errorf("%s may publish", p.name)
				}
			}
		}
	}
}

func TestDefaults(t *testing.T) {
	for node, want := range map[string]string{
		"x": accessPresence, ns.Bookmarks: accessWhitelist, ns.BookmarksLegacy: accessWhitelist, ns.Displayed: accessWhitelist, ns.Chats: accessWhitelist, ns.OMEMODevices: accessOpen,
		ns.OMEMOBundles: accessOpen, ns.OMEMOLegacyDevices: accessOpen, ns.OMEMOLegacyBundles + ":1": accessOpen, ns.OMEMOLegacyBundles: accessPresence,
	} {
		if o := defaults(node); o.Access != want || !o.Persist {
			t.Errorf("%s: %+v", node, o)
		}
	}
	// What is kept today is read tomorrow.
	o := defaults("x")
	o.Groups, o.MaxItems, o.Full = []string{"Friends"}, 7, fullReject
	back := defaults(ns.Bookmarks)
	if err := back.read(o.kept()); err != nil || back.kept() != o.kept() {
		t.Errorf("kept %s, read %s, %v", o.kept(), back.kept(), err)
	}
}

// Every option that a form shows can be submitted as it was shown, and changes nothing then.
func TestFormsFit(t *testing.T) {
	m := New(Stores{}, config.Default().Personal, config.Default().Pubsub, discard())
	account := home{account: new(core.Account)}
	for _, c := range []struct {
		at   home
		node string
	}{{account, "x"}, {account, ns.Bookmarks}, {account, ns.OMEMOBundles}, {home{}, "x"}} {
		node, o := c.node, c.at.defaults(c.node)
		o.Title, o.Expire, o.MaxPayload = "T", 60, 100
		if c.at.account != nil {
			o.Groups = []string{"A", "B"}
		}
		f := m.form(c.at, form.Prompt, ns.PubSubNodeConfig, &o)
		f.Type = form.Submit
		next, fail := m.configured(c.at, c.at.defaults("y"), f)
		if fail != nil || next.kept() != o.kept() {
			t.Errorf("%s: submitted %s, got %s, %v", node, o.kept(), next.kept(), fail)
		}
		f = m.form(c.at, form.Submit, ns.PubSubPublishOptions, &o)
		if _, fail := m.preconditions(c.at, o, f, true); fail != nil {
			t.Errorf("%s: its own options are not met: %v", node, fail)
		}
	}
}

// However numbers are written, and whatever the bound: as much as possible is one thing.
func TestNumbers(t *testing.T) {
	f := fieldsOf(config.Pubsub{Items: 100, ItemBytes: 1000})
	items := f[slices.IndexFunc(f, func(x field) bool { return x.name == "pubsub#max_items" })]
	for text, want := range map[string]int{"max": 0, "100": 0, "10000000000": 0, "99": 99, "1": 1, " 7 ": 7} {
		var o options
		if !items.set(&o, []string{text}) || o.MaxItems != want {
			t.Errorf("%q is %d", text, o.MaxItems)
		}
	}
	for _, text := range []string{"", "0", "-1", "1.5", "MAX", "99999999999999999999"} {
		if items.set(&options{}, []string{text}) {
			t.Errorf("%q is a number", text)
		}
	}
}

// Whatever a request says, its parts are within bounds, what is kept of it is XML that means the same anywhere, and nothing panics.
func FuzzRequest(f *testing.F) {
	x := "<x xmlns='jabber:x:data' type='submit'><field var='FORM_TYPE' type='hidden'><value>http://jabber.org/protocol/pubsub#publish-options</value></field>" +
		"<field var='pubsub#access_model'><value>open</value></field><field var='pubsub#max_items'><value>max</value></field></x>"
	for _, inner := range []string{
		"<publish node='n'><item id='a'><e xmlns='urn:x' a='b'>t&amp;</e></item></publish><publish-options>" + x + "</publish-options>",
		"<publish node='n'><item><p:e xmlns:p='urn:x' p:a='b'><f xmlns=''/></p:e></item></publish>",
		"<publish><item/></publish>", "<publish node='n'><item/><item/></publish>", "<items node='n' max_items='3'><item id='a'/><item/></items>",
		"<items node='n'/><set xmlns='http://jabber.org/protocol/rsm'><max>1</max><before/><index>3</index></set>",
		"<create node='n'/><configure>" + strings.ReplaceAll(x, "publish-options", "node_config") + "</configure>", "<retract node='n' notify='1'><item id='a'/></retract>",
		"<subscribe node='n' jid='a@b/c'/>", "<publish node='n'><item><e xmlns='-'/></item></publish>", "<configure/>", "text", "",
	} {
		f.Add(inner)
	}
	m := New(Stores{}, config.Default().Personal, config.Default().Pubsub, discard())
	from := jid.MustParse("juliet@example.org/x")
	f.Fuzz(func(t *testing.T, inner string) {
		tree, err := xmltok.Tree("<pubsub xmlns='"+ns.PubSub+"'>"+inner+"</pubsub>", ns.Client)
		if err != nil {
			return
		}
		r, fail := parse(tree, ns.PubSub, from)
		if fail != nil {
			return
		}
		if q, _, fail := r.query(); fail == nil && (len(q.IDs) > maxIDs || q.Index < 0) {
			t.Fatalf("query %+v", q)
		}
		if i, fail := r.itemOf(); fail == nil {
			if len(i.id) > maxName || len(r.node) > maxName {
				t.Fatal("a name is too long")
			}
			if i.payload != "" {
				stays(t, i.payload)
			}
		}
		for _, e := range []*xmltok.Node{r.verb, r.with} {
			if e == nil {
				continue
			}
			g, fail := r.form(e)
			if fail != nil || g == nil {
				continue
			}
			if o, fail := m.configured(home{account: new(core.Account)}, defaults("x"), g); fail == nil {
				fits(t, o)
			}
			if o, fail := m.preconditions(home{account: new(core.Account)}, defaults("x"), g, false); fail == nil {
				fits(t, o)
			}
		}
	})
}

// stays: a payload stands alone, and means the same wherever it is put.
func stays(t *testing.T, payload string) {
	t.Helper()
	for _, space := range []string{"", ns.PubSub, ns.PubSubEvent, "urn:y"} {
		tree, err := xmltok.Tree(payload, space)
		if err != nil {
			t.Fatalf("%s: %v", payload, err)
		}
		if again := string(tree.AppendXML(nil, anywhere)); again != payload {
			t.Fatalf("%s became %s", payload, again)
		}
	}
}

// fits: options are such as forms have, and can be kept.
func fits(t *testing.T, o options) {
	t.Helper()
	var back options
	if err := back.read(o.kept()); err != nil || back.kept() != o.kept() {
		t.Fatalf("%s is read as %s, %v", o.kept(), back.kept(), err)
	}
	if o.MaxItems < 0 || o.Expire < 0 || o.MaxPayload < 0 || len(o.Title) > maxText || len(o.Groups) > maxGroups {
		t.Fatalf("options %+v", o)
	}
}

// Errors have the types that XEP-0060 gives them.
func TestFaults(t *testing.T) {
	for _, c := range []struct {
		err  *stanza.Error
		want string
	}{
		{fault(stanza.NotAuthorized, "presence-subscription-required"), "<error type='auth'><not-authorized"},
		{fault(stanza.PolicyViolation, "too-many-subscriptions"), "<error type='wait'><policy-violation"},
		{fault(stanza.UnexpectedRequest, "not-subscribed"), "<error type='cancel'><unexpected-request"},
		{fault(stanza.NotAllowed, "closed-node"), "<error type='cancel'><not-allowed"},
		{unsupported("x'y"), "feature='x&apos;y'/>"},
	} {
		if got := string(c.err.Append(nil)); !strings.Contains(got, c.want) {
			t.Errorf("%s lacks %s", got, c.want)
		}
	}
}
