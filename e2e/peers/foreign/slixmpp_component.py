"""Drives slixmpp's component, and one of its clients, against a server: each step is reported on a line of its own as "ok NAME" or "failed NAME: reason"."""

import asyncio
import json
import logging
import sys
import time
import traceback

import slixmpp
from slixmpp.componentxmpp import ComponentXMPP

SETUP = json.loads(sys.argv[1])
DOMAIN = SETUP["domain"]
BRIDGE = "bridge." + DOMAIN
WAIT = 30
MANY = 300


class Bridge(ComponentXMPP):
    """A component that answers every message with the same text."""

    def __init__(self, secret):
        host, port = SETUP["component"].rsplit(":", 1)
        super().__init__(BRIDGE, secret, host, int(port))
        for name in ("xep_0030", "xep_0092", "xep_0199", "xep_0203", "xep_0356"):
            self.register_plugin(name)
        self.ready = asyncio.Event()
        self.granted = asyncio.Event()
        self.refused = asyncio.Event()
        self.presences = asyncio.Queue()
        self.add_event_handler("session_start", lambda _: self.ready.set())
        self.add_event_handler("privileges_advertised", lambda _: self.granted.set())
        self.add_event_handler("message", self.on_message)
        self.add_event_handler("presence_subscribe", self.presences.put_nowait)
        self.add_event_handler("stream_error", lambda _: self.refused.set())

    def on_message(self, message):
        if message["type"] in ("chat", "normal") and message["body"]:
            message.reply(message["body"]).send()


class Client(slixmpp.ClientXMPP):
    """A client that keeps what it gets."""

    def __init__(self):
        super().__init__(f"{SETUP['alice']}@{DOMAIN}/desk", SETUP["password"])
        host, port = SETUP["address"].rsplit(":", 1)
        self.address = (host, int(port))
        self.ca_certs = SETUP["ca"]
        for name in ("xep_0030", "xep_0092", "xep_0199", "xep_0280"):
            self.register_plugin(name)
        self.chats = asyncio.Queue()
        self.copies = asyncio.Queue()
        self.started = asyncio.Event()
        self.add_event_handler("session_start", self.on_start)
        self.add_event_handler("message", self.chats.put_nowait)
        self.add_event_handler("carbon_sent", self.copies.put_nowait)

    async def on_start(self, _):
        await self.get_roster()
        self.send_presence()
        await self["xep_0280"].enable()
        self.started.set()


class Story:
    """The steps, in order."""

    def __init__(self):
        self.bridge = Bridge(SETUP["secret"])
        self.alice = Client()

    async def a_wrong_secret_is_refused(self):
        wrong = Bridge("this is another secret altogether")
        wrong.connect()
        await asyncio.wait_for(wrong.refused.wait(), WAIT)
        assert not wrong.ready.is_set()
        wrong.abort()

    async def the_component_connects(self):
        self.bridge.connect()
        await asyncio.wait_for(self.bridge.ready.wait(), WAIT)
        await asyncio.wait_for(self.bridge.granted.wait(), WAIT)
        self.alice.connect(self.alice.address)
        await asyncio.wait_for(self.alice.started.wait(), WAIT)

    async def the_server_lists_it(self):
        items = await self.alice["xep_0030"].get_items(jid=DOMAIN)
        assert any(item[0] == BRIDGE for item in items["disco_items"]["items"])

    async def requests_pass_both_ways(self):
        info = await self.alice["xep_0092"].get_version(BRIDGE)
        assert info["software_version"]["name"]
        await self.bridge["xep_0199"].ping(DOMAIN, ifrom=BRIDGE)
        await self.bridge["xep_0199"].ping(self.alice.boundjid, ifrom="bot@" + BRIDGE)
        info = await self.bridge["xep_0030"].get_info(jid=DOMAIN, ifrom=BRIDGE)
        assert "jabber:iq:version" in info["disco_info"]["features"]

    async def messages_pass_both_ways_in_order(self):
        began = time.monotonic()
        for i in range(MANY):
            self.alice.send_message("bot@" + BRIDGE, f"number {i}", mtype="chat")
        for i in range(MANY):
            got = await asyncio.wait_for(self.alice.chats.get(), WAIT)
            assert got["body"] == f"number {i}", got["body"]
            assert got["from"].bare == "bot@" + BRIDGE
        took = time.monotonic() - began
        print(f"{MANY} messages there and back in {took:.2f} s", flush=True)

    async def contacts_are_made(self):
        self.alice.send_presence_subscription("bot@" + BRIDGE)
        asked = await asyncio.wait_for(self.bridge.presences.get(), WAIT)
        assert asked["from"].bare == self.alice.boundjid.bare
        self.bridge.send_presence(pto=self.alice.boundjid.bare, pfrom="bot@" + BRIDGE, ptype="subscribed")
        self.bridge.send_presence(pto=self.alice.boundjid.bare, pfrom="bot@" + BRIDGE + "/net", pshow="away")
        for _ in range(WAIT * 10):
            if any(p["show"] == "away" for p in self.alice.client_roster["bot@" + BRIDGE].resources.values()):
                return
            await asyncio.sleep(0.1)
        raise AssertionError("no presence came")

    async def the_roster_is_read_and_changed_by_privilege(self):
        own = self.alice.boundjid.bare
        await self.bridge["xep_0356"].set_roster(own, {"friend@" + BRIDGE: {"name": "A friend", "groups": ["Bridge"]}})
        roster = await self.bridge["xep_0356"].get_roster(own)
        items = roster["roster"]["items"]
        assert items[slixmpp.JID("friend@" + BRIDGE)]["name"] == "A friend", items

    async def a_message_is_sent_by_privilege(self):
        message = slixmpp.Message()  # in the namespace of clients, as section 5 of XEP-0356 shows it
        message["to"], message["from"], message["type"] = "friend@" + BRIDGE, self.alice.boundjid.bare, "chat"
        message["body"] = "from the other network"
        self.bridge.server_host = DOMAIN  # to which it addresses what it sends by privilege
        self.bridge["xep_0356"].send_privileged_message(message)
        copy = await asyncio.wait_for(self.alice.copies.get(), WAIT)
        assert copy["carbon_sent"]["body"] == "from the other network"


STEPS = [getattr(Story, name) for name in Story.__dict__ if not name.startswith("_")]


async def main():
    logging.basicConfig(level=logging.ERROR, stream=sys.stderr)
    story = Story()
    for step in STEPS:
        name = step.__name__.replace("_", " ")
        try:
            await asyncio.wait_for(step(story), 2 * WAIT)
            print("ok", name, flush=True)
        except Exception as err:
            traceback.print_exc()
            print(f"failed {name}: {err!r}", flush=True)
            return


loop = asyncio.new_event_loop()
asyncio.set_event_loop(loop)
loop.run_until_complete(main())
