package chaos

import (
	"context"
	"encoding/xml"
	"errors"
	"fmt"
	"time"

	"stonechat/e2e/load/wire"
	"stonechat/e2e/peers"
)

// Archive is what a server has kept of what was said in one hall.
type Archive struct {
	Sayings []Saying // in its order
	last    string   // archive id of the last one read
}

// readHall reads the archive of a hall: what came behind an earlier reading,
// which the result includes.
func readHall(ctx context.Context, s *peers.Server, keys *wire.Keys, r int, archive Archive) (Archive, error) {
	session, err := Login(ctx, s, keys, r, "listener", false)
	if err != nil {
		return archive, err
	}
	defer session.Drop()
	if err := session.SetReadDeadline(time.Now().Add(5 * time.Minute)); err != nil {
		return archive, err
	}
	archive.last, err = readArchive(session, hall(s, r), archive.last, func(body string) {
		if said, ok := ParseSaying(body); ok {
			archive.Sayings = append(archive.Sayings, said)
		}
	})
	if errors.Is(err, wire.ErrRefused) { // the hall has gone, or the last message that was in its archive
		return Archive{}, nil
	}
	return archive, err
}

// factReader asks for all facts of one user, one question after the other.
type factReader struct {
	server   *peers.Server
	session  *wire.Session
	user     int
	asked    int
	readings []Reading
	err      error
}

// readFacts reads what a server has of the facts of a user. Those that have
// ended for good are left out, unless all is read anew.
func (t *Traffic) readFacts(ctx context.Context, user int, anew bool) ([]Reading, error) {
	session, err := Login(ctx, t.server, t.keys, user, "reader", false)
	if err != nil {
		return nil, err
	}
	defer session.Drop()
	if err := session.SetReadDeadline(time.Now().Add(5 * time.Minute)); err != nil {
		return nil, err
	}
	r := &factReader{server: t.server, session: session, user: user}
	r.rooms()
	r.nodes()
	r.profile()
	for n := 1; n <= t.talkers[user].doer.booths; n++ {
		if name := boothName(user, n); t.Facts.Open(name, anew) {
			r.note(name, "in disco#info", r.get(room(t.server, name), "<query xmlns='"+nsInfo+"'/>").find("identity", "", "").attr("name"))
		}
	}
	for n := 1; n <= t.talkers[user].doer.leafs; n++ {
		if name := leafName(user, n); t.Facts.Open(name, anew) {
			r.note(name, "in its configuration", r.title(service(t.server), name))
		}
	}
	return r.readings, r.err
}

func (r *factReader) note(fact, where, value string) {
	r.readings = append(r.readings, Reading{fact, where, value})
}

// rooms reads what the user has made of the halls and of the desk.
func (r *factReader) rooms() {
	if r.user < 2*halls {
		form := r.get(hall(r.server, r.user%halls), "<query xmlns='"+nsMUCOwner+"'/>")
		r.note(hallFact(r.user), "in the form", form.find("field", "var", hallField(r.user)).find("value", "", "").text())
	}
	for slot := range slots {
		var is string
		for _, affiliation := range []string{"owner", "member", "outcast"} {
			list := r.get(hall(r.server, slot%halls), "<query xmlns='"+nsMUCAdmin+"'><item affiliation='"+affiliation+"'/></query>")
			is += list.find("item", "jid", stranger(r.user, slot)+"@"+r.server.Domain).attr("affiliation")
		}
		r.note(strangerFact(r.user, slot), "in the lists", is)
	}
	r.note(nickFact(r.user), "in the form", r.get(desk(r.server), "<query xmlns='"+nsRegister+"'/>").find("username", "", "").text())
}

// nodes reads what is on the nodes of the user.
func (r *factReader) nodes() {
	bookmarks := r.items("", nsBookmarks)
	older := r.get("", "<query xmlns='jabber:iq:private'><storage xmlns='storage:bookmarks'/></query>")
	free, entries := r.items("", freeNode), r.items(service(r.server), feed(r.user))
	for slot := range slots {
		place := bookmarkID(r.server, slot)
		r.note(bookmarkFact(r.user, slot), "on the node", bookmarks.find("item", "id", place).find("conference", "", "").attr("name"))
		r.note(bookmarkFact(r.user, slot), "in private storage", older.find("conference", "jid", place).attr("name"))
		id := fmt.Sprintf("i%d", slot)
		r.note(itemFact(freeNode, r.user, slot), "on the node", free.find("item", "id", id).find("x", "", "").text())
		r.note(itemFact(feed(r.user), r.user, slot), "on the node", entries.find("item", "id", id).find("x", "", "").text())
	}
	r.note(passingFact(r.user), "on the node", r.items("", passingNode).find("x", "", "").text())
	r.note(titleFact(freeNode, r.user), "in its configuration", r.title("", freeNode))
	r.note(titleFact(feed(r.user), r.user), "in its configuration", r.title(service(r.server), feed(r.user)))
}

// profile reads the name of the user in all its forms.
func (r *factReader) profile() {
	if r.server.Kind == peers.Prosody { // nothing was changed
		return
	}
	r.note(vcardFact(r.user), "in the vCard", r.get("", "<vCard xmlns='"+nsVCard+"'/>").find("FN", "", "").text())
	r.note(vcardFact(r.user), "in the vCard 4", r.items("", vcardNode).find("fn", "", "").find("text", "", "").text())
}

func (r *factReader) items(to, node string) *element {
	return r.get(to, "<pubsub xmlns='"+nsPubSub+"'><items node='"+node+"'/></pubsub>")
}

func (r *factReader) title(to, node string) string {
	form := r.get(to, "<pubsub xmlns='"+nsNodeOwner+"'><configure node='"+node+"'/></pubsub>")
	return form.find("field", "var", "pubsub#title").find("value", "", "").text()
}

// get asks one question. What is not there is nil; a question that is refused
// for another reason has that reason as the value of whatever is looked for.
func (r *factReader) get(to, payload string) *element {
	if r.err != nil {
		return nil
	}
	r.asked++
	id := fmt.Sprintf("g%d", r.asked)
	result, err := r.session.IQ(id, "get", to, payload)
	switch {
	case errors.Is(err, wire.ErrRefused):
		refused := condition([]byte(err.Error()))
		if refused == "item-not-found" || refused == "gone" {
			return nil
		}
		return &element{refused: refused}
	case err != nil:
		r.err = err
		return nil
	}
	var e element
	if err := xml.Unmarshal(result, &e); err != nil {
		r.err = fmt.Errorf("%w: %.300s", err, result)
		return nil
	}
	return &e
}

// element is XML as a tree. Looking for something in nothing finds nothing.
type element struct {
	XMLName  xml.Name
	Attrs    []xml.Attr `xml:",any,attr"`
	Text     string     `xml:",chardata"`
	Children []element  `xml:",any"`
	refused  string     // why there is no answer
}

// all are the elements of a name below e.
func (e *element) all(name string) (out []*element) {
	if e == nil {
		return nil
	}
	for i := range e.Children {
		c := &e.Children[i]
		if c.XMLName.Local == name {
			out = append(out, c)
		}
		out = append(out, c.all(name)...)
	}
	return out
}

// find is the first element of a name below e whose attribute has a value; any
// when the attribute is empty.
func (e *element) find(name, attr, value string) *element {
	if e != nil && e.refused != "" {
		return e
	}
	for _, c := range e.all(name) {
		if attr == "" || c.attr(attr) == value {
			return c
		}
	}
	return nil
}

func (e *element) attr(name string) string {
	if e == nil {
		return ""
	}
	if e.refused != "" {
		return e.refused
	}
	for _, a := range e.Attrs {
		if a.Name.Local == name {
			return a.Value
		}
	}
	return ""
}

func (e *element) text() string {
	if e == nil {
		return ""
	}
	if e.refused != "" {
		return e.refused
	}
	return e.Text
}
