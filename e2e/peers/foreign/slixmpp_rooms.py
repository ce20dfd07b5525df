"""Drives slixmpp in rooms: one scenario of several steps, reported as slixmpp_client.py reports its own.

Besides "cut please" there is "restart please", which asks for the server to be ended in order and started again.
"""

import asyncio
from xml.etree import ElementTree as ET

import slixmpp
from slixmpp.exceptions import IqError
from slixmpp.xmlstream.handler import Callback
from slixmpp.xmlstream.matcher import StanzaPath

from slixmpp_client import DOMAIN, PICTURE, SETUP, WAIT, Client, converts, step, until

ROOMS = f"rooms.{DOMAIN}"
ROOM = slixmpp.JID(f"council@{ROOMS}")
PRIVATE = slixmpp.JID(f"chamber@{ROOMS}")
PLUGINS = ("xep_0045", "xep_0249", "xep_0402", "xep_0048", "xep_0060", "xep_0163", "xep_0054", "xep_0084", "xep_0153", "xep_0359", "xep_0421", "xep_0425")
BOOKMARKS = "urn:xmpp:bookmarks:1"
STRICT = SETUP["peer"] == "stonechat"


class Visitor(Client):
    """A client that keeps everything that rooms send in queues."""

    def __init__(self, user, resource, address, plugins=()):
        known = [name for name in PLUGINS if name != "xep_0402"]  # older versions know the older bookmarks only
        super().__init__(user, resource, address, (*known, *plugins))
        self.said = asyncio.Queue()
        self.subjects = asyncio.Queue()
        self.seen = asyncio.Queue()
        self.mediated = asyncio.Queue()
        self.direct = asyncio.Queue()
        self.events = asyncio.Queue()
        self.lost = asyncio.Event()
        self.add_event_handler("groupchat_message", self.said.put_nowait)
        self.add_event_handler("groupchat_subject", self.subjects.put_nowait)
        self.add_event_handler("groupchat_presence", self.seen.put_nowait)
        self.add_event_handler("groupchat_invite", self.mediated.put_nowait)
        self.add_event_handler("groupchat_direct_invite", self.direct.put_nowait)
        self.register_handler(Callback("every message", StanzaPath("message"), self.events.put_nowait))
        self.add_event_handler("disconnected", lambda _: self.lost.set())

    @property
    def muc(self):
        return self["xep_0045"]

    async def enters(self, room, nick):
        return await self.muc.join_muc_wait(room, nick, maxstanzas=0, timeout=WAIT)

    def says(self, body, room=ROOM):
        message = self.make_message(mto=room, mbody=body, mtype="groupchat")
        message["id"] = self.new_id()
        message.send()
        return message["id"]

    async def hears(self, body):
        return await asyncio.wait_for(until(self.said, lambda m: m["body"] == body), WAIT)

    async def sees(self, nick, kind="available", room=ROOM):
        return await until(self.seen, lambda p: p["from"] == f"{room}/{nick}" and (p["type"] == "unavailable") == (kind == "unavailable"))

    async def wants(self, node):
        """Returns when the server has learnt that this client wants to hear of a node."""
        asked = asyncio.Event()
        self.register_handler(Callback("asked", StanzaPath("iq@type=get/disco_info"), lambda _: asked.set()))
        self["xep_0163"].add_interest(node)
        await self["xep_0115"].update_caps(broadcast=False)
        self.send_presence()
        # Whoever has met the same capabilities before need not ask.
        await asyncio.wait([asyncio.ensure_future(asked.wait())], timeout=2)
        await self["xep_0199"].ping(DOMAIN)  # what was answered is handled before this

    async def notified(self, fits):
        return await asyncio.wait_for(until(self.events, lambda m: fits(m.xml)), WAIT)


def codes(presence):
    return set(presence["muc"]["status_codes"])


def find(xml, space, name):
    return xml.find(f".//{{{space}}}{name}")


async def service(alice):
    items = await alice["xep_0030"].get_items(jid=DOMAIN)
    assert ROOMS in [str(item[0]) for item in items["disco_items"]["items"]], items
    info = await alice["xep_0030"].get_info(jid=ROOMS)
    assert ("conference", "text") in [(i[0], i[1]) for i in info["disco_info"]["identities"]], info
    assert "http://jabber.org/protocol/muc" in info["disco_info"]["features"], info


async def creation(alice):
    presence, subject, _, _ = await create(alice, ROOM, {"muc#roomconfig_persistentroom": "1", "muc#roomconfig_publicroom": "1"})
    assert 201 in codes(presence) and 110 in codes(presence), presence
    assert not subject["subject"], subject
    info = (await alice["xep_0030"].get_info(jid=ROOM))["disco_info"]["features"]
    for feature in ("http://jabber.org/protocol/muc", "muc_persistent", "muc_public", "urn:xmpp:occupant-id:0", "urn:xmpp:mam:2"):
        assert feature in info, (feature, info)
    rooms = await alice["xep_0030"].get_items(jid=ROOMS)
    assert str(ROOM) in [str(item[0]) for item in rooms["disco_items"]["items"]], rooms


async def create(alice, room, wanted):
    """Makes a room. A room that is locked may keep its subject until it has been configured, so the join is waited for beside that."""
    joining = asyncio.ensure_future(alice.enters(room, "alice"))
    await alice.sees("alice", room=room)
    form = await alice.muc.get_room_config(room)
    values = form.get_values()
    for name, value in wanted.items():
        assert name in values, (name, list(values))
    answer = alice["xep_0004"].make_form("submit")
    answer.add_field(var="FORM_TYPE", ftype="hidden", value="http://jabber.org/protocol/muc#roomconfig")
    for name, value in wanted.items():
        answer.add_field(var=name, value=value)
    await alice.muc.set_room_config(room, answer)
    return await joining


async def entering(alice, bob):
    presence, _, occupants, _ = await bob.enters(ROOM, "bob")
    assert 110 in codes(presence) and 201 not in codes(presence), presence
    assert "alice" in [p["from"].resource for p in occupants], occupants
    seen = await alice.sees("bob")
    assert seen["muc"]["role"] == "participant", seen
    assert sorted(alice.muc.get_roster(ROOM)) == ["alice", "bob"], alice.muc.get_roster(ROOM)
    assert sorted(bob.muc.get_roster(ROOM)) == ["alice", "bob"], bob.muc.get_roster(ROOM)


async def talk(alice, bob):
    name = alice.says("hear ye")
    own, others = await alice.hears("hear ye"), await bob.hears("hear ye")
    assert own["id"] == name and others["id"] == name, own
    assert own["stanza_id"]["id"] and own["stanza_id"]["by"] == ROOM, own
    assert own["stanza_id"]["id"] == others["stanza_id"]["id"], others
    assert own["occupant-id"]["id"] if "id" in own["occupant-id"].interfaces else find(own.xml, "urn:xmpp:occupant-id:0", "occupant-id") is not None, own
    bob.says("we do")
    assert (await alice.hears("we do"))["mucnick"] == "bob"
    await bob.hears("we do")
    bob.send_message(mto=f"{ROOM}/alice", mbody="psst", mtype="chat")
    assert (await alice.chat())["from"] == f"{ROOM}/bob"


async def subject(alice, bob):
    alice.muc.set_subject(ROOM, "The harvest")
    for one in (alice, bob):
        assert (await until(one.subjects, lambda m: m["subject"] == "The harvest"))["from"] == f"{ROOM}/alice"


async def nick(alice, bob):
    bob.send_presence(pto=f"{ROOM}/robert")
    for one in (alice, bob):
        gone = await one.sees("bob", "unavailable")
        assert 303 in codes(gone), gone
        here = await one.sees("robert")
        assert (110 in codes(here)) == (one is bob), here
    bob.muc.our_nicks[ROOM] = "robert"
    bob.send_presence(pto=f"{ROOM}/bob")
    for one in (alice, bob):
        await one.sees("bob")
    bob.muc.our_nicks[ROOM] = "bob"


async def direct_invitation(alice, carol):
    alice["xep_0249"].send_invitation(carol.boundjid.bare, ROOM, reason="Come in")
    invitation = await asyncio.wait_for(carol.direct.get(), WAIT)
    assert invitation["groupchat_invite"]["jid"] == str(ROOM) and invitation["from"].bare == alice.boundjid.bare, invitation
    _, topic, occupants, _ = await carol.enters(slixmpp.JID(invitation["groupchat_invite"]["jid"]), "carol")
    assert topic["subject"] == "The harvest", topic
    assert {"alice", "bob"} <= {p["from"].resource for p in occupants}, occupants
    await alice.sees("carol")


async def mediated_invitation(alice, bob):
    await create(alice, PRIVATE, {"muc#roomconfig_membersonly": "1"})
    alice.muc.invite(PRIVATE, bob.boundjid.bare, reason="In private")
    invitation = await asyncio.wait_for(bob.mediated.get(), WAIT)
    assert invitation["from"] == PRIVATE and invitation["muc"]["invite"]["reason"] == "In private", invitation
    await bob.enters(PRIVATE, "bob")
    seen = await alice.sees("bob", room=PRIVATE)
    assert seen["muc"]["affiliation"] == "member", seen
    bob.muc.leave_muc(PRIVATE, "bob")
    await alice.sees("bob", "unavailable", PRIVATE)
    await alice.muc.destroy(PRIVATE, reason="Done")
    gone = await alice.sees("alice", "unavailable", PRIVATE)
    assert gone["muc"]["destroy"]["reason"] == "Done", gone


async def kick(alice, bob, carol):
    await alice.muc.set_role(ROOM, "carol", "none", reason="Too loud")
    for one in (alice, bob, carol):
        gone = await one.sees("carol", "unavailable")
        assert 307 in codes(gone) and gone["muc"]["item"]["reason"] == "Too loud", gone
    await carol.enters(ROOM, "carol")
    await alice.sees("carol")
    await alice.muc.set_affiliation(ROOM, "outcast", jid=carol.boundjid.bare)
    gone = await carol.sees("carol", "unavailable")
    assert 301 in codes(gone), gone
    if STRICT:  # others do not mark this error as a room's, without which slixmpp waits for ever
        try:
            await carol.enters(ROOM, "carol")
            raise AssertionError("the banned one came in")
        except slixmpp.exceptions.PresenceError as error:
            assert error.condition == "forbidden", error
    await alice.muc.set_affiliation(ROOM, "none", jid=carol.boundjid.bare)
    await alice.sees("carol", "unavailable")


async def leave(alice, carol):
    await carol.enters(ROOM, "carol")
    await alice.sees("carol")
    carol.muc.leave_muc(ROOM, "carol", msg="Good night")
    gone = await alice.sees("carol", "unavailable")
    assert gone["status"] == "Good night" and not codes(gone) & {301, 307, 321, 332, 333}, gone
    assert "carol" not in alice.muc.get_roster(ROOM)


async def history(bob):
    bodies = []
    async for item in bob["xep_0313"].iterate(jid=ROOM):
        bodies.append(item["mam_result"]["forwarded"]["stanza"]["body"])
    assert [b for b in bodies if b] == ["hear ye", "we do"], bodies


async def self_ping(bob, carol):
    await bob["xep_0199"].ping(f"{ROOM}/bob")
    try:
        await carol["xep_0199"].send_ping(f"{ROOM}/carol")
        raise AssertionError("one who has left is told to be there")
    except IqError as error:
        assert error.condition == "not-acceptable", error.condition


def conference(nick, autojoin=True):
    element = ET.Element(f"{{{BOOKMARKS}}}conference", {"name": "Council", "autojoin": "true" if autojoin else "false"})
    ET.SubElement(element, f"{{{BOOKMARKS}}}nick").text = nick
    ET.SubElement(ET.SubElement(element, f"{{{BOOKMARKS}}}extensions"), "{urn:example:pins}pinned")
    return element


async def bookmark(alice):
    """What one device keeps another one follows, whichever form of bookmarks it knows."""
    phone = await Visitor(SETUP["alice"], "phone", SETUP["address"]).online()
    await phone.wants(BOOKMARKS)
    older = await Visitor(SETUP["alice"], "old", SETUP["address"]).online()  # wants the older ones as all that have the plugin
    form = alice["xep_0004"].make_form("submit")
    form.add_field(var="FORM_TYPE", ftype="hidden", value="http://jabber.org/protocol/pubsub#publish-options")
    for name, value in (("persist_items", "true"), ("max_items", "max"), ("send_last_published_item", "never"), ("access_model", "whitelist")):
        form.add_field(var="pubsub#" + name, value=value)
    await alice["xep_0060"].publish(None, BOOKMARKS, id=str(ROOM), payload=conference("alice"), options=form)
    event = await phone.notified(lambda x: find(x, BOOKMARKS, "conference") is not None)
    mark = find(event.xml, BOOKMARKS, "conference")
    item = find(event.xml, "http://jabber.org/protocol/pubsub#event", "item")
    assert mark.get("autojoin") in ("true", "1") and item.get("id") == str(ROOM), event
    assert find(event.xml, "urn:example:pins", "pinned") is not None, event
    await phone.enters(slixmpp.JID(item.get("id")), find(event.xml, BOOKMARKS, "nick").text)
    phone.says("from the phone")
    await alice.hears("from the phone")
    await older_bookmarks(alice, phone, older)
    await alice["xep_0060"].retract(None, BOOKMARKS, str(ROOM), notify=True)
    event = await phone.notified(lambda x: find(x, "http://jabber.org/protocol/pubsub#event", "retract") is not None)
    assert find(event.xml, "http://jabber.org/protocol/pubsub#event", "retract").get("id") == str(ROOM), event
    phone.muc.leave_muc(ROOM, "alice")
    await phone.offline()
    await older.offline()


async def older_bookmarks(alice, phone, older):
    if await converts(alice, BOOKMARKS + "#compat-pep"):
        event = await older.notified(lambda x: find(x, "storage:bookmarks", "conference") is not None)
        assert find(event.xml, "storage:bookmarks", "conference").get("jid") == str(ROOM), event
        kept = await older["xep_0048"].get_bookmarks(method="xep_0223")
        assert str(ROOM) in [str(c["jid"]) for c in kept["pubsub"]["items"]["item"]["bookmarks"]["conferences"]], kept
    if await converts(alice, BOOKMARKS + "#compat"):
        marks = older["xep_0048"].stanza.Bookmarks()
        marks.add_conference(str(ROOM), "alice", autojoin=True, name="Council")
        marks.add_conference(f"attic@{ROOMS}", "alice", autojoin=False, name="Attic")
        await older["xep_0048"].set_bookmarks(marks, method="xep_0049")
        await phone.notified(lambda x: any(i.get("id") == f"attic@{ROOMS}" for i in x.iter("{http://jabber.org/protocol/pubsub#event}item")))
        items = await alice["xep_0060"].get_items(None, BOOKMARKS)
        kept = {i["id"]: i.xml for i in items["pubsub"]["items"]}
        assert set(kept) == {str(ROOM), f"attic@{ROOMS}"}, items
        assert find(kept[str(ROOM)], "urn:example:pins", "pinned") is not None, items
        await alice["xep_0060"].retract(None, BOOKMARKS, f"attic@{ROOMS}", notify=True)
        await phone.notified(lambda x: find(x, "http://jabber.org/protocol/pubsub#event", "retract") is not None)


async def faces(alice, bob):
    """Somebody's picture is seen in the room, by its hash, and fetched there; the room has one of its own."""
    name = alice["xep_0084"].generate_id(PICTURE)
    if await converts(alice, "urn:xmpp:pep-vcard-conversion:0"):
        form = alice["xep_0004"].make_form("submit")
        form.add_field(var="FORM_TYPE", ftype="hidden", value="http://jabber.org/protocol/pubsub#publish-options")
        form.add_field(var="pubsub#access_model", value="open")
        await alice["xep_0084"].publish_avatar(PICTURE, options=form)
        await alice["xep_0084"].publish_avatar_metadata([{"id": name, "type": "image/png", "bytes": len(PICTURE)}], options=form)
        await alice["xep_0153"].api["reset_hash"](alice.boundjid)  # or it goes on saying that there is no picture
        alice.send_presence(pto=f"{ROOM}/alice")  # section 4.2 of XEP-0398 leaves this to the client
        await until(bob.seen, lambda p: p["from"] == f"{ROOM}/alice" and p["vcard_temp_update"]["photo"] == name)
        card = await bob["xep_0054"].get_vcard(slixmpp.JID(f"{ROOM}/alice"))
        assert card["vcard_temp"]["PHOTO"]["BINVAL"] == PICTURE, card
    if "vcard-temp" not in (await alice["xep_0030"].get_info(jid=ROOM))["disco_info"]["features"]:
        return
    card = alice["xep_0054"].make_vcard()
    card["PHOTO"]["TYPE"] = "image/png"
    card["PHOTO"]["BINVAL"] = PICTURE
    await alice["xep_0054"].publish_vcard(jid=ROOM, vcard=card)
    await until(bob.events, lambda m: m["from"] == ROOM and any(s.get("code") == "104" for s in m.xml.iter("{http://jabber.org/protocol/muc#user}status")))
    card = await bob["xep_0054"].get_vcard(ROOM)
    assert card["vcard_temp"]["PHOTO"]["BINVAL"] == PICTURE, card


async def moderation(alice, bob):
    bob.says("the king is a fool")
    message = await alice.hears("the king is a fool")
    features = (await alice["xep_0030"].get_info(jid=ROOM))["disco_info"]["features"]
    if "urn:xmpp:message-moderate:1" in features:
        iq = alice.make_iq_set(ito=ROOM)
        moderate = ET.SubElement(iq.xml, "{urn:xmpp:message-moderate:1}moderate", {"id": message["stanza_id"]["id"]})
        ET.SubElement(moderate, "{urn:xmpp:message-retract:1}retract")
        ET.SubElement(moderate, "{urn:xmpp:message-moderate:1}reason").text = "Manners"
        await iq.send()
        gone = await bob.notified(lambda x: find(x, "urn:xmpp:message-retract:1", "retract") is not None)
        assert gone["from"] == ROOM and find(gone.xml, "urn:xmpp:message-moderate:1", "moderated") is not None, gone
        assert find(gone.xml, "urn:xmpp:message-retract:1", "retract").get("id") == message["stanza_id"]["id"], gone


async def tunnel(bob):
    """A line that is cut and comes back leaves nobody outside, and loses nothing that was said meanwhile."""
    mobile = await Visitor(SETUP["alice"], "mobile", SETUP["proxy"], ("xep_0198",)).online()
    await mobile.enters(ROOM, "mobile")
    await bob.sees("mobile")
    print("cut please", flush=True)
    await asyncio.wait_for(mobile.lost.wait(), WAIT)
    bob.says("sent in the tunnel")
    await bob.hears("sent in the tunnel")
    mobile.connect(mobile.address)
    await asyncio.wait_for(mobile.resumed.wait(), WAIT)
    await mobile.hears("sent in the tunnel")
    mobile.says("out of the tunnel")
    await bob.hears("out of the tunnel")
    gone = [p for p in list(bob.seen._queue) if p["from"] == f"{ROOM}/mobile" and p["type"] == "unavailable"]
    assert not gone, gone
    mobile.muc.leave_muc(ROOM, "mobile")
    await bob.sees("mobile", "unavailable")
    await mobile.offline()


async def back(client):
    """Brings a client whose server went down back to its session, and tells whether it could."""
    client.resumed.clear()
    client.started.clear()
    await client.lost.wait()
    client.connect(client.address)
    waits = [asyncio.ensure_future(w.wait()) for w in (client.resumed, client.started)]
    await asyncio.wait(waits, timeout=3 * WAIT, return_when=asyncio.FIRST_COMPLETED)
    return client.resumed.is_set()


async def restart(alice, bob):
    """Behind a restart of the server who comes back to its session is in the room as before; a new session is not, is told so, and enters again."""
    mobile = await Visitor(SETUP["alice"], "mobile", SETUP["address"], ("xep_0198",)).online()
    await mobile.enters(ROOM, "mobile")
    await bob.sees("mobile")
    for one in (mobile, alice, bob):
        one.lost.clear()
    print("restart please", flush=True)
    resumed = await asyncio.gather(*(back(one) for one in (mobile, alice, bob)))
    assert resumed[1:] == [False, False], resumed
    assert resumed[0] or not STRICT
    try:
        await bob["xep_0199"].send_ping(f"{ROOM}/bob")
        raise AssertionError("who has not entered again is told to be there")
    except IqError as error:
        assert error.condition == "not-acceptable", error.condition
    if not resumed[0]:
        await mobile.enters(ROOM, "mobile")
    _, topic, occupants, _ = await bob.enters(ROOM, "bob")
    assert topic["subject"] == "The harvest", topic
    assert "mobile" in [p["from"].resource for p in occupants], occupants
    await mobile.sees("bob")
    presence, _, _, _ = await alice.enters(ROOM, "alice")
    assert presence["muc"]["affiliation"] == "owner", presence
    mobile.says("still here")
    for one in (mobile, alice, bob):
        await one.hears("still here")
    await mobile.offline()
    await bob.sees("mobile", "unavailable")


async def destruction(alice, bob):
    await alice.muc.destroy(ROOM, reason="The end")
    gone = await bob.sees("bob", "unavailable")
    assert gone["muc"]["destroy"]["reason"] == "The end", gone


async def main():
    alice = await step("log-in", Visitor(SETUP["alice"], "desk", SETUP["address"]).online())
    bob = await Visitor(SETUP["bob"], "desk", SETUP["address"]).online()
    carol = await Visitor("carol", "desk", SETUP["address"]).online()
    await step("service", service(alice))
    await step("creation", creation(alice))
    await step("entering", entering(alice, bob))
    await step("talk", talk(alice, bob))
    await step("subject", subject(alice, bob))
    await step("nick", nick(alice, bob))
    await step("direct invitation", direct_invitation(alice, carol))
    await step("mediated invitation", mediated_invitation(alice, bob))
    await step("kick and ban", kick(alice, bob, carol))
    await step("leave", leave(alice, carol))
    await step("history", history(bob))
    await step("self-ping", self_ping(bob, carol))
    await step("bookmarks", bookmark(alice))
    await step("pictures", faces(alice, bob))
    await step("moderation", moderation(alice, bob))
    await step("resumption", tunnel(bob))
    await step("restart", restart(alice, bob))
    await step("destruction", destruction(alice, bob))
    for one in (alice, bob, carol):
        await one.offline()


asyncio.get_event_loop().run_until_complete(main())
