package stanza

import (
	"errors"
	"fmt"
	"testing"

	"stonechat/xmpp/jid"
	"stonechat/xmpp/ns"
	"stonechat/xmpp/xmltok"
)

const stanzaErrors = ` xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'`

func TestErrorReply(t *testing.T) {
	for _, c := range []struct {
		in   string
		err  *Error
		want string // empty: no reply
	}{
		{
			`<iq type='get' id='1' from='a@b/c' to='d'><q xmlns='u'/></iq>`, NewError(ServiceUnavailable, ""),
			`<iq to='a@b/c' from='d' id='1' type='error'><error type='cancel'><service-unavailable` + stanzaErrors + `/></error></iq>`,
		},
		{
			`<message id='1&amp;' from='a@b/c'><body/></message>`, &Error{Type: Wait, Condition: PolicyViolation, Text: "too <much>", By: jid.MustParse("m@n"), App: "<x xmlns='u'/>"},
			`<message to='a@b/c' id='1&amp;' type='error'><error type='wait' by='m@n'><policy-violation` + stanzaErrors + `/><text` + stanzaErrors + ` xml:lang='en'>too &lt;much&gt;</text><x xmlns='u'/></error></message>`,
		},
		{`<presence/>`, &Error{Condition: Gone, Detail: "xmpp:a@b"}, `<presence type='error'><error type='cancel'><gone` + stanzaErrors + `>xmpp:a@b</gone></error></presence>`},
		{
			`<presence/>`, &Error{Condition: Conflict, Beside: "<x xmlns='u'/>"},
			`<presence type='error'><error type='cancel'><conflict` + stanzaErrors + `/></error><x xmlns='u'/></presence>`,
		},
		{`<iq type='set'/>`, &Error{App: "<x>", Condition: "made-up"}, `<iq type='error'><error type='cancel'><undefined-condition` + stanzaErrors + `/></error></iq>`},
		{`<iq type='set'/>`, nil, `<iq type='error'><error type='cancel'><internal-server-error` + stanzaErrors + `/></error></iq>`},
		{`<iq type='result'/>`, nil, ""},
		{`<iq type='error'/>`, nil, ""},
		{`<message type='error'/>`, nil, ""},
		{`<r xmlns='urn:xmpp:sm:3'/>`, nil, ""},
	} {
		got := ""
		if s := ErrorReply(parsed(t, c.in), c.err); s != nil {
			got = string(s.Append(nil, ""))
			sameIndex(t, s)
		}
		if got != c.want {
			t.Errorf("%s\n got %s\nwant %s", c.in, got, c.want)
		}
	}
}

func TestErrorRoundTrip(t *testing.T) {
	orig := parsed(t, `<iq type='get' from='a@b'/>`)
	for _, c := range []Condition{
		BadRequest, Conflict, FeatureNotImplemented, Forbidden, Gone, InternalServerError, ItemNotFound,
		JIDMalformed, NotAcceptable, NotAllowed, NotAuthorized, PolicyViolation, RecipientUnavailable, Redirect, RegistrationRequired,
		RemoteServerNotFound, RemoteServerTimeout, ResourceConstraint, ServiceUnavailable, SubscriptionRequired, UndefinedCondition, UnexpectedRequest,
	} {
		want := NewError(c, "text & more")
		if want.Type == "" {
			t.Errorf("%s has no usual type", c)
		}
		want.App, want.By = `<limit xmlns='urn:x'>1</limit>`, jid.MustParse("c.example")
		got := ParseError(ErrorReply(orig, want))
		if got == nil || *got != *want {
			t.Errorf("got %+v, want %+v", got, want)
		}
	}
}

func TestParseError(t *testing.T) {
	for _, c := range []struct {
		in   string
		want *Error
	}{
		{`<message/>`, nil},
		{`<iq type='result'/>`, nil},
		{`<message type='error'/>`, &Error{Type: Cancel, Condition: UndefinedCondition}},
		{`<message type='error'><error code='404'/></message>`, &Error{Type: Cancel, Condition: UndefinedCondition}},
		{`<iq type='error'><error type='nonsense' by='@'><redirect` + stanzaErrors + `>xmpp:x</redirect></error></iq>`, &Error{Type: Modify, Condition: Redirect, Detail: "xmpp:x"}},
		{`<iq type='error'><error type='auth'><future` + stanzaErrors + `/></error></iq>`, &Error{Type: Auth, Condition: UndefinedCondition}},
	} {
		got := ParseError(parsed(t, c.in))
		if (got == nil) != (c.want == nil) || got != nil && *got != *c.want {
			t.Errorf("%s: got %+v, want %+v", c.in, got, c.want)
		}
	}
}

func TestResult(t *testing.T) {
	iq := parsed(t, `<iq type='set' id='1' from='a@b/c' to='d'><q xmlns='u'/></iq>`)
	for payload, want := range map[string]string{
		"":                 `<iq to='a@b/c' from='d' id='1' type='result'/>`,
		"<q xmlns='u'/>":   `<iq to='a@b/c' from='d' id='1' type='result'><q xmlns='u'/></iq>`,
		"</iq><iq><q></q>": `<iq to='a@b/c' from='d' id='1' type='error'><error type='cancel'><internal-server-error` + stanzaErrors + `/></error></iq>`,
	} {
		if got := string(Result(iq, payload).Append(nil, "")); got != want {
			t.Errorf("got %s, want %s", got, want)
		}
	}
	for _, in := range []string{`<iq type='result'/>`, `<iq type='error'/>`, `<iq/>`, `<message/>`} {
		if Result(parsed(t, in), "") != nil {
			t.Errorf("%s is answered", in)
		}
	}
}

func TestAsError(t *testing.T) {
	e := NewError(Forbidden, "no")
	if AsError(fmt.Errorf("outer: %w", e)) != e {
		t.Error("wrapped error not found")
	}
	if got := AsError(errors.New("secret")); got.Condition != InternalServerError || got.Text != "" || got.Type != Cancel {
		t.Errorf("%+v", got)
	}
}

func TestStreamError(t *testing.T) {
	e := &StreamError{Condition: StreamSeeOtherHost, Text: "go <there>", Detail: "[::1]:5222", App: "<x xmlns='u'/>"}
	const inside = `<see-other-host xmlns='urn:ietf:params:xml:ns:xmpp-streams'>[::1]:5222</see-other-host>` +
		`<text xmlns='urn:ietf:params:xml:ns:xmpp-streams' xml:lang='en'>go &lt;there&gt;</text><x xmlns='u'/></stream:error>`
	if got := string(e.Append(nil, false)); got != `<stream:error>`+inside {
		t.Error(got)
	}
	alone := string(e.Append(nil, true))
	if alone != `<stream:error xmlns:stream='http://etherx.jabber.org/streams'>`+inside {
		t.Error(alone)
	}
	for _, s := range []*Stanza{parsed(t, alone), decoded(t, clientOpen, string(e.Append(nil, false)))} {
		if got := ParseStreamError(s); got == nil || *got != *e {
			t.Errorf("%+v", got)
		}
	}
	if ParseStreamError(parsed(t, `<message/>`)) != nil {
		t.Error("a message is no stream error")
	}
	_, err := xmltok.Tree("<a>&x;</a>", ns.Client)
	if got := AsStreamError(fmt.Errorf("reading: %w", err)); got == nil || got.Condition != StreamRestrictedXML {
		t.Errorf("%+v", got)
	}
	if AsStreamError(errors.New("x")) != nil {
		t.Error("made up")
	}
}
