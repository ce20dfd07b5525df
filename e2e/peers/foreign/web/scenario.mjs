// What each library has to manage over WebSocket: one scenario of several steps, each reported on a line of its own as "ok NAME" or
// "failed NAME: reason".
//
// The line "cut please" asks whoever started this program to cut the lines of the proxy.
//
// A library gives client(user, resource, url) with
//   online()            logs in, asks for the roster and sends presence
//   roster()            a Map of address to subscription
//   subscribe(address)  subscribed(address)
//   chat(to, body)      sends a chat message
//   lost()              a promise that the line breaks
//   again()             comes back after that and tells whether the old session was resumed
//   offline()           ends in order
// and calls its field on.chat({from, body}) and on.presence({from, type}).
//
// A library that miscounts acknowledges less than it was sent (XEP-0198 section 4), so that it is sent some of it again.

const wait = 30000;

export class Queue {
  items = [];
  wake = () => {};

  put(item) {
    this.items.push(item);
    this.wake();
  }

  // until returns the first item that fits and takes it out.
  async until(fits) {
    const deadline = Date.now() + wait;
    for (;;) {
      const i = this.items.findIndex(fits);
      if (i >= 0) return this.items.splice(i, 1)[0];
      const left = deadline - Date.now();
      if (left <= 0) throw new Error("nothing fits of " + JSON.stringify(this.items));
      await Promise.race([new Promise((done) => (this.wake = done)), pause(left)]);
    }
  }
}

export const pause = (ms) => new Promise((done) => setTimeout(done, ms));

const bare = (address) => address.split("/")[0];

export async function step(name, work) {
  let timer;
  const late = new Promise((_, fail) => (timer = setTimeout(() => fail(new Error("takes too long")), 2 * wait)));
  try {
    await Promise.race([work(), late]);
    console.log("ok " + name);
  } catch (error) {
    console.log("failed " + name + ": " + (error?.stack ?? JSON.stringify(error)).replaceAll("\n", " | "));
    process.exit(1);
  } finally {
    clearTimeout(timer);
  }
}

export function same(got, want) {
  if (got !== want) throw new Error(`${JSON.stringify(got)?.slice(0, 200)} instead of ${JSON.stringify(want)?.slice(0, 200)}`);
}

export async function run(client) {
  const setup = JSON.parse(process.argv[2]);
  const person = (name, url) => {
    const one = client(`${name}@${setup.domain}`, setup.password, url);
    one.address = `${name}@${setup.domain}`;
    one.chats = new Queue();
    one.presences = new Queue();
    one.on = { chat: (m) => one.chats.put(m), presence: (p) => one.presences.put(p) };
    return one;
  };
  const alice = person("alice", setup.proxy);
  const bob = person("bob", setup.url);
  const says = async (from, to, body) => {
    from.chat(to.address, body);
    const m = await to.chats.until(() => true);
    same(m.body, body);
    same(bare(m.from), from.address);
  };

  await step("log-in", async () => {
    await alice.online();
    await bob.online();
    same((await alice.roster()).size, 0);
  });
  await step("contacts", async () => {
    alice.subscribe(bob.address);
    await bob.presences.until((p) => p.type === "subscribe" && bare(p.from) === alice.address);
    bob.subscribed(alice.address);
    bob.subscribe(alice.address);
    await alice.presences.until((p) => p.type === "subscribe" && bare(p.from) === bob.address);
    alice.subscribed(bob.address);
    await bob.presences.until((p) => !p.type && bare(p.from) === alice.address);
    await alice.presences.until((p) => !p.type && bare(p.from) === bob.address);
    same((await alice.roster()).get(bob.address), "both");
    same((await bob.roster()).get(alice.address), "both");
  });
  await step("messages", async () => {
    await says(alice, bob, "good morrow");
    await says(bob, alice, "<b>&amp; Grüße</b> ]]> \u{1F426} 'quoted' \"twice\"\nand a line");
  });
  await step("a long message", async () => {
    await says(alice, bob, "a long ".repeat(14000) + "way");
    await says(bob, alice, "a long \u{1F426} ".repeat(9000) + "home");
  });
  await step("many messages", async () => {
    for (let i = 0; i < 200; i++) alice.chat(bob.address, "number " + i);
    for (let i = 0; i < 200; i++) same((await bob.chats.until(() => true)).body, "number " + i);
  });
  await step("a cut line", async () => {
    const lost = alice.lost();
    console.log("cut please");
    await lost;
    bob.chat(alice.address, "sent in the tunnel");
    same(await alice.again(), client.resumes);
    const missed = (m) => m.body === "sent in the tunnel";
    if (client.miscounts) await alice.chats.until(missed);
    else same((await alice.chats.until(() => true)).body, "sent in the tunnel");
    alice.chats.items = alice.chats.items.filter((m) => missed(m) || !client.miscounts);
    await says(alice, bob, "out of the tunnel");
    await pause(200);
    same(alice.chats.items.length, 0);
  });
  await step("log-out", async () => {
    await alice.offline();
    await bob.presences.until((p) => p.type === "unavailable" && bare(p.from) === alice.address);
    await bob.offline();
  });
  process.exit(0);
}
