package chaos

import (
	"fmt"

	"stonechat/e2e/peers"
)

const (
	nsMUC      = "http://jabber.org/protocol/muc"
	nsMUCAdmin = nsMUC + "#admin"
	nsMUCOwner = nsMUC + "#owner"
	nsRoomConf = nsMUC + "#roomconfig"
	nsRegister = "jabber:iq:register"
	nsForm     = "jabber:x:data"
	nsInfo     = "http://jabber.org/protocol/disco#info"

	nsPubSub    = "http://jabber.org/protocol/pubsub"
	nsNodeOwner = nsPubSub + "#owner"
	nsNodeConf  = nsPubSub + "#node_config"
	nsBookmarks = "urn:xmpp:bookmarks:1"
	nsVCard     = "vcard-temp"
	nsVCard4    = "urn:ietf:params:xml:ns:vcard-4.0"

	// Nodes of an account.
	freeNode    = "urn:example:free"    // holds items that come and go
	passingNode = "urn:example:passing" // comes and goes
	vcardNode   = "urn:xmpp:vcard4"
)

// halls are the rooms that all users are in. Hall r was made by user r.
const halls = 2

func hallName(r int) string { return fmt.Sprintf("hall%d", r) }

func room(s *peers.Server, name string) string { return name + "@rooms." + s.Domain }

func hall(s *peers.Server, r int) string { return room(s, hallName(r)) }

// desk is a room that nobody is in, where users register their nicks.
func desk(s *peers.Server) string { return room(s, "desk") }

func service(s *peers.Server) string { return "pubsub." + s.Domain }

// feed is the node of a user at the pubsub service.
func feed(user int) string { return fmt.Sprintf("feed%d", user) }

// slots is the number of things of each kind that a user changes.
const slots = 2

// deed is a request that gives a fact a new value.
type deed struct {
	fact, value string
	to, payload string
	ahead       string // a stanza that has to go before it
}

// doer makes the requests of one user, one kind after another. What it changes
// nobody else does.
type doer struct {
	server *peers.Server
	user   int
	turn   int
	ranks  int  // affiliations that were given, so far
	booths int  // rooms that were made to be destroyed, so far
	booth  bool // the last one was not destroyed
	leafs  int  // nodes of the service that were made to be deleted, so far
	leaf   bool // the last one was not deleted
}

// next is the next request. A kind that comes round again is about its next
// slot; the slots come round with something new and with its end by turns.
func (d *doer) next() deed {
	kinds := d.kinds()
	turn, round := d.turn+d.user*3, (d.turn+d.user*3)/len(kinds)
	d.turn++
	return kinds[turn%len(kinds)](round%slots, round/slots%2 == 1, fmt.Sprintf("v.%d.%d", d.user, d.turn))
}

func (d *doer) kinds() []func(slot int, end bool, value string) deed {
	kinds := []func(int, bool, string) deed{
		d.affiliate, d.register, d.changeBooths, d.bookmark, d.item, d.passing, d.configure, d.feedItem, d.configureFeed, d.changeLeafs,
	}
	if d.user < 2*halls {
		kinds = append(kinds, d.configureHall)
	}
	if d.server.Kind != peers.Prosody { // it has the older vCard as a module of its own
		kinds = append(kinds, d.vcard)
	}
	return kinds
}

// field is a field of a form that is submitted.
func field(name, value string) string {
	return "<field var='" + name + "'><value>" + value + "</value></field>"
}

func submit(kind, fields string) string {
	return "<x xmlns='" + nsForm + "' type='submit'>" + field("FORM_TYPE", kind) + fields + "</x>"
}

func configureRoom(fields string) string {
	return "<query xmlns='" + nsMUCOwner + "'>" + submit(nsRoomConf, fields) + "</query>"
}

// configureHall changes one field of a hall: its maker the name, another owner
// the description.
func (d *doer) configureHall(_ int, _ bool, value string) deed {
	name := hallField(d.user)
	return deed{
		fact: hallFact(d.user), value: value,
		to: hall(d.server, d.user%halls), payload: configureRoom(field(name, value)),
	}
}

func hallField(user int) string {
	if user < halls {
		return "muc#roomconfig_roomname"
	}
	return "muc#roomconfig_roomdesc"
}

func hallFact(user int) string {
	return fmt.Sprintf("the %s of %s", hallField(user), hallName(user%halls))
}

// stranger is somebody whom a user has made something in the halls.
func stranger(user, slot int) string { return fmt.Sprintf("stranger%dx%d", user, slot) }

func strangerFact(user, slot int) string { return "the affiliation of " + stranger(user, slot) }

// affiliate goes through the affiliations; slot says in which hall.
func (d *doer) affiliate(slot int, end bool, _ string) deed {
	value, asked := "", "none"
	if !end {
		asked = []string{"member", "outcast", "owner"}[d.ranks%3]
		value = asked
		d.ranks++
	}
	return deed{
		fact: strangerFact(d.user, slot), value: value, to: hall(d.server, slot%halls),
		payload: "<query xmlns='" + nsMUCAdmin + "'><item jid='" + stranger(d.user, slot) + "@" + d.server.Domain + "' affiliation='" + asked + "'/></query>",
	}
}

func nickFact(user int) string { return "the nick that " + User(user) + " registered" }

func (d *doer) register(_ int, end bool, value string) deed {
	payload := "<query xmlns='" + nsRegister + "'><remove/></query>"
	if end {
		value = ""
	} else {
		payload = "<query xmlns='" + nsRegister + "'>" + submit(nsMUC+"#register", field("muc#register_roomnick", value)) + "</query>"
	}
	return deed{fact: nickFact(d.user), value: value, to: desk(d.server), payload: payload}
}

func boothName(user, number int) string { return fmt.Sprintf("booth%dx%d", user, number) }

// changeBooths makes a room and destroys it by turns. A name never comes
// again.
func (d *doer) changeBooths(_ int, _ bool, value string) deed {
	d.booth = !d.booth
	if !d.booth {
		name := boothName(d.user, d.booths)
		return deed{fact: name, to: room(d.server, name), payload: "<query xmlns='" + nsMUCOwner + "'><destroy/></query>"}
	}
	d.booths++
	name := boothName(d.user, d.booths)
	to := room(d.server, name)
	return deed{
		fact: name, value: value, to: to, ahead: enter(to, "maker"),
		payload: configureRoom(field("muc#roomconfig_persistentroom", "1") + field("muc#roomconfig_roomname", value)),
	}
}

// enter is the presence that enters a room, without its history.
func enter(room, nick string) string {
	return "<presence to='" + room + "/" + nick + "'><x xmlns='" + nsMUC + "'><history maxstanzas='0'/></x></presence>"
}

// publish is a publication; options are those that the node must have.
func publish(node, item, payload, options string) string {
	if options != "" {
		options = "<publish-options>" + submit(nsPubSub+"#publish-options", options) + "</publish-options>"
	}
	return "<pubsub xmlns='" + nsPubSub + "'><publish node='" + node + "'><item id='" + item + "'>" + payload + "</item></publish>" + options + "</pubsub>"
}

func retract(node, item string) string {
	return "<pubsub xmlns='" + nsPubSub + "'><retract node='" + node + "' notify='true'><item id='" + item + "'/></retract></pubsub>"
}

func payloadOf(value string) string { return "<x xmlns='urn:example:x'>" + value + "</x>" }

const keepAll = "<field var='pubsub#persist_items'><value>true</value></field><field var='pubsub#max_items'><value>max</value></field>"

func bookmarkID(s *peers.Server, slot int) string { return room(s, fmt.Sprintf("place%d", slot)) }

func bookmarkFact(user, slot int) string { return fmt.Sprintf("bookmark %d of %s", slot, User(user)) }

func (d *doer) bookmark(slot int, end bool, value string) deed {
	made := deed{fact: bookmarkFact(d.user, slot), payload: retract(nsBookmarks, bookmarkID(d.server, slot))}
	if !end {
		made.value = value
		made.payload = publish(nsBookmarks, bookmarkID(d.server, slot), "<conference xmlns='"+nsBookmarks+"' name='"+value+"' autojoin='false'/>",
			keepAll+field("pubsub#send_last_published_item", "never")+field("pubsub#access_model", "whitelist"))
	}
	return made
}

func itemFact(node string, user, slot int) string {
	return fmt.Sprintf("item i%d on %s of %s", slot, node, User(user))
}

func (d *doer) item(slot int, end bool, value string) deed {
	id := fmt.Sprintf("i%d", slot)
	made := deed{fact: itemFact(freeNode, d.user, slot), payload: retract(freeNode, id)}
	if !end {
		made.value, made.payload = value, publish(freeNode, id, payloadOf(value), keepAll)
	}
	return made
}

func passingFact(user int) string { return "what is on " + passingNode + " of " + User(user) }

// passing makes a node by publishing its only item, or deletes it.
func (d *doer) passing(_ int, end bool, value string) deed {
	made := deed{fact: passingFact(d.user)}
	if end {
		made.payload = "<pubsub xmlns='" + nsNodeOwner + "'><delete node='" + passingNode + "'/></pubsub>"
		return made
	}
	made.value, made.payload = value, publish(passingNode, "only", payloadOf(value), keepAll)
	return made
}

func configureNode(node, fields string) string {
	return "<pubsub xmlns='" + nsNodeOwner + "'><configure node='" + node + "'>" + submit(nsNodeConf, fields) + "</configure></pubsub>"
}

func titleFact(node string, user int) string { return "the title of " + node + " of " + User(user) }

func (d *doer) configure(_ int, _ bool, value string) deed {
	return deed{fact: titleFact(freeNode, d.user), value: value, payload: configureNode(freeNode, field("pubsub#title", value))}
}

func (d *doer) feedItem(slot int, end bool, value string) deed {
	id := fmt.Sprintf("i%d", slot)
	made := deed{fact: itemFact(feed(d.user), d.user, slot), to: service(d.server), payload: retract(feed(d.user), id)}
	if !end {
		made.value, made.payload = value, publish(feed(d.user), id, payloadOf(value), "")
	}
	return made
}

func (d *doer) configureFeed(_ int, _ bool, value string) deed {
	return deed{
		fact: titleFact(feed(d.user), d.user), value: value,
		to: service(d.server), payload: configureNode(feed(d.user), field("pubsub#title", value)),
	}
}

func leafName(user, number int) string { return fmt.Sprintf("leaf%dx%d", user, number) }

// changeLeafs makes a node of the service and deletes it by turns. A name never
// comes again.
func (d *doer) changeLeafs(_ int, _ bool, value string) deed {
	d.leaf = !d.leaf
	if !d.leaf {
		name := leafName(d.user, d.leafs)
		return deed{fact: name, to: service(d.server), payload: "<pubsub xmlns='" + nsNodeOwner + "'><delete node='" + name + "'/></pubsub>"}
	}
	d.leafs++
	name := leafName(d.user, d.leafs)
	return deed{fact: name, value: value, to: service(d.server), payload: createNode(name, field("pubsub#title", value))}
}

func createNode(name, fields string) string {
	return "<pubsub xmlns='" + nsPubSub + "'><create node='" + name + "'/><configure>" + submit(nsNodeConf, fields) + "</configure></pubsub>"
}

func vcardFact(user int) string { return "the name in the profile of " + User(user) }

// vcard changes the profile, by turns in each of its two forms.
func (d *doer) vcard(slot int, _ bool, value string) deed {
	made := deed{fact: vcardFact(d.user), value: value, payload: "<vCard xmlns='" + nsVCard + "'><FN>" + value + "</FN></vCard>"}
	if slot == 1 {
		made.payload = publish(vcardNode, "current", "<vcard xmlns='"+nsVCard4+"'><fn><text>"+value+"</text></fn></vcard>", "")
	}
	return made
}
