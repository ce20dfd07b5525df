package main

import (
	"context"
	"errors"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"stonechat/e2e/load/target"
	"stonechat/e2e/load/wire"
)

func TestDigits(t *testing.T) {
	b := make([]byte, 6)
	for _, n := range []int64{0, 7, 123456} {
		put(b, n)
		if got := number(b); got != n || len(b) != 6 {
			t.Errorf("put %d, read %d from %q", n, got, b)
		}
	}
	put(b, 42)
	if string(b) != "000042" {
		t.Errorf("42 is written %q", b)
	}
}

// Only messages of the running measurement count, and only at receivers.
func TestReceiveCountsItsOwn(t *testing.T) {
	c := &cell{bench: &bench{}, server: &target.Server{}}
	tr := &traffic{cell: c, start: time.Now(), pairs: []*pair{c.newPair("u1")}, refused: make(chan error, 1)}
	p := tr.pairs[0]
	run := tr.begin(nil)
	stamp := func(run int64) {
		put(p.message[p.body:p.body+runDigits], run)
		put(p.message[p.body+runDigits+1:p.body+runDigits+1+timeDigits], 5)
	}
	stamp(run)
	if body := wire.Between(p.message, "<body>", "</body>"); len(body) != bodyLength {
		t.Fatalf("the body has %d bytes", len(body))
	}
	tr.receive(1, p.message)
	tr.receive(0, p.message)
	tr.receive(1, []byte("<presence/>"))
	tr.receive(1, []byte("<message><body>short</body></message>"))
	stamp(run - 1)
	tr.receive(1, p.message)
	if got := tr.arrived.Load(); got != 1 {
		t.Errorf("%d messages counted, want 1", got)
	}
	select {
	case err := <-tr.refused:
		t.Errorf("nothing came back, yet %v", err)
	default:
	}
	tr.receive(0, []byte("<message type='error'><error/></message>"))
	if err := <-tr.refused; err == nil {
		t.Error("a message that came back is no error")
	}
	if all := tr.end(); len(all) != 1 || all[0] <= 0 {
		t.Errorf("latencies %v", all)
	}
	stamp(run)
	tr.receive(1, p.message)
	if tr.arrived.Load() != 1 {
		t.Error("a message counted after the end")
	}
}

func TestRoomService(t *testing.T) {
	answer := []byte(`<iq type="result"><query xmlns="http://jabber.org/protocol/disco#items"><item name='x' jid='a.example'/>` +
		`<item jid="rooms.example"/><items jid='no'/></query></iq>`)
	if got := itemAddresses(answer); !slices.Equal(got, []string{"a.example", "rooms.example"}) {
		t.Errorf("items %q", got)
	}
	if got := itemAddresses(nil); got != nil {
		t.Errorf("items of nothing: %q", got)
	}
	for feature, want := range map[string]bool{
		"'http://jabber.org/protocol/muc'": true, `"http://jabber.org/protocol/muc"`: true, "'http://jabber.org/protocol/muc#traffic'": false,
	} {
		if got := hasRooms([]byte("<iq><query><feature var=" + feature + "/></query></iq>")); got != want {
			t.Errorf("%s: rooms %v", feature, got)
		}
	}
}

func TestWave(t *testing.T) {
	w := newWave(2, 1)
	w.arrive(0)
	w.arrive(0)
	w.count()
	select {
	case <-w.arrived:
		t.Fatal("complete without the second receiver")
	default:
	}
	w.arrive(1)
	if err := w.wait(t.Context(), nil); err != nil {
		t.Error(err)
	}
	stopped, cancel := context.WithCancel(t.Context())
	cancel()
	if err := newWave(1, 0).wait(stopped, nil); err == nil {
		t.Error("an incomplete wave ended well")
	}
	refused := make(chan error, 1)
	refused <- errors.New("refused")
	if err := newWave(1, 0).wait(t.Context(), refused); err == nil || err.Error() != "refused" {
		t.Errorf("a refused wave ended with %v", err)
	}
}

func TestStatistics(t *testing.T) {
	if got := median([]float64{9, 1, 5}); got != 5 {
		t.Errorf("median %v", got)
	}
	if got := median([]float64{4, 2}); got != 3 {
		t.Errorf("median of two %v", got)
	}
	if !math.IsNaN(median(nil)) || !math.IsNaN(quantile(nil, 0.5)) {
		t.Error("nothing measured is a number")
	}
	hundred := make([]int64, 100)
	for i := range hundred {
		hundred[99-i] = int64(i)
	}
	if p50, p99 := quantile(hundred, 0.5), quantile(hundred, 0.99); p50 != 50 || p99 != 99 {
		t.Errorf("p50 %v, p99 %v", p50, p99)
	}
}

func TestRow(t *testing.T) {
	r := newResults()
	for name, values := range map[string][]float64{"stonechat": {30, 20, 25}, "prosody": {400}, "ejabberd": {100}, "floor": {8}} {
		for _, v := range values {
			r.add("chat", name, v)
		}
	}
	f := figure{id: "chat", title: "message", unit: "us", digits: 1, vsPeer: 0.25, vsBase: 3, bound: 30}
	names := []string{"stonechat", "prosody", "ejabberd", "floor"}
	want := "| message | us | 25.0 [20.0] | 400.0 | 100.0 | 8.0 | 0.25 | 3.12 | P <=0.25 met, F <=3 **missed**, <=30 met |\n"
	if got := row(f, r, names); got != want {
		t.Errorf("got  %swant %s", got, want)
	}
	// More is better: the better peer is the higher one and the limit is a floor.
	f = figure{id: "chat", title: "rate", unit: "msg/s", higher: true, wall: true, vsPeer: 0.05, bound: 30}
	want = "| *rate* | msg/s | 25 [30] | 400 | 100 | 8 | 0.0625 | 3.12 | P >=0.05 met, >=30 **missed** |\n"
	if got := row(f, r, names); got != want {
		t.Errorf("got  %swant %s", got, want)
	}
	if got := row(figure{id: "none"}, r, names); got != "" {
		t.Errorf("a row for nothing: %s", got)
	}
	r.add("failing", "prosody", math.Inf(1))
	if got := row(figure{id: "failing", title: "f", vsPeer: 1}, r, names); !strings.Contains(got, "does not hold") || !strings.Contains(got, "P <=1 |") {
		t.Errorf("got %s", got)
	}
}

func TestDerive(t *testing.T) {
	r := newResults()
	for id, v := range map[string]float64{"newest-small": 2, "newest-large": 3, "idle-tls": 10, "idle-roster": 14, "star500-on": 10, "star1000-on": 12, "room100": 20, "room500": 21} {
		r.add(id, "stonechat", v)
	}
	derive(r, []string{"stonechat", "prosody"})
	for id, want := range map[string]float64{"newest-growth": 1.5, "star-growth": 1.2, "room500-growth": 1.05, "contact-memory": 0.2} {
		if got := r.median(id, "stonechat"); math.Abs(got-want) > 1e-9 {
			t.Errorf("%s = %v, want %v", id, got, want)
		}
		if len(r.of(id, "prosody")) != 0 {
			t.Errorf("%s was derived from nothing", id)
		}
	}
}

// What a server does not offer is told above the table and in each row, and
// nothing else is.
func TestNotOffered(t *testing.T) {
	b := newBench(options{}, "")
	b.servers = []*target.Server{{Name: "stonechat"}, {Name: "prosody"}}
	none := scenario{name: "room100", run: func(_ context.Context, c *cell) error {
		if c.server.Name == "stonechat" {
			return fmt.Errorf("%w: no rooms", errNotOffered)
		}
		c.record("room100", 40)
		return nil
	}}
	slow := scenario{name: "room1000", run: func(_ context.Context, c *cell) error {
		return fmt.Errorf("filling: %w: 3 of 7 came", errSlow)
	}}
	for _, server := range b.servers {
		b.cell(t.Context(), server, none, 0)
		b.cell(t.Context(), server, slow, 0)
	}
	if b.failed {
		t.Error("what is not offered or slow failed the run")
	}
	text := report(b, []scenario{none, slow}, time.Second)
	for _, want := range []string{
		"**NOT OFFERED by stonechat, so not measured: room100**", "| room of 100, delivery, CPU | us | NOT OFFERED | 40.0 |",
		"- room1000, prosody, round 1: filling: does not hold: 3 of 7 came",
	} {
		if !strings.Contains(text, want) {
			t.Errorf("no %q in\n%s", want, text)
		}
	}
	if strings.Contains(text, "by prosody") || strings.Contains(text, "room of 1,000") {
		t.Errorf("too much is not offered:\n%s", text)
	}
}

func TestScenarioOf(t *testing.T) {
	for id, want := range map[string]string{
		"room100": "room100", "room1000-last-p99": "room1000", "kept-room100-rate": "kept-room100", "kept-rate": "kept", "pep500-quiet-stanzas": "pep500-quiet",
		"occupant-large": "occupant-large", "nothing": "",
	} {
		if got := scenarioOf(id); got != want {
			t.Errorf("%s comes from %q, want %q", id, got, want)
		}
	}
}

// Every figure that a scenario records has a row, under an id of its own.
func TestFiguresAreDistinct(t *testing.T) {
	seen := make(map[string]bool)
	for _, f := range figures() {
		if seen[f.id] || f.title == "" {
			t.Errorf("figure %q appears twice or has no title", f.id)
		}
		seen[f.id] = true
	}
	for _, f := range figures() {
		if f.floor != "" && !seen[f.floor] {
			t.Errorf("%s is compared with the floor of %q, which is no figure", f.id, f.floor)
		}
	}
}

func TestChoose(t *testing.T) {
	all := []scenario{{name: "chat"}, {name: "kept"}, {name: "kept-stream"}, {name: "star1000", long: true}}
	for _, test := range []struct {
		only  string
		quick bool
		want  string
	}{
		{"", false, "chat kept kept-stream star1000"},
		{"", true, "chat kept kept-stream"},
		{"kept", false, "kept"},
		{"kept*,star1000", true, "kept kept-stream star1000"},
	} {
		got, err := choose(all, test.only, test.quick)
		var names []string
		for _, s := range got {
			names = append(names, s.name)
		}
		if err != nil || strings.Join(names, " ") != test.want {
			t.Errorf("choose %q: %q, %v; want %q", test.only, names, err, test.want)
		}
	}
	if _, err := choose(all, "nothing", false); err == nil {
		t.Error("an unknown scenario was chosen")
	}
}

// The scenarios that the floor takes part in, whole, over TLS, with small
// amounts: every one records its figures and loses no message.
func TestFloorRun(t *testing.T) {
	dir := t.TempDir()
	program := filepath.Join(dir, "floor-program")
	if err := compile(t.Context(), program, "stonechat/e2e/floor"); err != nil {
		t.Fatal(err)
	}
	b := newBench(options{rounds: 1}, dir)
	b.sizes = sizes{sessions: 20, rest: 40 * time.Millisecond, logins: 20, burst: 60 * time.Millisecond, offer: 100 * time.Millisecond, cycles: 1, speeches: 5, sparse: 100}
	if err := b.prepare(t.Context(), []string{"floor"}, target.Options{Dir: dir, Floor: program}); err != nil {
		t.Fatal(err)
	}
	chosen, err := choose(scenarios(), "idle-tls,idle-plain,login,chat,stream,offered-500,star500,room100,pep500,pep500-quiet,offline", false)
	if err != nil {
		t.Fatal(err)
	}
	if err := b.run(t.Context(), chosen); err != nil {
		t.Fatal(err)
	}
	if b.failed {
		t.Fatalf("cells failed: %q", b.results.notes)
	}
	for _, id := range []string{
		"empty", "idle-tls", "idle-plain", "login", "chat", "chat-rate", "chat-p99", "stream", "stream-rate",
		"offered-500", "offered-500-p50", "star500-on", "star500-off", "star500-off-last",
		"room100", "room100-rate", "room100-last", "room100-last-p99", "room100-fill", "room100-all", "pep500", "pep500-last",
	} {
		if v := b.results.median(id, "floor"); !(v > 0) {
			t.Errorf("%s = %v", id, v)
		}
	}
	text := report(b, chosen, time.Second)
	for _, want := range []string{"| empty process, PSS | MB |", "| chat | ", "- offline, floor: skipped", "generator's own"} {
		if !strings.Contains(text, want) {
			t.Errorf("no %q in\n%s", want, text)
		}
	}
	if _, err := os.Stat(filepath.Join(dir, "floor", "cert.pem")); err != nil {
		t.Error(err)
	}
}
