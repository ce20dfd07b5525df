// Converse.js in Chromium, over WebSocket: a web site with it, and tabs that show the whole client.
import { readFile } from "node:fs/promises";
import { createServer } from "node:http";
import { dirname, join, normalize } from "node:path";
import { createRequire } from "node:module";
import puppeteer from "puppeteer-core";

const files = dirname(createRequire(import.meta.url).resolve("converse.js/dist/converse.min.js"));
export const setup = JSON.parse(process.argv[2]);
const types = { js: "text/javascript", css: "text/css", json: "application/json", wasm: "application/wasm", html: "text/html; charset=utf-8" };
const page = `<!doctype html><title>Converse</title><link rel=stylesheet href=/converse.min.css>
<body class=converse-fullscreen><div id=conversejs-bg></div>
<script type=module>import converse from "/converse.min.js"; window.converse = converse;</script>`;

const site = createServer(async (request, answer) => {
  const path = normalize(new URL(request.url, "http://x").pathname);
  const name = path === "/" ? "index.html" : path;
  try {
    const content = path === "/" ? page : await readFile(join(files, path));
    answer.writeHead(200, { "Content-Type": types[name.split(".").pop()] ?? "application/octet-stream" }).end(content);
  } catch {
    answer.writeHead(404).end();
  }
});
await new Promise((done) => site.listen(setup.site ?? 0, "127.0.0.1", done));
const address = `http://127.0.0.1:${site.address().port}/`;

const browser = await puppeteer.launch({
  executablePath: setup.chromium,
  acceptInsecureCerts: true,
  args: ["--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--ignore-certificate-errors"],
});

process.on("exit", () => browser.process()?.kill("SIGKILL"));

// open shows the client in a browser's worth of storage of its own and logs in. What happens there is told to this program; with LOUD in the environment every stanza, too.
export async function open(jid, url, told, options = {}) {
  const context = await browser.createBrowserContext();
  const tab = await context.newPage();
  await tab.setViewport({ width: 1280, height: 800 });
  if (process.env.LOUD) tab.on("console", (m) => console.error(jid, m.text()));
  await tab.exposeFunction("told", told);
  await tab.goto(address);
  await tab.waitForFunction("window.converse");
  await tab.evaluate(start, { jid, password: setup.password, url, options: { loglevel: process.env.LOUD ? "debug" : "warn", ...options } });
  return tab;
}

// photograph keeps what a tab shows for people to look at, if they say where.
export async function photograph(tab, name) {
  if (setup.screens) await tab.screenshot({ path: join(setup.screens, `converse-${name}.png`) });
}

// start runs in the page.
function start({ jid, password, url, options }) {
  converse.plugins.add("witness", {
    initialize() {
      const { _converse } = this;
      const { api } = _converse;
      window.api = api;
      const attr = (e, name) => e.getAttribute(name) ?? undefined;
      const listen = () => {
        api.connection.get().addHandler((st) => {
          told("presence", { from: attr(st, "from"), type: attr(st, "type") });
          return true;
        }, null, "presence");
      };
      api.listen.on("connected", () => (listen(), told("connected")));
      api.listen.on("reconnected", () => (listen(), told("back", api.connection.get().hasResumed?.() ?? false)));
      api.listen.on("disconnected", () => told("gone"));
      api.listen.on("will-reconnect", () => told("lost"));
      api.listen.on("rosterContactsFetched", () => told("ready"));
      api.listen.on("message", ({ attrs }) => attrs.body && attrs.sender === "them" && !attrs.is_archived && told("chat", { from: attrs.from, body: attrs.body }));
    },
  });
  converse.initialize({
    jid, password, websocket_url: url, authentication: "login", auto_login: true, auto_reconnect: true, keepalive: true, discover_connection_methods: false,
    view_mode: "fullscreen", whitelisted_plugins: ["witness"], i18n: "en", allow_non_roster_messaging: true, persistent_store: "localStorage",
    message_archiving: "never", play_sounds: false, show_desktop_notifications: false, enable_smacks: true, omemo_default: false,
    assets_path: "/", ...options,
  });
}
