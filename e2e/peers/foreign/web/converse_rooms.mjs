// Converse.js in rooms over WebSocket, as somebody who clicks and types: alice uses it, her friends use xmpp.js. Steps are reported as in scenario.mjs; besides "cut please"
// there is "restart please", which asks for the server to be ended in order and started again.
import { client as connect, xml } from "@xmpp/client";
import { createHash } from "node:crypto";
import { WebSocket } from "ws";
import { open, photograph, setup } from "./page.mjs";
import { Queue, same, step } from "./scenario.mjs";

globalThis.WebSocket ??= WebSocket; // Node has had one since version 22

const rooms = `rooms.${setup.domain}`;
const room = `council@${rooms}`;
const garden = `garden@${rooms}`;
const address = (name) => `${name}@${setup.domain}`;
const picture = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg==";
const space = {
  muc: "http://jabber.org/protocol/muc",
  user: "http://jabber.org/protocol/muc#user",
  pubsub: "http://jabber.org/protocol/pubsub",
  bookmarks: "urn:xmpp:bookmarks:1",
  moderate: "urn:xmpp:message-moderate:1",
  retract: "urn:xmpp:message-retract:1",
};

// friend is somebody who keeps every stanza.
async function friend(name) {
  const entity = connect({ service: setup.url, domain: setup.domain, resource: "friend", username: name, password: setup.password });
  const seen = new Queue();
  entity.reconnect.delay = 200;
  entity.on("error", () => {}); // a line that breaks is one
  entity.on("stanza", (st) => seen.put(st));
  const { iqCaller } = entity;
  const sends = (...children) => entity.send(xml(...children));
  await entity.start();
  await sends("presence");
  return {
    iqCaller,
    sends,
    sees: (fits) => seen.until(fits),
    enters: (where, nick = name) => {
      sends("presence", { to: `${where}/${nick}` }, xml("x", { xmlns: space.muc }, xml("history", { maxstanzas: "0" })));
      return seen.until((st) => st.is("presence") && st.attrs.from === `${where}/${nick}` && st.getChild("x", space.user));
    },
    says: (body, where = room) => sends("message", { to: where, type: "groupchat", id: body }, xml("body", {}, body)),
    hears: (body) => seen.until((st) => st.is("message") && st.attrs.type === "groupchat" && st.getChildText("body") === body),
    publishes: (node, id, payload, options) => iqCaller.set(xml("pubsub", { xmlns: space.pubsub }, xml("publish", { node }, xml("item", { id }, payload)), options)),
    items: async (node) => {
      const answer = await iqCaller.get(xml("pubsub", { xmlns: space.pubsub }, xml("items", { node })));
      return new Map(answer.getChild("items").getChildren("item").map((i) => [i.attrs.id, i]));
    },
    // again is when the line has broken and the session was resumed.
    again: async () => {
      await new Promise((done) => entity.once("disconnect", done));
      await new Promise((done) => entity.streamManagement.once("resumed", done));
    },
    ends: () => entity.stop(),
  };
}

// browser is a tab with the client of alice, logged in. told gets what happens there.
async function browser(url, resource) {
  const waiting = {};
  const options = { message_archiving: "always", archived_messages_page_size: 50, muc_nickname_from_jid: true };
  const happens = (name) => new Promise((done) => (waiting[name] = done));
  const ready = happens("ready");
  const tab = await open(`${address("alice")}/${resource}`, url, (name, value) => waiting[name]?.(value), options);
  await ready;
  // The page is looked at until it is so; what a function needs is handed over.
  const until = (fits, ...args) => tab.waitForFunction(fits, { timeout: 15000, polling: 100 }, ...args);
  const click = async (selector) => {
    await until((s) => document.querySelector(s), selector);
    await tab.evaluate((s) => document.querySelector(s).click(), selector);
  };
  const shows = (body) => until((body) => [...document.querySelectorAll(".chat-msg__text")].some((e) => e.textContent.trim() === body), body);
  return {
    tab,
    until,
    click,
    happens,
    shows,
    opens: (where) => tab.evaluate((where) => void api.rooms.open(where, {}, true), where),
    inside: (where) => until(async (where) => (await api.rooms.get(where))?.isEntered(), where),
    types: async (text) => {
      await tab.waitForSelector("converse-muc-message-form textarea.chat-textarea");
      await tab.type("converse-muc-message-form textarea.chat-textarea", text);
      await tab.keyboard.press("Enter");
    },
    // lines are what stands in the window, in order; what was taken back without its text.
    lines: () => tab.evaluate(() =>
      [...document.querySelectorAll("converse-chat-message .chat-msg")].map((e) =>
        e.classList.contains("chat-msg--retracted") ? "(retracted)" : e.querySelector(".chat-msg__text")?.textContent.trim() ?? "")),
    retracted: (reason) => until((reason) => [...document.querySelectorAll(".chat-msg--retracted")].some((e) => e.textContent.includes(reason)), reason),
    moderates: async (body, reason) => {
      await until((body) => {
        const line = [...document.querySelectorAll(".chat-msg")].find((e) => e.querySelector(".chat-msg__text")?.textContent.trim() === body);
        line?.querySelector(".chat-msg__action-retract")?.click();
        return line?.querySelector(".chat-msg__action-retract");
      }, body);
      await tab.waitForSelector("converse-confirm-modal input[type=text]", { visible: true });
      await tab.type("converse-confirm-modal input[type=text]", reason);
      await click("converse-confirm-modal button[type=submit]");
    },
    photographed: (name) => photograph(tab, name),
    closes: () => tab.browserContext().close(),
  };
}

const said = [];
const both = async (alice, bob, hers, his) => {
  await alice.types(hers);
  await bob.hears(hers);
  await alice.shows(hers);
  bob.says(his);
  await alice.shows(his);
  said.push(hers, his);
};

async function configuration(alice, bob) {
  await alice.click(".configure-chatroom-button");
  const form = "converse-muc-config-modal form";
  await alice.tab.waitForSelector(`${form} [name="muc#roomconfig_roomname"]`, { visible: true });
  await alice.photographed("room-form");
  await alice.tab.evaluate((form, picture) => {
    const field = (name) => document.querySelector(`${form} [name="muc#roomconfig_${name}"]`);
    field("roomname").value = "The council";
    for (const name of ["persistentroom", "publicroom"]) field(name).checked = true;
    const files = new DataTransfer();
    files.items.add(new File([Uint8Array.from(atob(picture), (c) => c.charCodeAt(0))], "council.png", { type: "image/png" }));
    document.querySelector(`${form} [name=avatar_image]`).files = files.files;
  }, form, picture);
  await alice.click(`${form} input[type=submit]`);
  await alice.until(() => document.querySelector(".chatbox-title__text")?.textContent.trim() === "The council");
  const info = await bob.iqCaller.request(xml("iq", { type: "get", to: room }, xml("query", { xmlns: "http://jabber.org/protocol/disco#info" })));
  const features = info.getChild("query").getChildren("feature").map((f) => f.attrs.var);
  for (const name of ["muc_persistent", "muc_public", "urn:xmpp:mam:2", space.moderate]) same(features.includes(name), true);
  same(info.getChild("query").getChild("identity").attrs.name, "The council");
}

// pictured says who somebody is with a picture, which Converse asks for once only, when it meets them.
async function pictured(somebody) {
  const name = createHash("sha1").update(Buffer.from(picture, "base64")).digest("hex");
  const field = (name, value) => xml("field", { var: name }, xml("value", {}, value));
  const everybody = xml("publish-options", {}, xml("x", { xmlns: "jabber:x:data", type: "submit" },
    field("FORM_TYPE", space.pubsub + "#publish-options"), field("pubsub#access_model", "open")));
  const info = { id: name, type: "image/png", bytes: String(Buffer.from(picture, "base64").length) };
  await somebody.publishes("urn:xmpp:avatar:data", name, xml("data", { xmlns: "urn:xmpp:avatar:data" }, picture), everybody);
  await somebody.publishes("urn:xmpp:avatar:metadata", name, xml("metadata", { xmlns: "urn:xmpp:avatar:metadata" }, xml("info", info)), everybody);
}

// pictures are seen of an occupant in the list and beside what they say, and of the room in its heading.
async function pictures(alice) {
  const image = (selector) => alice.until((selector, picture) => document.querySelector(selector)?.getAttribute("href").endsWith(picture), selector, picture);
  await alice.until((picture) => {
    const bob = [...document.querySelectorAll("converse-muc-occupants li.occupant")].find((e) => e.querySelector(".occupant-nick").textContent.trim() === "bob");
    return bob?.querySelector("converse-avatar image")?.getAttribute("href").endsWith(picture);
  }, picture);
  await image("converse-chat-message converse-avatar image");
  await image("converse-muc-heading converse-avatar image");
}

async function invitations(alice, bob, carol) {
  await alice.click(".open-invite-modal");
  const form = "converse-muc-invite-modal form";
  await alice.tab.waitForSelector(`${form} input[name=invitee_jids]`, { visible: true });
  await alice.tab.type(`${form} input[name=invitee_jids]`, address("carol"));
  await alice.tab.type(`${form} textarea[name=reason]`, "Come in");
  await alice.click(`${form} input[type=submit]`);
  const direct = await carol.sees((st) => st.is("message") && st.getChild("x", "jabber:x:conference"));
  same(direct.getChild("x").attrs.jid, room);
  same(direct.getChild("x").attrs.reason, "Come in");
  await carol.enters(room);
  await alice.until(() => [...document.querySelectorAll(".occupant-nick")].some((e) => e.textContent.trim() === "carol"));

  for (const [name, invites] of [
    ["chamber", (at) => bob.sends("message", { to: address("alice") }, xml("x", { xmlns: "jabber:x:conference", jid: at, reason: "In private" }))],
    ["attic", (at) => bob.sends("message", { to: at }, xml("x", { xmlns: space.user }, xml("invite", { to: address("alice") }, xml("reason", {}, "In private"))))],
  ]) {
    const at = `${name}@${rooms}`;
    await bob.enters(at);
    await bob.iqCaller.request(xml("iq", { type: "set", to: at }, xml("query", { xmlns: "http://jabber.org/protocol/muc#owner" }, xml("x", { xmlns: "jabber:x:data", type: "submit" }))));
    invites(at);
    await alice.until((at) => [...document.querySelectorAll("converse-confirm-modal")].some((e) => e.textContent.includes(at) && e.textContent.includes("In private")), at);
    await alice.photographed(`invited-to-${name}`);
    await alice.click("converse-confirm-modal button[type=submit]");
    await alice.inside(at);
    await bob.sees((st) => st.is("presence") && st.attrs.from === `${at}/alice`);
    await alice.tab.evaluate(async (at) => (await api.rooms.get(at)).close(), at);
    await bob.sees((st) => st.is("presence") && st.attrs.from === `${at}/alice` && st.attrs.type === "unavailable");
  }
  await alice.opens(room);
}

async function moderation(alice, bob) {
  bob.says("the king is a fool");
  await alice.shows("the king is a fool");
  await alice.moderates("the king is a fool", "Manners");
  const gone = (reason) => bob.sees((st) => st.is("message") && st.attrs.from === room && st.getChild("retract", space.retract)?.getChildText("reason") === reason);
  await gone("Manners");
  await alice.retracted("Manners");
  said.push("(retracted)");

  await alice.types("/admin bob");
  await bob.sees((st) => st.is("presence") && st.attrs.from === `${room}/bob` && st.getChild("x", space.user)?.getChild("item").attrs.affiliation === "admin");
  await alice.types("so is the queen");
  const message = await bob.hears("so is the queen");
  const id = message.getChild("stanza-id").attrs.id;
  const moderate = xml("moderate", { xmlns: space.moderate, id }, xml("retract", { xmlns: space.retract }), xml("reason", {}, "You, too"));
  await bob.iqCaller.request(xml("iq", { type: "set", to: room }, moderate));
  await alice.retracted("You, too");
  said.push("(retracted)");
}

// bookmarked: what Converse has entered stands among the bookmarks, and what it has left is not entered again; another device of alice adds a room. Converse 14 asks to be told
// of the older bookmarks alone and then understands the newer ones alone, so it finds that room at its next log-in.
async function bookmarked() {
  const phone = await friend("alice");
  const marks = await phone.items(space.bookmarks);
  const mark = (name) => marks.get(`${name}@${rooms}`)?.getChild("conference", space.bookmarks);
  for (const [name, autojoin] of [["council", "true"], ["chamber", "false"], ["attic", "false"]]) same(mark(name)?.attrs.autojoin, autojoin);
  same(mark("council").getChildText("nick"), "alice");
  await phone.publishes(space.bookmarks, garden, xml("conference", { xmlns: space.bookmarks, name: "The garden", autojoin: "true" }, xml("nick", {}, "alice")));
  await phone.ends();
}

async function tunnel(alice, bob) {
  const lost = alice.happens("lost"), back = alice.happens("back");
  console.log("cut please");
  await lost;
  bob.says("sent in the tunnel");
  said.push("sent in the tunnel");
  same(await back, true);
  await alice.shows("sent in the tunnel");
  await both(alice, bob, "out of the tunnel", "welcome back");
}

// restart: Converse 14 resumes a session once, and the next time it enters its rooms again. Her friend comes back to his session.
async function restart(alice, bob) {
  const again = bob.again(), back = alice.happens("back");
  console.log("restart please");
  await again;
  bob.says("sent in the dark");
  said.push("sent in the dark");
  await back;
  await alice.inside(room);
  await alice.shows("sent in the dark");
  await both(alice, bob, "still here", "so are we");
  same(JSON.stringify(await alice.lines()), JSON.stringify(said));
}

async function anew() {
  alice = await browser(setup.url, "other");
  await alice.inside(room);
  await alice.inside(garden);
  await alice.opens(room);
  await alice.shows(said.at(-1));
  same(JSON.stringify(await alice.lines()), JSON.stringify(said));
  await pictures(alice);
  await alice.photographed("room-anew");
  bob.says("seen on both");
  await alice.shows("seen on both");
}

// trial is a step whose failure can be looked at.
const trial = (name, work) =>
  step(name, async () => {
    try {
      await work();
    } catch (error) {
      await alice?.photographed("room-failed");
      throw error;
    }
  });

const bob = await friend("bob"), carol = await friend("carol");
let alice;
await pictured(bob);
await trial("log-in", async () => (alice = await browser(setup.proxy, "web")));
await trial("a new room", async () => {
  await alice.opens(room);
  await alice.inside(room);
  await alice.until(async (room) => (await api.rooms.get(room)).getOwnAffiliation() === "owner", room);
});
await trial("configuration", () => configuration(alice, bob));
await trial("talk", async () => {
  await bob.enters(room);
  await both(alice, bob, "hear ye", "we do");
});
await trial("pictures", () => pictures(alice));
await trial("invitations", () => invitations(alice, bob, carol));
await trial("moderation", () => moderation(alice, bob));
await alice.photographed("room");
await trial("bookmarks", bookmarked);
await trial("a cut line", () => tunnel(alice, bob));
await trial("restart", () => restart(alice, bob));
await trial("a new browser", anew);
process.exit(0);
