package core

import (
	"context"
	"errors"
	"fmt"
	"reflect"
	"strings"
	"testing"
	"time"

	"stonechat/config"
	"stonechat/obs"
	"stonechat/store"
	"stonechat/xmpp/jid"
)

// shelfOf is a store of sessions that has nothing but an archive of one message at every tenth place.
type shelfOf struct{ store.Sessions }

func (shelfOf) Messages(_ context.Context, _ store.Owner, keys []store.Key) (map[store.Key]store.Row, error) {
	out := make(map[store.Key]store.Row)
	for _, k := range keys {
		if k > 0 && k%10 == 0 {
			out[k] = store.Row{Key: k, ID: fmt.Sprint("id", k), Stanza: []byte("<message xmlns='jabber:client' from='n@x/r' to='juliet@example.org'><body>b</body></message>")}
		}
	}
	return out, nil
}

func keptAccount() *Account {
	cfg := config.Default()
	h := &Host{Domain: jid.MustParse("example.org"), Config: &cfg, Obs: obs.Discard(), Sessions: shelfOf{}, metrics: NewMetrics(obs.Discard()), Now: time.Now}
	return &Account{Host: h, JID: jid.MustParse("juliet@example.org"), ID: 1}
}

func keptRow(state string) *store.KeptSession {
	return &store.KeptSession{Owner: 1, ID: make([]byte, 32), Resource: "r", State: []byte(state)}
}

var keptSeeds = []string{
	`{"v":1,"since":1,"lost":2,"wait":600000,"handled":7,"acked":4294967290,"exact":true}`,
	`{"v":1,"ns":"jabber:client","address":"192.0.2.1:5","since":1,"lost":2,"wait":3,"handled":1,"acked":2,"available":true,"priority":-3,` +
		`"presence":"<presence xmlns='jabber:client' from='juliet@example.org/r'><idle xmlns='urn:xmpp:idle:1' since='1969-07-21T02:56:15Z'/></presence>",` +
		`"interested":true,"copied":true,"watching":true,"follows":true,"directed":["a@b/c"],` +
		`"unacked":[{"to":"juliet@example.org/r","key":10},{"to":"juliet@example.org","key":20,"late":1700000000000000,"many":true}],` +
		`"queue":[{"raw":"<presence xmlns='jabber:client' from='n@x/r'/>","to":"juliet@example.org","once":true}]}`,
	`{"v":1,"since":1,"lost":2,"wait":0,"void":true}`,
}

// What is read is what was written.
func TestKeptForm(t *testing.T) {
	for _, seed := range keptSeeds {
		a := keptAccount()
		s, err := a.restoreOne(t.Context(), keptRow(seed))
		if err != nil {
			t.Fatalf("%s: %v", seed, err)
		}
		want, err := decodeKept([]byte(seed))
		if err != nil {
			t.Fatal(err)
		}
		got := s.keptForm()
		if _, err := s.out.form(got); err != nil {
			t.Fatal(err)
		}
		got.Version = want.Version
		if !reflect.DeepEqual(got, want) {
			t.Errorf("got  %+v\nwant %+v", got, want)
		}
	}
}

// What stands in the archive is as it was sent: with its id, and with the time if there was no connection when it came.
func TestKeptMessages(t *testing.T) {
	s, err := keptAccount().restoreOne(t.Context(), keptRow(keptSeeds[1]))
	if err != nil {
		t.Fatal(err)
	}
	first, second := s.out.unacked[0], s.out.unacked[1]
	const id = "<stanza-id xmlns='urn:xmpp:sid:0' id='id%d' by='juliet@example.org'/>"
	if got := first.st.Inner(); got != "<body>b</body>"+fmt.Sprintf(id, 10) || first.kept != "id10" || first.key != 10 {
		t.Errorf("got %s", got)
	}
	if got := second.st.Inner(); !strings.HasSuffix(got, fmt.Sprintf(id, 20)+"<delay xmlns='urn:xmpp:delay' from='example.org' stamp='2023-11-14T22:13:20.000Z'/>") || !second.many {
		t.Errorf("got %s", got)
	}
	if got := string(s.out.queue[0].st.AppendTo(nil, s.out.queue[0].to, "")); got != "<presence to='juliet@example.org' from='n@x/r'/>" {
		t.Errorf("got %s", got)
	}
}

// A row that cannot be trusted is left out, whatever is wrong with it.
func TestKeptRefusals(t *testing.T) {
	for _, bad := range []string{
		"", "{}", "null", "[]", `{"v":2}`, `{"v":1,"wait":-1}`, `{"v":1,"wait":9223372036854775807}`, `{"v":1,"available":true}`,
		`{"v":1,"presence":"<presence from='juliet@example.org/r'/>"}`,
		`{"v":1,"available":true,"presence":"<presence from='romeo@example.org/r'/>"}`,
		`{"v":1,"available":true,"presence":"<message from='juliet@example.org/r'/>"}`,
		`{"v":1,"directed":["@"]}`, `{"v":1,"queue":[{"key":11}]}`, `{"v":1,"queue":[{}]}`, `{"v":1,"queue":[{"raw":"<a"}]}`,
		`{"v":1,"queue":[{"raw":"<r xmlns='urn:xmpp:sm:3'/>"}]}`, `{"v":1,"unacked":[{"raw":"<iq/>","to":"@"}]}`, `{"v":1,"unacked":[{"raw":"<iq to='@'/>"}]}`,
		`{"v":1,"handled":-1}`, `{"v":1,"priority":200}`,
	} {
		if _, err := keptAccount().restoreOne(t.Context(), keptRow(bad)); !errors.Is(err, errKept) {
			t.Errorf("%s: %v", bad, err)
		}
	}
	row := keptRow(keptSeeds[0])
	row.ID = row.ID[:31]
	if _, err := keptAccount().restoreOne(t.Context(), row); !errors.Is(err, errKept) {
		t.Errorf("half an id: %v", err)
	}
}

// Whatever stands in a row, reading it ends with a session that can be written again, or with an error.
func FuzzKept(f *testing.F) {
	for _, seed := range keptSeeds {
		f.Add(seed, "r")
	}
	a := keptAccount()
	f.Fuzz(func(t *testing.T, state, resource string) {
		row := keptRow(state)
		row.Resource = resource
		s, err := a.reread(t.Context(), row)
		if err != nil {
			return
		}
		k := s.keptForm()
		if _, err := s.out.form(k); err != nil {
			return // more than is kept
		}
		b, err := k.encode()
		if err != nil {
			t.Fatal(err)
		}
		row.State = b
		if _, err := a.reread(t.Context(), row); err != nil {
			t.Errorf("cannot be read again: %v: %s", err, b)
		}
	})
}
