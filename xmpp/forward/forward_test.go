package forward

import (
	"errors"
	"strings"
	"testing"
	"time"

	"stonechat/xmpp/jid"
	"stonechat/xmpp/xmltok"
)

// tree parses XML written in a test.
func tree(t testing.TB, xml string) *xmltok.Node {
	t.Helper()
	n, err := xmltok.Tree(xml, "")
	if err != nil {
		t.Fatalf("%s: %v", xml, err)
	}
	return n
}

var noon = time.Date(2010, 7, 10, 23, 8, 25, 123456789, time.UTC)

func TestParseStamp(t *testing.T) {
	for in, want := range map[string]time.Time{
		// XEP-0082 section 3.2: both name the same moment.
		"1969-07-21T02:56:15Z":             time.Date(1969, 7, 21, 2, 56, 15, 0, time.UTC),
		"1969-07-20T21:56:15-05:00":        time.Date(1969, 7, 21, 2, 56, 15, 0, time.UTC),
		"2010-07-10T23:08:25.1Z":           time.Date(2010, 7, 10, 23, 8, 25, 100_000_000, time.UTC),
		"2010-07-10T23:08:25.123Z":         time.Date(2010, 7, 10, 23, 8, 25, 123_000_000, time.UTC),
		"2010-07-10T23:08:25.123456789Z":   noon,
		"2010-07-10T23:08:25.1234567891Z":  noon,
		"2010-07-11T01:08:25+02:00":        time.Date(2010, 7, 10, 23, 8, 25, 0, time.UTC),
		"2000-02-29T00:00:00Z":             time.Date(2000, 2, 29, 0, 0, 0, 0, time.UTC),
		"2010-07-10T23:08:25.123456+00:00": time.Date(2010, 7, 10, 23, 8, 25, 123_456_000, time.UTC),
	} {
		got, err := ParseStamp(in)
		if err != nil || !got.Equal(want) || got.Location() != time.UTC {
			t.Errorf("%s: %v, %v; want %v", in, got, err, want)
		}
	}
	for _, in := range []string{
		"", "2010-07-10", "23:08:25Z", "2010-07-10T23:08:25", "2010-07-10 23:08:25Z", "2010-07-10t23:08:25z",
		"20100710T23:08:25", "20100710T23:08:25Z", "2010-07-10T3:08:25Z", "2010-07-10T23:08Z", "2010-07-10T23:08:25,5Z",
		"2010-07-10T23:08:25.Z", "2010-13-10T23:08:25Z", "2010-02-30T23:08:25Z", "2010-07-10T25:08:25Z", "2010-07-10T23:08:61Z",
		"2010-07-10T23:08:25+0200", "2010-07-10T23:08:25+25:00", "2010-07-10T23:08:25Zx", " 2010-07-10T23:08:25Z", "-2010-07-10T23:08:25Z",
		"12010-07-10T23:08:25Z", "0001-01-01T00:00:00Z", "0001-01-01T01:00:00+01:00", "2010-07-10T23:08:25.5", "2010-07-10T3:08:25.5Z", "2010-07-10T23:08:25." + strings.Repeat("1", 99) + "Z",
	} {
		if got, err := ParseStamp(in); !errors.Is(err, ErrStamp) {
			t.Errorf("%q: %v, %v; want %v", in, got, err, ErrStamp)
		}
	}
}

func TestFormatStamp(t *testing.T) {
	for want, in := range map[string]time.Time{
		"2010-07-10T23:08:25.123456Z": noon,
		"2010-07-10T21:08:25.000000Z": time.Date(2010, 7, 10, 23, 8, 25, 0, time.FixedZone("", 2*3600)),
		"0999-01-01T00:00:00.000001Z": time.Date(999, 1, 1, 0, 0, 0, 1999, time.UTC),
	} {
		got := FormatStamp(in)
		if got != want {
			t.Errorf("%v: %s, want %s", in, got, want)
		}
		if back, err := ParseStamp(got); err != nil || !back.Equal(in.Truncate(time.Microsecond)) {
			t.Errorf("%s read as %v, %v", got, back, err)
		}
	}
	early, late := FormatStamp(noon), FormatStamp(noon.Add(time.Microsecond))
	if !(early < late) || len(early) != len(late) {
		t.Errorf("%s and %s do not sort as text", early, late)
	}
}

func TestDelay(t *testing.T) {
	stamp := noon.Truncate(time.Microsecond)
	for want, d := range map[string]Delay{
		"": {},
		"<delay xmlns='urn:xmpp:delay' stamp='2010-07-10T23:08:25.123456Z'/>": {Stamp: stamp},
		"<delay xmlns='urn:xmpp:delay' from='capulet.com' stamp='2010-07-10T23:08:25.123456Z'>Offline &lt;Storage&gt;</delay>": {
			From: jid.MustParse("capulet.com"), Stamp: stamp, Reason: "Offline <Storage>",
		},
		"<delay xmlns='urn:xmpp:delay' from='a@b/&apos;&amp;' stamp='2010-07-10T23:08:25.123456Z'/>": {
			From: jid.MustParse("a@b/'&"), Stamp: stamp,
		},
	} {
		if got := string(d.AppendXML([]byte("head"))); got != "head"+want {
			t.Errorf("got  %s\nwant head%s", got, want)
		}
		if want == "" {
			continue
		}
		if back, err := ParseDelay(tree(t, want)); err != nil || back != d {
			t.Errorf("%s read as %+v, %v", want, back, err)
		}
	}
}

func TestParseDelayRefuses(t *testing.T) {
	for xml, want := range map[string]error{
		"<delay xmlns='urn:xmpp:delay'/>":                                                ErrStamp,
		"<delay xmlns='urn:xmpp:delay' stamp='yesterday'/>":                              ErrStamp,
		"<delay xmlns='urn:x' stamp='2010-07-10T23:08:25Z'/>":                            ErrNotDelay,
		"<x xmlns='urn:xmpp:delay' stamp='2010-07-10T23:08:25Z'/>":                       ErrNotDelay,
		"<delay xmlns='urn:xmpp:delay' from='@' stamp='2010-07-10T23:08:25Z'/>":          jid.ErrEmpty,
		"<delay xmlns='urn:xmpp:delay' xmlns:a='urn:a' a:stamp='2010-07-10T23:08:25Z'/>": ErrStamp,
	} {
		if d, err := ParseDelay(tree(t, xml)); !errors.Is(err, want) || d != (Delay{}) {
			t.Errorf("%s: %+v, %v; want %v", xml, d, err, want)
		}
	}
	if _, err := ParseDelay(nil); !errors.Is(err, ErrNotDelay) {
		t.Errorf("nil: %v", err)
	}
}

const message = "<message xmlns='jabber:client' from='juliet@capulet.lit/orchard' id='0202197'><body>Yet I &amp; thee</body></message>"

func TestAppendAndParse(t *testing.T) {
	d := Delay{Stamp: noon.Truncate(time.Microsecond)}
	got := string(Append([]byte("head"), d, []byte(message)))
	want := "head<forwarded xmlns='urn:xmpp:forward:0'><delay xmlns='urn:xmpp:delay' stamp='2010-07-10T23:08:25.123456Z'/>" + message + "</forwarded>"
	if got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
	f, err := Parse(tree(t, strings.TrimPrefix(got, "head")))
	if err != nil || f.Delay != d || f.Stanza.Space != "jabber:client" || f.Stanza.Attr("id") != "0202197" {
		t.Errorf("%+v, %v", f, err)
	}
	if body := f.Stanza.Child("jabber:client", "body").Text(); body != "Yet I & thee" {
		t.Errorf("body %q", body)
	}
	plain := string(Append(nil, Delay{}, []byte(message)))
	if plain != "<forwarded xmlns='urn:xmpp:forward:0'>"+message+"</forwarded>" {
		t.Errorf("without time: %s", plain)
	}
	if f, err := Parse(tree(t, plain)); err != nil || !f.Delay.Stamp.IsZero() {
		t.Errorf("without time: %+v, %v", f, err)
	}
}

func TestParseKinds(t *testing.T) {
	const delay = "<delay xmlns='urn:xmpp:delay' stamp='2010-07-10T23:08:25Z'/>"
	for content, want := range map[string]error{
		message:                                 nil,
		message + delay:                         nil,
		"<presence xmlns='jabber:server'/>":     nil,
		"<iq xmlns='jabber:client'/>":           nil,
		"<extra xmlns='urn:x'/>" + message:      nil,
		"":                                      ErrNotForwarded,
		delay:                                   ErrNotForwarded,
		message + message:                       ErrNotForwarded,
		delay + delay + message:                 ErrNotForwarded,
		"<message/>":                            ErrNotForwarded, // fell into the namespace of the wrapper
		"<message xmlns='urn:x'/>":              ErrNotForwarded,
		"<stream xmlns='jabber:client'/>":       ErrNotForwarded,
		"<delay xmlns='urn:xmpp:delay'/>":       ErrStamp,
		message + "<iq xmlns='jabber:server'/>": ErrNotForwarded,
	} {
		f, err := Parse(tree(t, "<forwarded xmlns='urn:xmpp:forward:0'>"+content+"</forwarded>"))
		if !errors.Is(err, want) || (err == nil) != (f.Stanza != nil) {
			t.Errorf("%s: %+v, %v; want %v", content, f, err, want)
		}
	}
	for _, n := range []*xmltok.Node{nil, tree(t, "<forwarded xmlns='urn:x'/>"), tree(t, "<forward xmlns='urn:xmpp:forward:0'/>")} {
		if _, err := Parse(n); !errors.Is(err, ErrNotForwarded) {
			t.Errorf("%+v: %v", n, err)
		}
	}
}

func TestAppendAllocatesNothing(t *testing.T) {
	buf, stanza := make([]byte, 0, 1024), []byte(message)
	d := Delay{From: jid.MustParse("a@b"), Stamp: noon}
	if n := testing.AllocsPerRun(100, func() { buf = Append(buf[:0], d, stanza) }); n != 0 {
		t.Errorf("%v allocations into a buffer that is large enough", n)
	}
	if len(buf) == 0 {
		t.Error("nothing written")
	}
}

func FuzzParseStamp(f *testing.F) {
	for _, s := range []string{"1969-07-20T21:56:15-05:00", "2010-07-10T23:08:25.123456789Z", "0000-01-01T00:00:00Z", "9999-12-31T23:59:59.9-23:59"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		at, err := ParseStamp(s)
		if err != nil || at.Year() < 0 || at.Year() > 9999 {
			return // offsets can lead out of the years that have four digits
		}
		back, err := ParseStamp(FormatStamp(at))
		if err != nil || !back.Equal(at.Truncate(time.Microsecond)) {
			t.Fatalf("%q is %v, written and read %v, %v", s, at, back, err)
		}
	})
}

func FuzzParse(f *testing.F) {
	f.Add(string(Append(nil, Delay{Stamp: noon, Reason: "x"}, []byte(message))))
	f.Add("<forwarded xmlns='urn:xmpp:forward:0'><a:iq xmlns:a='jabber:server' a:b='c'/></forwarded>")
	f.Fuzz(func(t *testing.T, s string) {
		n, err := xmltok.Tree(s, "")
		if err != nil {
			return
		}
		got, err := Parse(n)
		if err != nil {
			return
		}
		if y := got.Delay.Stamp.Year(); y < 0 || y > 9999 {
			return
		}
		out := string(Append(nil, got.Delay, got.Stanza.AppendXML(nil, "")))
		if n, err = xmltok.Tree(out, ""); err != nil {
			t.Fatalf("wrote %q: %v", out, err)
		}
		back, err := Parse(n)
		if err != nil || back.Stanza.Local != got.Stanza.Local || back.Delay.From != got.Delay.From {
			t.Fatalf("%q became %q: %v", s, out, err)
		}
	})
}
