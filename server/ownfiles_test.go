package server_test

import (
	"encoding/json"
	"encoding/xml"
	"net/http"
	"strings"
	"testing"

	"stonechat/config"
	"stonechat/xmpp/client"
	"stonechat/xmpp/jid"
	"stonechat/xmpp/stanza"
)

// owned is what somebody is told of their files.
type owned struct {
	Usage []struct {
		Purpose string `xml:"purpose,attr"`
		Files   int    `xml:"files,attr"`
		Bytes   int    `xml:"bytes,attr"`
		Quota   int    `xml:"quota,attr"`
	} `xml:"usage"`
	File []struct {
		ID      string `xml:"id,attr"`
		Name    string `xml:"name,attr"`
		Size    int    `xml:"size,attr"`
		Type    string `xml:"content-type,attr"`
		Created string `xml:"created,attr"`
		Expires string `xml:"expires,attr"`
		URL     string `xml:"url,attr"`
	} `xml:"file"`
	Count int    `xml:"set>count"`
	Last  string `xml:"set>last"`
}

func (r *running) owns(c *client.Client, inner string) owned {
	r.t.Helper()
	st, err := c.IQ(r.t.Context(), jid.MustParse("upload."+uploadDomain), stanza.Get, "<files xmlns='urn:stonechat:files:1'>"+inner+"</files>")
	if err != nil {
		r.t.Fatal(err)
	}
	var o owned
	if err := xml.Unmarshal([]byte(st.Inner()), &o); err != nil {
		r.t.Fatal(err)
	}
	return o
}

// People see their own files, page by page, and remove them; nobody sees or removes what is another's.
func TestOwnFiles(t *testing.T) {
	r := startWith(t, uploadDomain, func(c *config.Config) { c.Upload.Quota = 1000 })
	alice, bob := r.dial("alice", nil), r.dial("bob", nil)
	if o := r.owns(alice, ""); len(o.Usage) != 0 || len(o.File) != 0 || o.Count != 0 {
		t.Errorf("at first: %+v", o)
	}
	first, second := r.upload(alice, "a b.txt", "text/plain", "hello"), r.upload(alice, "b.png", "image/png", "world!")
	r.upload(bob, "c", "", "bob's")
	o := r.owns(alice, "<set xmlns='http://jabber.org/protocol/rsm'><max>1</max></set>")
	if len(o.File) != 1 || o.File[0].URL != second || o.File[0].Name != "b.png" || o.File[0].Size != 6 || o.File[0].Type != "image/png" || o.File[0].Created == "" || o.File[0].Expires != "" || o.Count != 2 {
		t.Errorf("first page: %+v", o)
	}
	if len(o.Usage) != 1 || o.Usage[0].Purpose != "message" || o.Usage[0].Files != 2 || o.Usage[0].Bytes != 11 || o.Usage[0].Quota != 1000 {
		t.Errorf("usage: %+v", o.Usage)
	}
	next := r.owns(alice, "<set xmlns='http://jabber.org/protocol/rsm'><after>"+o.Last+"</after></set>")
	if len(next.File) != 1 || next.File[0].URL != first {
		t.Errorf("second page: %+v", next)
	}
	remove := func(c *client.Client, id string) error {
		_, err := c.IQ(t.Context(), jid.MustParse("upload."+uploadDomain), stanza.Set, "<remove xmlns='urn:stonechat:files:1' id='"+id+"'/>")
		return err
	}
	for _, x := range []struct {
		who  *client.Client
		id   string
		want stanza.Condition
	}{
		{bob, o.Last, stanza.ItemNotFound}, {alice, "", stanza.BadRequest}, {alice, "nothing", stanza.ItemNotFound}, {alice, o.Last, ""}, {alice, o.Last, stanza.ItemNotFound},
	} {
		if err := remove(x.who, x.id); condition(err) != x.want {
			t.Errorf("removing %q: %v, want %q", x.id, err, x.want)
		}
	}
	for address, want := range map[string]int{first: http.StatusOK, second: http.StatusNotFound} {
		if a, _ := r.do("GET", address, nil, nil); a.StatusCode != want {
			t.Errorf("GET %s: %s", address, a.Status)
		}
	}
	r.administersFiles(next.File[0].ID, first)
}

// administersFiles lists and removes the only file of alice.
func (r *running) administersFiles(id, address string) {
	r.t.Helper()
	var list []struct{ ID, Name string }
	answer := r.control("GET", "/users/alice/files/each")
	if err := json.NewDecoder(answer.Body).Decode(&list); err != nil || len(list) != 1 || list[0].ID != id || list[0].Name != "a b.txt" {
		r.t.Errorf("alice has %+v, %v", list, err)
	}
	for _, x := range []struct {
		name, id string
		want     int
	}{{"bob", id, http.StatusNotFound}, {"nobody", id, http.StatusNotFound}, {"alice", id, http.StatusOK}, {"alice", id, http.StatusNotFound}} {
		if a := r.control("DELETE", "/users/"+x.name+"/files/"+x.id); a.StatusCode != x.want {
			r.t.Errorf("removing %+v: %s", x, a.Status)
		}
	}
	if a, _ := r.do("GET", address, nil, nil); a.StatusCode != http.StatusNotFound {
		r.t.Errorf("GET: %s", a.Status)
	}
	if !strings.Contains(r.log.String(), `msg="a file was removed"`) {
		r.t.Error("it is not in the log")
	}
}

// sayAs sends a message with an id of the test's own.
func sayAs(t *testing.T, c *client.Client, to string, typ stanza.Type, id, inner string) {
	t.Helper()
	st, err := stanza.New(stanza.Head{Kind: stanza.Message, Type: typ, ID: id, To: jid.MustParse(to)}, inner)
	if err != nil {
		t.Fatal(err)
	}
	ticket, err := c.Send(t.Context(), st)
	if err == nil {
		err = ticket.Wait(t.Context())
	}
	if err != nil {
		t.Fatal(err)
	}
}

func takeBack(id string) string {
	return "<retract xmlns='urn:xmpp:message-retract:1' id='" + id + "'/><body>taken back</body>"
}

// With a message that is taken back go the files of its author that it named, and no others.
func TestFilesGoWithMessages(t *testing.T) {
	r := start(t, uploadDomain)
	alice, bob := r.dial("alice", nil), r.dial("bob", nil)
	named, described := r.upload(alice, "a", "", "named"), r.upload(alice, "b", "", "described")
	other, his := r.upload(alice, "c", "", "other"), r.upload(bob, "d", "", "his")
	sayAs(t, alice, "bob@"+uploadDomain, stanza.Chat, "m1", "<body>"+named+"</body><x xmlns='jabber:x:oob'><url>"+named+"</url></x><origin-id xmlns='urn:xmpp:sid:0' id='o1'/>")
	sayAs(t, alice, "bob@"+uploadDomain, stanza.Chat, "m2", "<body>look "+described+" and his "+his+"</body>")
	sayAs(t, alice, "bob@"+uploadDomain, stanza.Chat, "m3", "<body>"+other+"</body>")
	// Bob cannot take back what she has said, whether or not he names hers.
	sayAs(t, bob, "alice@"+uploadDomain, stanza.Chat, "m4", "<body>"+other+"</body>")
	for _, id := range []string{"o1", "m2", "m3", "m4"} {
		sayAs(t, bob, "alice@"+uploadDomain, stanza.Chat, "b"+id, takeBack(id))
	}
	for _, id := range []string{"o1", "m2", "nothing"} {
		sayAs(t, alice, "bob@"+uploadDomain, stanza.Chat, "a"+id, takeBack(id))
	}
	r.goes(named, described)
	r.stay(other, his)
	r.hasMetrics(`stonechat_upload_dropped_total 2`)
}

// goes waits until addresses have ended.
func (r *running) goes(addresses ...string) {
	r.t.Helper()
	for _, address := range addresses {
		eventually(r.t, address+" goes", func() bool { a, _ := r.do("GET", address, nil, nil); return a.StatusCode == http.StatusNotFound })
	}
}

func (r *running) stay(addresses ...string) {
	r.t.Helper()
	for _, address := range addresses {
		if a, _ := r.do("GET", address, nil, nil); a.StatusCode != http.StatusOK {
			r.t.Errorf("%s: %s", address, a.Status)
		}
	}
}

// heard is the id in the archive of what was said in a room under an id.
func heard(t *testing.T, c *client.Client, id string) string {
	t.Helper()
	for {
		st := next(t, c)
		if st.ID != id {
			continue
		}
		sid, _ := st.Child("urn:xmpp:sid:0", "stanza-id")
		s, _ := sid.Attr("id")
		return s
	}
}

// The same in a room: who said it takes it back, or a moderator does; nobody else.
func TestFilesGoWithWhatIsSaidInRooms(t *testing.T) {
	r := start(t, uploadDomain)
	alice, bob := r.dial("alice", nil), r.dial("bob", nil)
	room := "cave@rooms." + uploadDomain
	for _, c := range []*client.Client{alice, bob} {
		st, err := stanza.New(stanza.Head{Kind: stanza.Presence, To: jid.MustParse(room + "/" + c.JID().Local())}, "<x xmlns='http://jabber.org/protocol/muc'/>")
		if err != nil {
			t.Fatal(err)
		}
		if _, err := c.Send(t.Context(), st); err != nil {
			t.Fatal(err)
		}
		if c == alice {
			if _, err := c.IQ(t.Context(), jid.MustParse(room), stanza.Set, "<query xmlns='http://jabber.org/protocol/muc#owner'><x xmlns='jabber:x:data' type='submit'/></query>"); err != nil {
				t.Fatal(err)
			}
		}
	}
	hers, his, kept := r.upload(alice, "a", "", "hers"), r.upload(bob, "b", "", "his"), r.upload(bob, "c", "", "kept")
	sayAs(t, alice, room, stanza.GroupChat, "m1", "<body>"+hers+" "+kept+"</body>")
	sayAs(t, bob, room, stanza.GroupChat, "m2", "<body>"+his+"</body>")
	first, second := heard(t, bob, "m1"), heard(t, alice, "m2")
	sayAs(t, bob, room, stanza.GroupChat, "m3", takeBack(first)) // hers
	heard(t, bob, "m3")
	sayAs(t, alice, room, stanza.GroupChat, "m4", takeBack(first))
	r.goes(hers)
	r.stay(his, kept)
	if _, err := alice.IQ(t.Context(), jid.MustParse(room), stanza.Set,
		"<moderate xmlns='urn:xmpp:message-moderate:1' id='"+second+"'><retract xmlns='urn:xmpp:message-retract:1'/></moderate>"); err != nil {
		t.Fatal(err)
	}
	r.goes(his)
	r.stay(kept)
}
