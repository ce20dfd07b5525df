// Converse.js over WebSocket: two browsers' worth of storage.
import { open, photograph } from "./page.mjs";
import { run } from "./scenario.mjs";

function client(jid, _, url) {
  const self = { on: {} };
  const waiting = {};
  const happens = (name) => new Promise((done) => (waiting[name] = done));
  let tab, lost;
  const told = (name, value) => {
    if (name === "chat" || name === "presence") return self.on[name](value);
    waiting[name]?.(value);
  };
  return Object.assign(self, {
    async online() {
      const ready = happens("ready");
      tab = await open(jid + "/web", url, told);
      await ready;
    },
    async roster() {
      return new Map(await tab.evaluate(async () => (await api.contacts.get())?.map((c) => [c.get("jid"), c.get("subscription")]) ?? []));
    },
    subscribe: (to) => tab.evaluate((jid) => api.contacts.add({ jid }), to),
    subscribed: (to) => tab.evaluate((to) => api.connection.get().send(converse.env.$pres({ to, type: "subscribed" })), to),
    chat: (to, body) => tab.evaluate(async (to, body) => (await api.chats.open(to)).sendMessage({ body }), to, body),
    lost() {
      const gone = happens("lost");
      lost = happens("back");
      return gone;
    },
    again: () => lost,
    async offline() {
      await photograph(tab, jid);
      await tab.evaluate(() => api.user.logout());
    },
  });
}

client.resumes = true;
await run(client);
