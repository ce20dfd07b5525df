// strophe.js over WebSocket, the library beneath Converse.js: SASL with SCRAM, resumption by stream management.
import { $iq, $msg, $pres, Strophe } from "strophe.js";
import { run } from "./scenario.mjs";

function client(address, password, service) {
  const self = { on: {} };
  const connection = new Strophe.Connection(service, { enableStreamManagement: true });
  let wake = () => {};
  const connect = () =>
    connection.connect(address + "/web", password, (status, why) => {
      // A resumed session sends what was lost at once, and forgets its handlers.
      if (status === Strophe.Status.CONNECTED) listen();
      wake(status, why);
    });
  const reaches = (...wanted) =>
    new Promise((done, fail) => {
      wake = (status, why) => {
        if (wanted.includes(status)) done(status);
        else if (status === Strophe.Status.AUTHFAIL || status === Strophe.Status.CONNFAIL) fail(new Error(`status ${status} ${why}`));
      };
    });
  const listen = () => {
    connection.addHandler((st) => {
      self.on.presence({ from: st.getAttribute("from"), type: st.getAttribute("type") ?? undefined });
      return true;
    }, null, "presence");
    connection.addHandler((st) => {
      const body = st.getElementsByTagName("body")[0]?.textContent;
      if (body && st.getAttribute("type") === "chat") self.on.chat({ from: st.getAttribute("from"), body });
      return true;
    }, null, "message");
  };
  return Object.assign(self, {
    async online() {
      const connected = reaches(Strophe.Status.CONNECTED);
      connect();
      await connected;
      await self.roster();
      connection.send($pres());
    },
    roster: () =>
      new Promise((done, fail) =>
        connection.sendIQ(
          $iq({ type: "get" }).c("query", { xmlns: "jabber:iq:roster" }),
          (result) => done(new Map([...result.getElementsByTagName("item")].map((i) => [i.getAttribute("jid"), i.getAttribute("subscription")]))),
          fail,
        )),
    subscribe: (to) => connection.send($pres({ to, type: "subscribe" })),
    subscribed: (to) => connection.send($pres({ to, type: "subscribed" })),
    chat: (to, body) => connection.send($msg({ to, type: "chat" }).c("body").t(body)),
    lost: () => reaches(Strophe.Status.DISCONNECTED, Strophe.Status.CONNFAIL),
    async again() {
      const connected = reaches(Strophe.Status.CONNECTED);
      connect();
      await connected;
      return connection.hasResumed();
    },
    async offline() {
      const gone = reaches(Strophe.Status.DISCONNECTED);
      connection.disconnect("done");
      await gone;
    },
  });
}

client.resumes = true;
await run(client);
