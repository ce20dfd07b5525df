// stanza.js: SCRAM, roster, messages both ways, resumption (XEP-0198) on a new socket.
import { createClient } from "stanza";

const setup = JSON.parse(process.argv[2]);
const client = createClient({ jid: setup.jid, resource: "js", password: setup.password, transports: { websocket: setup.url, bosh: false }, autoReconnect: true });
const say = (line) => console.log(line);

client.on("session:started", async () => {
  say("online");
  const roster = await client.getRoster();
  say("roster " + roster.items.map((i) => i.jid).join(" "));
  client.sendPresence();
  say("ready");
});
client.on("stream:management:resumed", () => say("resumed"));
client.on("auth:failed", () => say("failed to log in"));
client.on("message", (message) => {
  if (!message.body) return;
  say("heard " + message.body);
  if (message.body === "cut") client.transport.socket.close();
  else if (message.body === "leave") client.disconnect();
  else client.sendMessage({ to: message.from, type: "chat", body: "echo of " + message.body });
});
client.on("disconnected", () => {
  if (!client.config.autoReconnect || client.transport === undefined) say("left");
});
client.connect();
