// StanzaJS over WebSocket: SASL, and resumption by stream management.
import { createClient } from "stanza";
import { run } from "./scenario.mjs";

function client(address, password, websocket) {
  const self = { on: {} };
  const entity = createClient({ jid: address, resource: "web", password, autoReconnect: false, transports: { websocket, bosh: false } });
  let resumed = false;
  entity.on("stream:management:resumed", () => (resumed = true));
  entity.on("presence", ({ from, type }) => self.on.presence({ from, type: type === "available" ? undefined : type }));
  entity.on("message", ({ from, body, type }) => body && type === "chat" && self.on.chat({ from, body }));
  const happens = (name) => new Promise((done) => entity.once(name, done));
  return Object.assign(self, {
    async online() {
      const started = happens("session:started");
      entity.connect();
      await started;
      await self.roster();
      entity.sendPresence();
    },
    async roster() {
      const { items } = await entity.getRoster();
      return new Map((items ?? []).map((i) => [i.jid, i.subscription]));
    },
    subscribe: (to) => entity.subscribe(to),
    subscribed: (to) => entity.acceptSubscription(to),
    chat: (to, body) => entity.sendMessage({ to, body, type: "chat" }),
    lost: () => happens("disconnected"),
    async again() {
      const back = Promise.race([happens("stream:management:resumed"), happens("session:started")]);
      entity.connect();
      await back;
      return resumed;
    },
    async offline() {
      const gone = happens("disconnected");
      entity.disconnect();
      await gone;
    },
  });
}

client.resumes = true;
await run(client);
