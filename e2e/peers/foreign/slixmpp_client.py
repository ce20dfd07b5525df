"""Drives slixmpp against a server: one scenario of several steps, each reported on a line of its own as "ok NAME" or "failed NAME: reason".

The line "cut please" asks whoever started this program to cut the lines of the proxy.
"""

import asyncio
import base64
import json
import sys
import traceback

import slixmpp

SETUP = json.loads(sys.argv[1])
DOMAIN = SETUP["domain"]
WAIT = 60
PICTURE = base64.b64decode("iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg==")


class Client(slixmpp.ClientXMPP):
    """A client that keeps everything it receives in queues."""

    def __init__(self, user, resource, address, plugins=()):
        super().__init__(f"{user}@{DOMAIN}/{resource}", SETUP["password"])
        host, port = address.rsplit(":", 1)
        self.address = (host, int(port))
        self.ca_certs = SETUP["ca"]
        self.auto_authorize = True
        self.auto_subscribe = True
        self.chats = asyncio.Queue()
        self.copies = asyncio.Queue()
        self.presences = asyncio.Queue()
        self.started = asyncio.Event()
        self.resumed = asyncio.Event()
        for name in ("xep_0030", "xep_0092", "xep_0115", "xep_0199", "xep_0203", "xep_0297", "xep_0313", "xep_0280", *plugins):
            self.register_plugin(name)
        self.add_event_handler("session_start", self.on_start)
        self.add_event_handler("session_resumed", lambda _: self.resumed.set())
        self.add_event_handler("message", self.on_message)
        self.add_event_handler("carbon_received", self.copies.put_nowait)
        self.add_event_handler("carbon_sent", self.copies.put_nowait)
        self.add_event_handler("presence_available", self.presences.put_nowait)

    def on_message(self, message):
        if message["type"] in ("chat", "normal") and message["body"]:
            self.chats.put_nowait(message)

    async def on_start(self, _):
        await self.get_roster()
        self.send_presence()
        self.started.set()

    async def online(self):
        self.connect(self.address)
        await asyncio.wait_for(self.started.wait(), WAIT)
        return self

    async def chat(self):
        return await asyncio.wait_for(self.chats.get(), WAIT)

    async def offline(self):
        await asyncio.wait_for(self.disconnect(), WAIT)


async def until(queue, fits):
    """Returns the first item of the queue that fits."""
    while True:
        item = await asyncio.wait_for(queue.get(), WAIT)
        if fits(item):
            return item


async def step(name, coroutine):
    try:
        result = await coroutine
        print("ok", name, flush=True)
        return result
    except (Exception, asyncio.TimeoutError) as error:
        print(f"failed {name}: {type(error).__name__} {error}", flush=True)
        traceback.print_exc()
        raise SystemExit(1) from error


async def contacts(alice, bob):
    alice.send_presence_subscription(pto=bob.boundjid.bare)
    for one, other in ((alice, bob), (bob, alice)):
        await until(one.presences, lambda p, other=other: p["from"].bare == other.boundjid.bare)
    await asyncio.sleep(0.2)
    for one, other in ((alice, bob), (bob, alice)):
        await one.get_roster()
        entry = one.client_roster[other.boundjid.bare]
        assert entry["subscription"] == "both", entry["subscription"]


async def messages(alice, bob):
    alice.send_message(mto=bob.boundjid.bare, mbody="good morrow", mtype="chat")
    assert (await bob.chat())["body"] == "good morrow"
    bob.send_message(mto=alice.boundjid.full, mbody="and to you", mtype="chat")
    assert (await alice.chat())["body"] == "and to you"


async def carbons(alice, bob):
    phone = await Client(SETUP["alice"], "phone", SETUP["address"]).online()
    await phone["xep_0280"].enable()
    bob.send_message(mto=alice.boundjid.full, mbody="a copy for the phone", mtype="chat")
    copy = await asyncio.wait_for(phone.copies.get(), WAIT)
    assert copy["carbon_received"]["body"] == "a copy for the phone", copy
    alice.send_message(mto=bob.boundjid.bare, mbody="from the desk", mtype="chat")
    copy = await asyncio.wait_for(phone.copies.get(), WAIT)
    assert copy["carbon_sent"]["body"] == "from the desk", copy
    await alice.chat()
    await bob.chat()
    await phone.offline()


async def offline_message(alice, bob):
    await bob.offline()
    alice.send_message(mto=bob.boundjid.bare, mbody="read it later", mtype="chat")
    await alice["xep_0199"].ping(DOMAIN)
    again = await Client(SETUP["bob"], "again", SETUP["address"]).online()
    message = await again.chat()
    assert message["body"] == "read it later"
    assert message["delay"]["stamp"] is not None
    return again


async def archive(alice):
    bodies = []
    async for item in alice["xep_0313"].iterate(with_jid=slixmpp.JID(f"{SETUP['bob']}@{DOMAIN}")):
        bodies.append(item["mam_result"]["forwarded"]["stanza"]["body"])
    expected = ["good morrow", "and to you", "a copy for the phone", "from the desk", "read it later"]
    assert bodies == expected, bodies


async def resumption(bob):
    mobile = Client(SETUP["alice"], "mobile", SETUP["proxy"], ("xep_0198",))
    await mobile.online()
    await asyncio.sleep(0.5)
    assert mobile["xep_0198"].sm_id, "no resumption was granted"
    lost = asyncio.Event()
    mobile.add_event_handler("disconnected", lambda _: lost.set())
    print("cut please", flush=True)
    await asyncio.wait_for(lost.wait(), WAIT)
    bob.send_message(mto=mobile.boundjid.full, mbody="sent in the tunnel", mtype="chat")
    await bob["xep_0199"].ping(DOMAIN)
    mobile.connect(mobile.address)
    await asyncio.wait_for(mobile.resumed.wait(), WAIT)
    assert (await mobile.chat())["body"] == "sent in the tunnel"
    mobile.send_message(mto=bob.boundjid.bare, mbody="out of the tunnel", mtype="chat")
    assert (await until(bob.chats, lambda m: m["body"] == "out of the tunnel"))
    await mobile.offline()


async def converts(client, feature):
    """Tells whether the server says that it keeps older and newer forms alike."""
    info = await client["xep_0030"].get_info(jid=client.boundjid.bare)
    return feature in info["disco_info"]["features"]


async def avatars():
    alice = await Client(SETUP["alice"], "painter", SETUP["address"], ("xep_0084", "xep_0054")).online()
    bob = await Client(SETUP["bob"], "gallery", SETUP["address"], ("xep_0084", "xep_0054")).online()
    heard = asyncio.Queue()
    bob.add_event_handler("avatar_metadata_publish", heard.put_nowait)
    await asyncio.sleep(0.5)  # for capabilities to be asked for
    name = alice["xep_0084"].generate_id(PICTURE)
    form = alice["xep_0004"].make_form("submit")
    form.add_field(var="FORM_TYPE", ftype="hidden", value="http://jabber.org/protocol/pubsub#publish-options")
    form.add_field(var="pubsub#access_model", value="open")
    await alice["xep_0084"].publish_avatar(PICTURE, options=form)
    await alice["xep_0084"].publish_avatar_metadata([{"id": name, "type": "image/png", "bytes": len(PICTURE)}], options=form)
    event = await until(heard, lambda m: m["from"].bare == alice.boundjid.bare)
    assert event["pubsub_event"]["items"]["item"]["id"] == name, event
    item = await bob["xep_0084"].retrieve_avatar(alice.boundjid.bare, name)
    assert item["pubsub"]["items"]["item"]["avatar_data"]["value"] == PICTURE, item
    if await converts(alice, "urn:xmpp:pep-vcard-conversion:0"):
        card = await bob["xep_0054"].get_vcard(alice.boundjid.bare)
        assert card["vcard_temp"]["PHOTO"]["BINVAL"] == PICTURE, card
    await alice.offline()
    await bob.offline()


async def bookmarks():
    alice = await Client(SETUP["alice"], "library", SETUP["address"], ("xep_0048", "xep_0049", "xep_0060")).online()
    rooms = alice["xep_0048"].stanza.Bookmarks()
    rooms.add_conference("theplay@rooms.example", "JC", autojoin=True, name="The Play")
    await alice["xep_0048"].set_bookmarks(rooms, method="xep_0049")
    kept = await alice["xep_0048"].get_bookmarks(method="xep_0049")
    assert [str(c["jid"]) for c in kept["private"]["bookmarks"]["conferences"]] == ["theplay@rooms.example"], kept
    if await converts(alice, "urn:xmpp:bookmarks:1#compat"):
        items = await alice["xep_0060"].get_items(alice.boundjid.bare, "urn:xmpp:bookmarks:1")
        assert [i["id"] for i in items["pubsub"]["items"]] == ["theplay@rooms.example"], items
        await alice["xep_0060"].retract(alice.boundjid.bare, "urn:xmpp:bookmarks:1", "theplay@rooms.example", notify=True)
        kept = await alice["xep_0048"].get_bookmarks(method="xep_0049")
        assert not list(kept["private"]["bookmarks"]["conferences"]), kept
    await alice.offline()


async def main():
    alice = await step("log-in", Client(SETUP["alice"], "desk", SETUP["address"]).online())
    bob = await step("log-in of the other", Client(SETUP["bob"], "desk", SETUP["address"]).online())
    await step("contacts", contacts(alice, bob))
    await step("messages", messages(alice, bob))
    await step("carbons", carbons(alice, bob))
    bob = await step("offline message", offline_message(alice, bob))
    await step("archive", archive(alice))
    await step("avatars", avatars())
    await step("bookmarks", bookmarks())
    await step("resumption", resumption(bob))
    await step("log-out", alice.offline())
    await bob.offline()


if __name__ == "__main__":
    asyncio.get_event_loop().run_until_complete(main())
