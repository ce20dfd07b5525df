package play

import (
	"slices"
	"testing"
)

func TestFrames(t *testing.T) {
	const framing = "xmlns='urn:ietf:params:xml:ns:xmpp-framing'"
	for _, c := range []struct {
		in   string
		want []string
	}{
		{
			"<?xml version='1.0'?><stream:stream to='a' version='1.0' xmlns='jabber:client' xmlns:stream='http://etherx.jabber.org/streams'>",
			[]string{"<open " + framing + " to='a' version='1.0'/>"},
		},
		{"<s:stream xmlns:s=\"x\" to='a'><r xmlns='y'/>", []string{"<open " + framing + " to='a'/>", "<r xmlns='y'/>"}},
		{"<presence/>\n  <iq id='1'><a><b/></a></iq>", []string{"<presence xmlns='jabber:client'/>", "<iq xmlns='jabber:client' id='1'><a><b/></a></iq>"}},
		{"<presence/></stream:stream>", []string{"<presence xmlns='jabber:client'/>", "<close " + framing + "/>"}},
		{"<stream:x/>", []string{"<stream:x xmlns:stream='http://etherx.jabber.org/streams'/>"}},
		{"<a:b xmlns:a='c'/>", []string{"<a:b xmlns:a='c'/>"}},
		{"<not xml", []string{"<not xml"}},
		{"text", []string{"text"}},
		{"<!-- comment -->", []string{"<!-- comment -->"}},
		{"", nil},
	} {
		if got := frames(c.in); !slices.Equal(got, c.want) {
			t.Errorf("%s became %q", c.in, got)
		}
	}
}

func TestStreamsOnly(t *testing.T) {
	p, err := Parse("# RFC 6120: x.\n# streams only: there is none\njuliet is juliet/balcony over WebSocket\n\njuliet connects\n")
	if err != nil || p.Streams != "there is none" || !p.Cast[0].WebSocket {
		t.Errorf("%+v, %v", p, err)
	}
}
