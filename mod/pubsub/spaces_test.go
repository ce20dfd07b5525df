package pubsub

import (
	"testing"

	"stonechat/config"
	"stonechat/core"
	"stonechat/xmpp/form"
	"stonechat/xmpp/ns"
)

// A space of the service has what XEP-0503 asks for, and what it recommends unless its owner says otherwise. Nodes of accounts are what they were.
func TestSpaces(t *testing.T) {
	m := New(Stores{}, config.Default().Personal, config.Default().Pubsub, discard())
	submit := func(fields ...string) *form.Form {
		f := form.New(form.Submit, ns.PubSubNodeConfig)
		for i := 0; i < len(fields); i += 2 {
			f.Fields = append(f.Fields, form.Field{Var: "pubsub#" + fields[i], Values: []string{fields[i+1]}})
		}
		return f
	}
	space, fail := m.configured(home{}, serviceDefaults(), submit("type", ns.Spaces))
	if fail != nil || !space.OnSub || !space.OnConfig || !space.OnDelete || !space.OnRetract || !space.Persist || space.Access != accessOpen {
		t.Errorf("%+v, %v", space, fail)
	}
	quiet, fail := m.configured(home{}, serviceDefaults(), submit("type", ns.Spaces, "notify_sub", "0", "access_model", "whitelist"))
	if fail != nil || quiet.OnSub || !quiet.OnConfig || quiet.Access != accessWhitelist {
		t.Errorf("%+v, %v", quiet, fail)
	}
	// Later nothing changes that is not said.
	if again, fail := m.configured(home{}, quiet, submit("title", "T")); fail != nil || again.OnSub || again.Title != "T" {
		t.Errorf("%+v, %v", again, fail)
	}
	for _, bad := range [][]string{{"notify_retract", "0"}, {"persist_items", "0"}, {"access_model", "presence"}} {
		if o, fail := m.configured(home{}, space, submit(bad...)); fail == nil {
			t.Errorf("%q: %+v", bad, o)
		}
		if o, fail := m.configured(home{}, serviceDefaults(), submit(append(bad, "type", ns.Spaces)...)); fail == nil {
			t.Errorf("new, with %q: %+v", bad, o)
		}
	}
	if o, fail := m.configured(home{}, space, submit("type", "", "notify_retract", "0")); fail != nil || o.OnRetract {
		t.Errorf("no space any more: %+v, %v", o, fail)
	}
	account := home{account: new(core.Account)}
	if o, fail := m.configured(account, defaults("n"), submit("type", ns.Spaces, "notify_retract", "0")); fail != nil || o.OnSub {
		t.Errorf("of an account: %+v, %v", o, fail)
	}
}
