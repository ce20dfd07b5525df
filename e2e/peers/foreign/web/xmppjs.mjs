// xmpp.js over WebSocket: SASL2, Bind 2, FAST and resumption where the server offers them.
import { client as connect, xml } from "@xmpp/client";
import { WebSocket } from "ws";
import { run } from "./scenario.mjs";

globalThis.WebSocket ??= WebSocket; // Node has had one since version 22

function client(address, password, service) {
  const [username, domain] = address.split("@");
  const entity = connect({ service, domain, resource: "web", username, password });
  const self = { on: {} };
  let resumed = false;
  entity.reconnect.delay = 200;
  entity.on("error", () => {}); // a line that breaks is one
  entity.streamManagement.on("resumed", () => (resumed = true));
  entity.on("stanza", (st) => {
    const { from, type } = st.attrs;
    if (st.is("presence")) self.on.presence({ from, type });
    if (st.is("message") && type === "chat" && st.getChildText("body")) self.on.chat({ from, body: st.getChildText("body") });
  });
  const presence = (to, type) => entity.send(xml("presence", { to, type }));
  return Object.assign(self, {
    async online() {
      await entity.start();
      await self.roster();
      await entity.send(xml("presence"));
    },
    async roster() {
      const { iqCaller } = entity;
      const query = await iqCaller.get(xml("query", { xmlns: "jabber:iq:roster" }));
      return new Map(query.getChildren("item").map((i) => [i.attrs.jid, i.attrs.subscription]));
    },
    subscribe: (to) => presence(to, "subscribe"),
    subscribed: (to) => presence(to, "subscribed"),
    chat: (to, body) => entity.send(xml("message", { to, type: "chat" }, xml("body", {}, body))),
    lost: () => new Promise((done) => entity.once("disconnect", done)),
    async again() {
      if (!resumed) await new Promise((done) => entity.streamManagement.once("resumed", done));
      return resumed;
    },
    offline: () => entity.stop(),
  });
}

client.resumes = true;
client.miscounts = true; // it does not count the answers to its own requests
await run(client);
