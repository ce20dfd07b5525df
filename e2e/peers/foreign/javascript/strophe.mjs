// Strophe: SCRAM, roster, messages both ways. It knows no stream management over WebSocket by itself.
import { Strophe, $iq, $msg, $pres } from "strophe.js";

const setup = JSON.parse(process.argv[2]);
const connection = new Strophe.Connection(setup.url);
const say = (line) => console.log(line);

connection.addHandler((stanza) => {
  const body = stanza.getElementsByTagName("body")[0]?.textContent;
  if (body === undefined) return true;
  say("heard " + body);
  if (body === "leave") connection.disconnect("bye");
  else connection.send($msg({ to: stanza.getAttribute("from"), type: "chat" }).c("body").t("echo of " + body).tree());
  return true;
}, null, "message");

connection.connect(setup.jid, setup.password, (status, condition) => {
  switch (status) {
    case Strophe.Status.CONNECTED:
      say("online");
      connection.sendIQ($iq({ type: "get" }).c("query", { xmlns: Strophe.NS.ROSTER }).tree(), (result) => {
        say("roster " + [...result.getElementsByTagName("item")].map((i) => i.getAttribute("jid")).join(" "));
        connection.send($pres().tree());
        say("ready");
      }, (error) => say("failed roster " + error));
      break;
    case Strophe.Status.DISCONNECTED:
      say("left");
      process.exit(0);
      break;
    case Strophe.Status.AUTHFAIL:
    case Strophe.Status.CONNFAIL:
    case Strophe.Status.ERROR:
      say("failed " + status + " " + condition);
      process.exit(1);
  }
});
