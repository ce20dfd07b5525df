// xmpp.js: SCRAM, roster, messages both ways, resumption (XEP-0198) on a new socket.
import WebSocket from "ws";
import { client, xml } from "@xmpp/client";

globalThis.WebSocket ??= WebSocket; // Node has one of its own from version 22 on

const setup = JSON.parse(process.argv[2]);
const [username] = setup.jid.split("@");
const xmpp = client({ service: setup.url, domain: setup.domain, username, password: setup.password, resource: "js" });
const say = (line) => console.log(line);

xmpp.on("error", (error) => say("error " + error.message));
xmpp.streamManagement.on("resumed", () => say("resumed"));
xmpp.on("online", async (address) => {
  say("online");
  const { iqCaller } = xmpp;
  const query = await iqCaller.get(xml("query", "jabber:iq:roster"));
  say("roster " + query.getChildren("item").map((i) => i.attrs.jid).join(" "));
  await xmpp.send(xml("presence"));
  say("ready");
});
xmpp.on("stanza", async (stanza) => {
  const body = stanza.is("message") && stanza.getChildText("body");
  if (!body) return;
  say("heard " + body);
  if (body === "cut") {
    xmpp.socket.socket.close();
  } else if (body === "leave") {
    await xmpp.stop();
    say("left");
    process.exit(0);
  } else {
    await xmpp.send(xml("message", { to: stanza.attrs.from, type: "chat" }, xml("body", {}, "echo of " + body)));
  }
});
xmpp.start().catch((error) => {
  say("failed " + error);
  process.exit(1);
});
