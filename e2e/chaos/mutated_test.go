package chaos

import (
	"context"
	"fmt"
	"io"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"stonechat/e2e/load/gauge"
	"stonechat/e2e/load/wire"
	"stonechat/e2e/peers"
)

// validSessions are what an honest client says in each stage, in pieces that
// a mutation may also reorder.
func validSessions() map[stage][]string {
	const sasl = " xmlns='urn:ietf:params:xml:ns:xmpp-sasl'"
	login := []string{
		"<auth" + sasl + " mechanism='SCRAM-SHA-1'>biwsbj11c2VyMixyPWFiY2RlZmdoaWprbG1ub3A=</auth>",
		"<response" + sasl + ">Yz1iaXdzLHI9YWJjZGVmZ2hpamtsbW5vcCxwPXg=</response>",
		"<abort" + sasl + "/>",
		"<authenticate xmlns='urn:xmpp:sasl:2' mechanism='SCRAM-SHA-256'><initial-response>biwsbj11c2VyMixyPWFiY2RlZmdoaWprbG1ub3A=</initial-response><bind xmlns='urn:xmpp:bind:0'><tag>x</tag></bind></authenticate>",
		"<resume xmlns='urn:xmpp:sm:3' previd='some-id' h='5'/>",
	}
	header := append([]string{streamHeader, startTLS}, login...)
	return map[stage][]string{
		connected: header,
		opened:    header[1:],
		secured:   login,
		bound: {
			"<presence/>",
			"<presence><show>away</show><priority>5</priority><c xmlns='http://jabber.org/protocol/caps' hash='sha-1' node='urn:example' ver='QgayPKawpkPSDYmwT/WM94uAlu0='/></presence>",
			"<presence to='user3@example.org' type='subscribe'/>",
			"<presence to='user3@example.org' type='unsubscribed'/>",
			"<message to='user3@example.org' type='chat' id='m1'><body>hello &amp; &lt;world&gt;</body><origin-id xmlns='urn:xmpp:sid:0' id='m1'/><active xmlns='http://jabber.org/protocol/chatstates'/></message>",
			"<message to='user2@example.org' id='m2'><body>to myself</body><request xmlns='urn:xmpp:receipts'/></message>",
			"<message to='user3@example.org' type='headline'><event xmlns='http://jabber.org/protocol/pubsub#event'><items node='n'/></event></message>",
			"<message to='user3@example.org' type='error' id='m3'><error type='cancel'><item-not-found xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/></error></message>",
			"<message to='user3@example.org' type='chat'><received xmlns='urn:xmpp:carbons:2'><forwarded xmlns='urn:xmpp:forward:0'><delay xmlns='urn:xmpp:delay' stamp='2020-01-01T00:00:00Z'/><message xmlns='jabber:client' from='user1@example.org'><body>forged</body></message></forwarded></received></message>",
			"<iq type='get' id='i1'><query xmlns='jabber:iq:roster' ver=''/></iq>",
			"<iq type='set' id='i2'><query xmlns='jabber:iq:roster'><item jid='c1@example.org' name='One'><group>Friends</group></item></query></iq>",
			"<iq type='set' id='i3'><query xmlns='urn:xmpp:mam:2' queryid='q1'><x xmlns='jabber:x:data' type='submit'><field var='FORM_TYPE' type='hidden'><value>urn:xmpp:mam:2</value></field><field var='with'><value>user3@example.org</value></field><field var='start'><value>2020-01-01T00:00:00Z</value></field></x><set xmlns='http://jabber.org/protocol/rsm'><max>10</max><before/></set></query></iq>",
			"<iq type='get' id='i4' to='example.org'><query xmlns='http://jabber.org/protocol/disco#info'/></iq>",
			"<iq type='get' id='i5' to='user3@example.org'><ping xmlns='urn:xmpp:ping'/></iq>",
			"<iq type='set' id='i6'><enable xmlns='urn:xmpp:carbons:2'/></iq>",
			"<iq type='set' id='i7'><block xmlns='urn:xmpp:blocking'><item jid='user9@example.org'/></block></iq>",
			"<iq type='set' id='i8'><pubsub xmlns='http://jabber.org/protocol/pubsub'><publish node='urn:xmpp:avatar:metadata'><item id='current'><metadata xmlns='urn:xmpp:avatar:metadata'/></item></publish></pubsub></iq>",
			"<iq type='get' id='i9'><vCard xmlns='vcard-temp'/></iq>",
			"<enable xmlns='urn:xmpp:sm:3' resume='true'/>",
			"<r xmlns='urn:xmpp:sm:3'/>",
			"<a xmlns='urn:xmpp:sm:3' h='1'/>",
			"<inactive xmlns='urn:xmpp:csi:0'/>",
			"<active xmlns='urn:xmpp:csi:0'/>",
		},
	}
}

// dictionary are pieces that parsers stumble over.
func dictionary() []string {
	return []string{
		"<", ">", "/>", "</", "&", "&lt;", "&#0;", "&#x10FFFF;", "&#55296;", "]]>", "<![CDATA[", "]]>", "<!--", "-->", "<?x ?>", "<!DOCTYPE x>",
		"'", "\"", "=", " ", "\n", "\x00", "\xff", "\xc0\x80", "\xed\xa0\x80", "\xf4\x90\x80\x80", "\u202e", "\ufeff", "\u0130",
		" xmlns=''", " xmlns='jabber:client'", " xmlns='jabber:server'", " xmlns:x='u'", " x:y='z'", "<x:y/>", " to=''", " from='user1@example.org'", " id=''", " type='error'",
		"@", "/", "@@/", "example.org", strings.Repeat("a", 1100), "-1", "4294967295", "18446744073709551616", "1e999", "NaN", "9999-12-31T23:59:60Z",
		"<body>", "</body>", "<message>", "</message>", "</iq>", "</stream:stream>", "<stream:stream>", strings.Repeat("<x>", 120),
	}
}

// mutated makes the bytes of one session from its number alone.
func mutated(seed uint64, number int) (stage, []byte) {
	rng := rand.New(rand.NewPCG(seed, uint64(number)))
	at := stage(rng.IntN(int(bound) + 1))
	pieces := slices.Clone(validSessions()[at])
	if at == bound {
		rng.Shuffle(len(pieces), func(i, j int) { pieces[i], pieces[j] = pieces[j], pieces[i] })
		pieces = pieces[:1+rng.IntN(len(pieces))]
	}
	words := dictionary()
	for range 1 + rng.IntN(6) {
		i := rng.IntN(len(pieces))
		pieces[i] = mutate1(rng, pieces[i], words)
	}
	return at, []byte(strings.Join(pieces, ""))
}

// mutate1 changes one piece in one way.
func mutate1(rng *rand.Rand, piece string, words []string) string {
	if piece == "" {
		return words[rng.IntN(len(words))]
	}
	from := rng.IntN(len(piece))
	to := min(len(piece), from+1+rng.IntN(40))
	switch rng.IntN(7) {
	case 0: // a bit
		return piece[:from] + string([]byte{piece[from] ^ 1<<rng.IntN(8)}) + piece[from+1:]
	case 1: // something goes
		return piece[:from] + piece[to:]
	case 2: // something comes again, perhaps often
		return piece[:to] + strings.Repeat(piece[from:to], 1<<rng.IntN(9)) + piece[to:]
	case 3: // the end goes
		return piece[:from]
	case 4: // something from elsewhere takes its place
		return piece[:from] + words[rng.IntN(len(words))] + piece[to:]
	case 5: // the whole again inside itself
		return piece[:from] + piece + piece[from:]
	default:
		return piece[:from] + words[rng.IntN(len(words))] + piece[from:]
	}
}

// patience is how long a mutated session waits for more answers.
const patience = 150 * time.Millisecond

// throw plays one mutated session. Whatever the server answers is right as
// long as it lives; a failure to connect or to log in is an error.
func throw(ctx context.Context, s *peers.Server, keys *wire.Keys, resource string, at stage, text []byte) error {
	if at == bound {
		session, err := Login(ctx, s, keys, 2, resource, false)
		if err != nil {
			return err
		}
		defer session.Drop()
		go func() { _ = session.Send(text) }() // ends with Drop at the latest
		for {
			if err := session.SetReadDeadline(time.Now().Add(patience)); err != nil {
				return nil
			}
			if _, err := session.Next(); err != nil {
				return nil
			}
		}
	}
	r, err := openStream(ctx, s, at)
	if err != nil {
		return err
	}
	defer r.conn.Close()
	go func() { _, _ = r.conn.Write(text) }() // ends with Close at the latest
	for buf := make([]byte, 4096); ; {
		if err := r.conn.SetReadDeadline(time.Now().Add(patience)); err != nil {
			return nil
		}
		if _, err := io.ReadAtLeast(r.conn, buf, 1); err != nil {
			return nil
		}
	}
}

// TestMutatedSessions throws mutations of valid sessions at the server and
// looks after its health. A failure names the sessions since the last healthy
// moment; -seed and -only play one of them again.
func TestMutatedSessions(t *testing.T) {
	rng := random(t)
	seed := *seedFlag
	if seed == 0 {
		seed = rng.Uint64()
	}
	s := newServer(t, 4, "")
	keys := wire.NewKeys()
	pair, err := NewPair(t.Context(), s, keys, 0, 1)
	if err != nil {
		t.Fatal(err)
	}
	pid := s.Pid()
	before, err := gauge.NewTree(pid).PSS()
	if err != nil {
		t.Fatal(err)
	}
	if *only >= 0 {
		at, text := mutated(seed, *only)
		t.Logf("session %d of seed %d, %v:\n%q", *only, seed, at, text)
		if err := throw(t.Context(), s, keys, "mutant", at, text); err != nil {
			t.Error(err)
		}
		undisturbed(t, s, pid, pair, "the replayed session")
		pair.Close()
		return
	}
	thrown, slowest := throwAll(t, s, keys, pair, pid, seed)
	after, err := gauge.NewTree(pid).PSS()
	if err != nil {
		t.Fatal(err)
	}
	pair.Close()
	// Whatever was stored must not hurt anybody who reads it, nor the next
	// process.
	start(t, s)
	for _, user := range []int{0, 1, 2, 3} {
		if _, err := ReadKept(t.Context(), s, keys, user, Kept{}); err != nil {
			t.Errorf("archive of %s after a restart: %v", User(user), err)
		}
	}
	again, err := NewPair(t.Context(), s, keys, 2, 3)
	if err != nil {
		t.Fatal(err)
	}
	defer again.Close()
	ctx, cancel := context.WithTimeout(t.Context(), answerTime)
	defer cancel()
	if _, err := again.Ping(ctx); err != nil {
		t.Errorf("the hostile user after a restart: %v", err)
	}
	rows := newTable("seed", "sessions", "for", "slowest message of the pair", "memory before", "after")
	rows.row(seed, thrown, mutateFor.String(), slowest, megabytesText(before), megabytesText(after))
	rows.print(t, "mutated sessions")
}

// throwAll runs mutated sessions side by side and checks the health between
// rounds.
func throwAll(t *testing.T, s *peers.Server, keys *wire.Keys, pair *Pair, pid int, seed uint64) (thrown int, slowest time.Duration) {
	t.Helper()
	const atOnce, round = 8, 64
	for end := time.Now().Add(*mutateFor); time.Now().Before(end); thrown += round {
		var next atomic.Int64
		next.Store(int64(thrown))
		errs := make([]error, round)
		var done sync.WaitGroup
		for range atOnce {
			done.Go(func() {
				for {
					number := int(next.Add(1)) - 1
					if number >= thrown+round {
						return
					}
					at, text := mutated(seed, number)
					errs[number-thrown] = throw(t.Context(), s, keys, fmt.Sprintf("mutant%d", number), at, text)
				}
			})
		}
		done.Wait()
		name := fmt.Sprintf("one of the sessions %d to %d of seed %d", thrown, thrown+round-1, seed)
		for i, err := range errs {
			if err != nil {
				t.Errorf("session %d of seed %d found no way in: %v", thrown+i, seed, err)
			}
		}
		slowest = max(slowest, undisturbed(t, s, pid, pair, name))
	}
	return thrown, slowest
}

// TestMutationsAreRepeatable wants the same session from the same number.
func TestMutationsAreRepeatable(t *testing.T) {
	distinct := make(map[string]bool)
	for number := range 200 {
		at, text := mutated(5, number)
		again, same := mutated(5, number)
		if at != again || string(text) != string(same) {
			t.Fatalf("session %d differs between two makings", number)
		}
		distinct[string(text)] = true
	}
	if len(distinct) < 190 {
		t.Errorf("only %d of 200 sessions differ from each other", len(distinct))
	}
}
